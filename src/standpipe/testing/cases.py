"""The table of cases: what each asks, and what a sink and its destination must be able to do for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.testing import delivery_cases, fault_cases, refusal_cases, trust_cases
from standpipe.testing.destination import (
    BATCHES,
    CLIENT_CERTIFICATE,
    CREDENTIALS,
    GOES_AWAY,
    NETWORK,
    ORDER,
    RECORDS,
    REFUSES_RECORDS,
    REFUSES_UNNAMED,
    SIZE_LIMIT,
    TLS,
)
from standpipe.testing.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from standpipe.testing.destination import Certificates, Kind


@dataclass(frozen=True, slots=True)
class Case:
    """One case. asks: what must hold, in a sentence. needs: capabilities, all of them."""

    name: str
    asks: str
    needs: frozenset[str]
    run: Callable[[Stage], None]


def _case(name: str, asks: str, run: Callable[[Stage], None], *needs: str) -> Case:
    return Case(name, asks, frozenset(needs), run)


CASES: tuple[Case, ...] = (
    _case(
        "everything arrives",
        "Each record arrives once, unchanged, also torn ones; each names the one before; each seal arrives.",
        delivery_cases.everything_arrives,
    ),
    _case(
        "order",
        "Many small batches, one in flight: the records arrive in the journal's order, and a seal after its records.",
        delivery_cases.order,
        RECORDS,
        ORDER,
    ),
    _case(
        "batch limits",
        "No batch has more records, or more bytes, than the config allows.",
        delivery_cases.batch_limits,
        RECORDS,
        BATCHES,
    ),
    _case(
        "record larger than a batch",
        "A record that is larger than a batch may be arrives all the same, whole or in parts that make it up.",
        delivery_cases.record_larger_than_a_batch,
        RECORDS,
    ),
    _case(
        "oversize record",
        "A record of 1.5 MB arrives, whole or in parts that make it up, whatever the destination takes at once.",
        delivery_cases.oversize_record,
        RECORDS,
    ),
    _case(
        "stop and start",
        "SIGTERM when all is delivered; the next start goes on, and repeats nothing.",
        delivery_cases.stop_and_start,
    ),
    _case(
        "filtered is not lost",
        "With `select` only those records arrive, and each names the one before that was sent, so none seems lost.",
        delivery_cases.filtered_is_not_lost,
        RECORDS,
    ),
    _case(
        "no seals if not wanted",
        "With `deliver_seals: false` the records arrive, and no seal.",
        delivery_cases.no_seals_if_not_wanted,
        RECORDS,
    ),
    _case(
        "sent again",
        "What is sent again has the same ids and the same bytes, also where batches are cut elsewhere.",
        delivery_cases.sent_again,
    ),
    _case(
        "too large for the destination",
        "A refusal for size is answered with smaller batches; a record that is too large alone is a dead letter.",
        refusal_cases.too_large_for_the_destination,
        RECORDS,
        SIZE_LIMIT,
    ),
    _case(
        "partial failure",
        "Records that are refused for ever are dead letters with the reason, an incident each; all others arrive.",
        refusal_cases.partial_failure,
        RECORDS,
        REFUSES_RECORDS,
    ),
    _case(
        "first record refused",
        "Also where the very first record is refused, before anything was taken.",
        refusal_cases.first_record_refused,
        RECORDS,
        REFUSES_RECORDS,
    ),
    _case(
        "refused, and not named",
        "Where the answer says that records were refused and not which, each that may be one is a dead letter.",
        refusal_cases.refused_unnamed,
        RECORDS,
        REFUSES_UNNAMED,
    ),
    _case(
        "ambiguous failure",
        "The server has the batch and the connection is reset before it can say so: sent again, nothing lost.",
        fault_cases.ambiguous_failure,
        NETWORK,
    ),
    _case(
        "cut inside a request",
        "The connection is reset in the middle of a request, at several places: sent again, nothing lost or mangled.",
        fault_cases.cut_inside_a_request,
        NETWORK,
    ),
    _case(
        "slow",
        "A destination that takes next to nothing holds up no other sink, is no failure, and gets everything.",
        fault_cases.slow,
        NETWORK,
    ),
    _case(
        "down, then up",
        "The destination is away at the start, and later again: status says so; when it is back nothing is missing.",
        fault_cases.down_then_up,
    ),
    _case(
        "killed between send and ack",
        "kill -9 of ship while the server has the batch and has not said so: the next start repeats it, with its ids.",
        fault_cases.killed_between_send_and_ack,
        NETWORK,
    ),
    _case(
        "killed again and again",
        "kill -9 of ship wherever it is, several times: complete, and each time no more is repeated than one batch.",
        fault_cases.killed_again_and_again,
    ),
    _case(
        "credentials expire",
        "Credentials that expire while ship runs stop delivery loudly; renewed ones are taken up; nothing is lost.",
        trust_cases.credentials_expire,
        CREDENTIALS,
    ),
    _case(
        "secrets stay secret",
        "No secret is shown by messages, status, --print-config or any file of the journal, also where it is refused.",
        trust_cases.secrets_stay_secret,
        CREDENTIALS,
    ),
    _case(
        "private CA",
        "A server whose certificate a private CA signed is trusted where `tls.ca` names that CA.",
        trust_cases.private_ca,
        TLS,
    ),
    _case(
        "unknown CA",
        "A server that another CA vouches for gets nothing; when the config is mended it gets everything.",
        trust_cases.unknown_ca,
        TLS,
    ),
    _case(
        "another host's certificate",
        "A server with the certificate of another host gets nothing.",
        trust_cases.another_hosts_certificate,
        TLS,
    ),
    _case(
        "expired certificate",
        "A server with an expired certificate gets nothing.",
        trust_cases.expired_certificate,
        TLS,
    ),
    _case(
        "client certificate",
        "A server that asks for a client's certificate gets the one of `tls.cert`; without it, it takes nothing.",
        trust_cases.client_certificate,
        TLS,
        CLIENT_CERTIFICATE,
    ),
    _case("check", "`standpipe check` finds the destination good, or away, and delivers nothing.", trust_cases.check),
)


def cases_of(kind: Kind) -> list[Case]:
    """Return the cases for a sink and its destination."""
    able = kind.capabilities
    if not able & {NETWORK, GOES_AWAY}:
        raise ValueError(f"{kind.name}: neither NETWORK nor GOES_AWAY: then nobody sees what it does in an outage")
    return [case for case in CASES if case.needs <= able]


def run_case(case: Case, kind: Kind, directory: str, certificates: Certificates | None = None) -> None:
    """Run a case in an empty directory. Raises NotAsPromised."""
    with Stage(kind, directory, certificates) as stage:
        case.run(stage)
        stage.check_secrets()


def as_markdown(kinds: Iterable[Kind]) -> str:
    """Return the table: which sink runs which case, and what the cases ask."""
    rows = list(kinds)
    runs = {kind.name: {case.name for case in cases_of(kind)} for kind in rows}
    lines = [
        "| case | " + " | ".join(f"`{kind.name}`" for kind in rows) + " |",
        "|---|" + "---|" * len(rows),
    ]
    for case in CASES:
        marks = " | ".join("yes" if case.name in runs[kind.name] else "–" for kind in rows)
        lines.append(f"| {case.name} | {marks} |")
    lines += ["", "| case | what must hold |", "|---|---|"]
    lines += [f"| {case.name} | {case.asks} |" for case in CASES]
    lines += ["", "| sink | against |", "|---|---|"]
    lines += [f"| `{kind.name}` | {kind.peer} |" for kind in rows]
    return "\n".join(lines) + "\n"
