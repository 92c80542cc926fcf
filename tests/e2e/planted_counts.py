"""What the clients' lists say that a reader of the audit log must find: counts of requests, by anything. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.e2e.planted_requests import AUDIT_TEST, OK, SEAL, Ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Request = tuple[str, str, str, str, str, bool]  # outcome, operation, namespace, path, who, root

NEVER_ANSWERED = frozenset({AUDIT_TEST.path, SEAL.path})


def request_of(ask: Ask) -> Request:
    """Return a request as the client knows it."""
    return ask.outcome, ask.operation, ask.namespace, ask.path, ask.who, ask.root


def request_in(row: Mapping[str, object]) -> Request:
    """Return the same from a row of tail's or of the view `requests`."""
    texts = [str(row[key] or "") for key in ("outcome", "operation", "namespace_path", "path", "display_name")]
    outcome, operation, namespace, path, who = texts
    return outcome, operation, namespace, path, who, bool(row["is_root"])


def counted(asked: Iterable[Ask]) -> Counter[Request]:
    """Count requests."""
    return Counter(map(request_of, asked))


def differences(expected: Counter[Request], found: Counter[Request]) -> list[str]:
    """Say what is missing and what is too much, the first few of each."""
    missing, extra = expected - found, found - expected
    return [f"missing {n} × {each}" for each, n in list(missing.items())[:5]] + [
        f"too much {n} × {each}" for each, n in list(extra.items())[:5]
    ]


@dataclass(frozen=True)
class Asked:
    """The clients' list, to be asked for counts."""

    asked: list[Ask]

    def number(self, wanted: Callable[[Ask], bool]) -> int:
        """Count requests."""
        return sum(map(wanted, self.asked))

    def by(self, key: Callable[[Ask], str], wanted: Callable[[Ask], bool] = lambda _: True) -> dict[str, int]:
        """Count requests by something."""
        return dict(Counter(key(ask) for ask in self.asked if wanted(ask)))

    @property
    def failed(self) -> int:
        """How many requests somebody should look at: refused, failed, or without an answer that they should have."""
        return self.number(lambda ask: ask.outcome != OK and ask.path not in NEVER_ANSWERED)
