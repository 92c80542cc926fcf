from __future__ import annotations

import contextlib
import json
import sqlite3
import ssl
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from google.protobuf import json_format

from standpipe.config_sinks import BatchConfig, Secret
from standpipe.errors import UsageError
from standpipe.preflight import Result, perform
from standpipe.sinks.base import Delivered, PerRecord, Poison, Retry, Split
from standpipe.sinks.gcp import REQUEST_BYTES
from standpipe.sinks.gcp_resource import ENVIRONMENT, IN_KUBERNETES
from tests.docs.pages import DOCS
from tests.sinks.batches import batch_of
from tests.sinks.gcp_peer import REQUEST_BYTES as GOOGLES_BYTES
from tests.sinks.gcp_peer import Peer, retry_info, status
from tests.sinks.gcp_readback import payload, rebuilt, value
from tests.sinks.gcp_rig import DAY, JOURNAL, config, make_sink, new_account
from tests.sinks.odd_records import ODD_BODIES, SEAL, TORN_BODIES, entries, entry, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from standpipe.records.framing import Record

TOKEN_PATH = "instance/service-accounts/default/token"  # noqa: S105 - a path


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Peer]:
    """Give a Cloud Logging, and a metadata server that gives tokens for it."""
    found = Peer()
    found.start()
    monkeypatch.setenv("GCE_METADATA_HOST", f"localhost:{found.port}")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    for name in chain(("GOOGLE_APPLICATION_CREDENTIALS", IN_KUBERNETES), *ENVIRONMENT.values()):
        monkeypatch.delenv(name, raising=False)
    found.metadata = {
        TOKEN_PATH: json.dumps({"access_token": "good", "expires_in": 3599}),
        "project/project-id": "proj",
        "instance/attributes/cluster-name": "blue",
        "instance/attributes/cluster-location": "europe-west1",
        "instance/zone": "projects/123/zones/europe-west1-b",
    }
    yield found
    found.stop()


def test_records_arrive(peer: Peer) -> None:
    """A batch arrives as entries of the project's log, with resource and labels, in the records' order by id."""
    sink = make_sink(peer.base, labels={"env": "prod"})
    found = entries(20)
    assert Delivered() == sink.send(batch_of(sink, found))
    stored = peer.entries()
    assert 20 == len(stored)
    assert {f"{JOURNAL}-{r.offset:020d}": value(r.body) for r in found} == rebuilt(stored)
    first = stored[0]
    assert "projects/proj/logs/vault-audit" == first.log_name
    assert "k8s_container" == first.resource.type
    expected = {"location": "z", "cluster_name": "c", "namespace_name": "n", "pod_name": "p"}
    assert expected | {"project_id": "proj", "container_name": "vault"} == dict(first.resource.labels)
    assert {"prod", JOURNAL, "kv"} < set(first.labels.values())
    sink.close()


def test_odd_records_arrive(peer: Peer) -> None:
    """Odd and torn records and seals, in one request, are all taken, and every value comes back."""
    sink = make_sink(peer.base)
    offset = 0
    found: list[Record] = []
    for body in ODD_BODIES.values():
        found.append(record(body, offset))
        offset = found[-1].end
    for body in TORN_BODIES.values():
        found.append(record(body, offset, torn=True))
        offset = found[-1].end
    assert Delivered() == sink.send(batch_of(sink, [*found, SEAL]))
    back = rebuilt(peer.entries())
    for made in found:
        got = back[f"{JOURNAL}-{made.offset:020d}"]
        assert (made.body if isinstance(got, bytes) else value(made.body)) == got
    assert {"seal": value(SEAL.body)} == back[f"{JOURNAL}-{SEAL.offset:020d}-seal"]
    sink.close()


def test_a_batch_sent_twice_is_stored_once(peer: Peer) -> None:
    """A re-send has the same bytes, ids and times, so Logging shows each entry once."""
    for _ in range(2):
        sink = make_sink(peer.base)
        assert Delivered() == sink.send(batch_of(sink, entries(5)))
        sink.close()
    assert 5 == len(peer.stored)
    assert peer.requests[0] == peer.requests[1]


def test_taken_but_not_answered(peer: Peer) -> None:
    """Where the server took the batch and the connection broke, it is sent again, and stored once."""
    sink = make_sink(peer.base)
    batch = batch_of(sink, entries(5))
    peer.break_next = 1
    outcome = sink.send(batch)
    assert isinstance(outcome, Retry)
    assert not outcome.config_fault
    assert Delivered() == sink.send(batch)
    assert 5 == len(peer.stored)
    sink.close()


def future(number: int, offset: int) -> Record:
    """Return a record from the day after tomorrow."""
    made = entry(number, offset)
    time = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%d")
    return record(made.body.replace(b"2026-01-02", time.encode()), offset)


def test_one_bad_record_among_good_ones(peer: Peer) -> None:
    """Logging names the record that it refuses, and takes all others."""
    sink = make_sink(peer.base)
    found = entries(4)
    found.append(future(9, found[-1].end))
    outcome = sink.send(batch_of(sink, found))
    assert isinstance(outcome, PerRecord)
    assert [4] == list(outcome.faults)
    fault = outcome.faults[4]
    assert isinstance(fault, Poison)
    assert fault.certain
    assert "in the future" in fault.why
    assert 4 == len(peer.stored)
    sink.close()


def test_nothing_but_bad_records(peer: Peer) -> None:
    """Where nothing is written Logging names no entry; the fault is then not a certain one."""
    sink = make_sink(peer.base)
    outcome = sink.send(batch_of(sink, [future(9, 0)]))
    assert isinstance(outcome, Poison)
    assert not outcome.certain
    sink.close()


def test_wrong_batches_are_refused(peer: Peer) -> None:
    """The peer refuses a member that does not exist, an entry and a request that are too large, and no token."""
    sink = make_sink(peer.base)
    good = batch_of(sink, entries(1)).payloads[0]
    for bad in (
        good.replace(b'"insertId"', b'"insertID"'),
        good[:-2] + b',"x":"' + b"y" * (256 << 10) + b'"}}',
        b'{"jsonPayload":{"a":1,"a":2}}',
        b'{"jsonPayload":{"a":1e400}}',
        b'{"timestamp":"yesterday"}',
    ):
        outcome = sink.send(given_batch(bad))
        assert isinstance(outcome, Poison), bad[:80]
    large = given_batch(*[good[:-2] + b',"x":"' + b"y" * (200 << 10) + b'"}}'] * 50)
    assert isinstance(sink.send(large), Split)
    assert Delivered() == sink.send(given_batch(good))
    sink.close()


def given_batch(*payloads: bytes) -> Any:  # noqa: ANN401 - a batch of what no record gives
    """Return a batch of given bytes."""
    from standpipe.sinks.base import Batch  # noqa: PLC0415

    return Batch([entry(0, 0)] * len(payloads), list(payloads), [0] * len(payloads))


def test_full_batches_are_within_the_limit(peer: Peer) -> None:
    """A batch as large as the limits allow makes a request of at most REQUEST_BYTES, which is taken."""
    sink = make_sink(peer.base, labels={"note": "é" * 5000}, batch=BatchConfig(size_bytes=1 << 30))
    limits = sink.limits
    found = entries(60, f',"auth":{{"display_name":"{"x" * 200_000}"}}')
    batch = batch_of(sink, found)
    count, size = 0, 0
    for made in batch.payloads:
        size += len(made) + limits.record_overhead_bytes
        if size > limits.batch_bytes:
            break
        count += 1
    assert Delivered() == sink.send(batch.pick(range(count)))
    assert count > 30
    assert REQUEST_BYTES - (400 << 10) < len(peer.requests[-1]) <= REQUEST_BYTES < GOOGLES_BYTES
    sink.close()


def test_limits_of_the_config() -> None:
    """The config's batch makes batches smaller, never larger than Google allows."""
    wish = BatchConfig(size_bytes=100_000, records=7, age_seconds=0.5, in_flight=3)
    limits = make_sink("http://localhost:1", batch=wish).limits
    assert (7, 0.5, 3) == (limits.batch_records, limits.linger_seconds, limits.in_flight)
    assert 80_000 < limits.batch_bytes < 100_000
    assert make_sink("http://localhost:1", batch=BatchConfig(size_bytes=1 << 30)).limits.batch_bytes < REQUEST_BYTES


def test_a_large_record_arrives_in_parts(peer: Peer) -> None:
    """A record of a megabyte arrives as split entries that are its bytes when joined."""
    sink = make_sink(peer.base)
    body = json.dumps({"time": "2026-01-02T03:04:05Z", "data": "é" * 500_000}, ensure_ascii=False).encode()
    batch = batch_of(sink, [record(body, 0)])
    assert len(batch) > 4
    assert Delivered() == sink.send(batch)
    assert {f"{JOURNAL}-{0:020d}": body} == rebuilt(peer.entries())
    sink.close()


def test_quota(peer: Peer) -> None:
    """429 is tried again; Google's RetryInfo is passed on where it is there."""
    sink = make_sink(peer.base)
    peer.answers = [
        lambda: status("RESOURCE_EXHAUSTED", "Quota exceeded"),
        lambda: status("RESOURCE_EXHAUSTED", "Quota exceeded", [retry_info(5)]),
    ]
    batch = batch_of(sink, entries(1))
    for expected in (None, 5.0):
        outcome = sink.send(batch)
        assert isinstance(outcome, Retry)
        assert (expected, False) == (outcome.after_seconds, outcome.config_fault)
    assert Delivered() == sink.send(batch)
    sink.close()


def test_unknown_project(peer: Peer) -> None:
    """A project that is not ours is a fault of the configuration, not the records'."""
    sink = make_sink(peer.base, project="other")
    outcome = sink.send(batch_of(sink, entries(1)))
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    assert "roles/logging.logWriter" in outcome.why
    sink.close()


def test_withdrawn_token(peer: Peer) -> None:
    """A token that was good and is refused is fetched anew; one that never was is a configuration fault."""
    sink = make_sink(peer.base)
    batch = batch_of(sink, entries(1))
    assert Delivered() == sink.send(batch)
    peer.tokens = {"next"}
    peer.metadata[TOKEN_PATH] = json.dumps({"access_token": "next", "expires_in": 3599})
    outcome = sink.send(batch)
    assert isinstance(outcome, Retry)
    assert not outcome.config_fault
    assert Delivered() == sink.send(batch)
    peer.tokens = set()
    sink.send(batch)
    outcome = sink.send(batch)
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    assert "next" not in outcome.why.replace("the next try", "")
    sink.close()


def test_down_then_up(peer: Peer) -> None:
    """A server that cannot be reached is tried again, and nothing is lost."""
    sink = make_sink(f"http://localhost:{free_port()}")
    outcome = sink.send(batch_of(sink, entries(1)))
    assert isinstance(outcome, Retry)
    assert not outcome.config_fault
    sink.close()


def free_port() -> int:
    """Return a port on which nobody listens."""
    found = Peer()
    found.start()
    found.stop()
    return found.port


def test_resource_from_the_metadata_server(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Kubernetes the downward API's variables and the metadata server make the resource, and the project."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("POD_NAME", "vault-0")
    monkeypatch.setenv("POD_NAMESPACE", "vault")
    sink = make_sink(peer.base, project=None, resource__type=None, resource__labels=None)
    assert Delivered() == sink.send(batch_of(sink, entries(1)))
    (stored,) = peer.entries()
    assert "k8s_container" == stored.resource.type
    assert {
        "project_id": "proj",
        "location": "europe-west1",
        "cluster_name": "blue",
        "namespace_name": "vault",
        "pod_name": "vault-0",
        "container_name": "vault",
    } == dict(stored.resource.labels)
    sink.close()


def test_metadata_server_that_does_not_know(peer: Peer) -> None:
    """Labels that nobody knows are left out, and a notice names them."""
    del peer.metadata["instance/attributes/cluster-name"]
    sink = make_sink(peer.base, resource__labels={"namespace_name": "n", "pod_name": "p"})
    outcome = sink.send(batch_of(sink, entries(1)))
    assert isinstance(outcome, Delivered)
    assert "no cluster_name" in outcome.notice
    sink.close()


def test_metadata_server_that_is_not_there(peer: Peer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A metadata server that does not answer is asked a few times; then entries go without its labels."""
    key = tmp_path / "account.json"
    key.write_text(new_account(peer))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    monkeypatch.setenv("GCE_METADATA_HOST", f"localhost:{free_port()}")
    sink = make_sink(peer.base, resource__labels={"namespace_name": "n", "pod_name": "p"})
    batch = batch_of(sink, entries(1))
    outcomes = [sink.send(batch) for _ in range(4)]
    assert [Retry, Retry, Retry, Delivered] == [type(outcome) for outcome in outcomes]
    assert "no location, cluster_name" in getattr(outcomes[3], "notice", "")
    sink.close()


def test_old_records_are_told(peer: Peer) -> None:
    """Records older than the bucket's retention are sent, and a notice says that Logging does not keep them."""
    sink = make_sink(peer.base, retention=DAY)
    old = record(entry(1, 0).body.replace(b"2026-", b"2020-"), 0)
    outcome = sink.send(batch_of(sink, [old]))
    assert isinstance(outcome, Delivered)
    assert "older than 1 days" in outcome.notice
    young = record(entry(1, 0).body.replace(b"2026-01-02", datetime.now(UTC).strftime("%Y-%m-%d").encode()), 0)
    assert Delivered() == sink.send(batch_of(sink, [young]))
    sink.close()


def look(sink: Any) -> list[Result]:  # noqa: ANN401 - any sink
    """Return what the checks of a sink find."""
    found = perform(sink.checks())
    sink.close()
    return found


def test_check_stores_nothing(peer: Peer) -> None:
    """The check asks with dry_run: it is good, and nothing is stored."""
    (result,) = look(make_sink(peer.base))
    assert ("ok", {}) == (result.state, peer.stored)
    assert json.loads(peer.requests[0])["dryRun"] is True


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (("PERMISSION_DENIED", "Cloud Logging API has not been used in project 1 before"), "logging.logWriter"),
        (("NOT_FOUND", "no project"), "option `project`"),
        (("UNAUTHENTICATED", "no token"), "credentials"),
        (("INTERNAL", "oops"), "endpoint"),
    ],
)
def test_check_says_the_remedy(peer: Peer, answer: tuple[str, str], words: str) -> None:
    """Each failure comes with what to do about it."""
    peer.answers = [lambda: status(*answer)]
    (result,) = look(make_sink(peer.base))
    assert "failed" == result.state
    assert answer[1] in result.found
    assert words in result.remedy


def test_check_without_a_server(peer: Peer) -> None:
    """A server that is not there is a failure, told as such."""
    (result,) = look(make_sink(f"http://localhost:{free_port()}"))
    assert ("failed", True) == (result.state, "no connection" in result.found)


def test_check_without_a_metadata_server(peer: Peer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no metadata server is, the check goes without its labels, as delivery does, and warns."""
    key = tmp_path / "account.json"
    key.write_text(new_account(peer))
    monkeypatch.setenv("GCE_METADATA_HOST", f"localhost:{free_port()}")
    results = look(make_sink(peer.base, credentials=Secret(file=str(key)), resource__labels={"pod_name": "p"}))
    assert ["ok", "warning"] == [result.state for result in results]


def test_check_of_an_incomplete_resource(peer: Peer) -> None:
    """Labels of the resource that nobody knows are a warning."""
    peer.metadata = {TOKEN_PATH: peer.metadata[TOKEN_PATH]}
    results = look(make_sink(peer.base, resource__labels={"pod_name": "p"}))
    assert ["ok", "warning"] == [result.state for result in results]


def test_labels_beyond_the_limit() -> None:
    """Labels that Logging does not take are a fault of the config."""
    with pytest.raises(UsageError, match="too many"):
        make_sink("http://localhost:1", labels={str(number): "" for number in range(60)})


def test_without_authorisation_on_loopback() -> None:
    """An endpoint on loopback can be used without tokens; then nobody is asked for anything."""
    found = Peer(tokens={""})
    found.start()
    sink = make_sink(found.base, auth="none", resource__labels=None)
    outcome = sink.send(batch_of(sink, entries(1)))
    assert isinstance(outcome, Delivered)
    assert 1 == len(found.stored)
    sink.close()
    found.stop()


def test_private_certificates(peer: Peer, tmp_path: Path) -> None:
    """A server with a private CA's certificate is spoken to if the CA is given, and never otherwise."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    found = Peer()
    found.start(context)
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    sink = make_sink(found.base, tls__ca=str(ca))
    assert Delivered() == sink.send(batch_of(sink, entries(1)))
    sink.close()
    stranger = make_sink(found.base, tls__ca=str(other))
    outcome = stranger.send(batch_of(stranger, entries(1)))
    assert isinstance(outcome, Retry)
    assert outcome.config_fault
    stranger.close()
    found.stop()
    assert 1 == len(found.stored)


def test_the_ids_in_the_payload_are_a_column(peer: Peer) -> None:
    """The id stands in the payload too, where an export to BigQuery has it as standpipe.id."""
    sink = make_sink(peer.base)
    sink.send(batch_of(sink, entries(3)))
    assert [stored.insert_id for stored in peer.entries()] == [
        payload(stored)["standpipe"]["id"] for stored in peer.entries()
    ]
    assert all(json_format.MessageToDict(type(s).pb(s))["jsonPayload"]["request"]["path"] for s in peer.entries())
    sink.close()


def test_the_query_of_the_docs_finds_holes(peer: Peer) -> None:
    """The query in docs/sinks/gcp.md finds the one record that is missing, and is not misled by a second copy."""
    sink = make_sink(peer.base)
    sink.send(batch_of(sink, [*entries(6), SEAL]))
    page = (DOCS / "sinks" / "gcp.md").read_text()
    query = page.partition("```text\n")[2].partition("```")[0]
    for bigquery, sqlite in (
        ("jsonPayload.standpipe.", ""),
        ("`my-project.audit.vault_audit_*`", "copies"),
        ("INT64", "INTEGER"),
    ):
        assert bigquery in query
        query = query.replace(bigquery, sqlite)
    rows = [payload(stored)["standpipe"] for stored in peer.entries()]
    columns = ("id", "journal", "offset", "length", "after", "kind")
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute(f"CREATE TABLE copies ({', '.join(f'{name!r}' for name in columns)})")
        values = [tuple(str(row[name]) if name in row else None for name in columns) for row in [*rows, rows[1]]]
        database.executemany("INSERT INTO copies VALUES (?, ?, ?, ?, ?, ?)", values)
        assert [] == database.execute(query).fetchall()
        lost, following = rows[2], rows[3]
        database.execute("DELETE FROM copies WHERE id = ?", (lost["id"],))
        ((journal, after, start, previous_end),) = database.execute(query).fetchall()
    assert (JOURNAL, following["after"], following["offset"]) == (journal, after, start)
    assert lost["offset"] == previous_end
    sink.close()


def test_config_of_the_rig_is_complete() -> None:
    """The tests' options are options that exist."""
    from standpipe.sink_keys.gcp import KEYS  # noqa: PLC0415

    assert set(config("http://localhost:1").options) <= {key.path for key in KEYS}
