from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from standpipe import preflight
from standpipe.config_sinks import Secret, SinkConfig
from standpipe.sinks.base import Batch, Context, Delivered, PerRecord, Poison, Retry, Split, Unfit
from standpipe.sinks.otlp import DOWNWARD, OtlpSink, open_sink, resource_attributes
from tests.sinks.batches import batch_of
from tests.sinks.odd_records import ODD_BODIES, SEAL, TORN_BODIES, entries, entry, record
from tests.sinks.otlp_destination import PROTOBUF, OtlpDestination, attributes_of, oteltap, plain_value, status_body

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from standpipe.records.framing import Record
    from standpipe.sinks.base import Outcome

JOURNAL = "0123456789abcdef"
CONTEXT = Context(JOURNAL, "vault-0")


def sink_to(endpoint: str, **options: object) -> OtlpSink:
    """Return a sink with a name and some options; the names' dots are written as two underscores."""
    named = {name.replace("__", "."): value for name, value in options.items()}
    return open_sink(SinkConfig("logs", "otlp", options={"endpoint": endpoint, **named}), CONTEXT)


def send(sink: OtlpSink, records: Sequence[Record]) -> Outcome:
    """Encode and send records in one batch."""
    return sink.send(batch_of(sink, records))


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the machine says of itself."""
    for name in (*DOWNWARD, "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def destination() -> Iterator[OtlpDestination]:
    """Return a receiver that is up."""
    with OtlpDestination() as found:
        yield found


def test_a_record_arrives_with_its_fields(destination: OtlpDestination) -> None:
    """Time, severity, attributes, resource and scope are what docs/sinks/otlp.md says."""
    item = entry(7, 100)
    assert Delivered() == send(sink_to(destination.endpoint), [item])
    (found,) = destination.log_records
    assert {
        "log.record.uid": f"{JOURNAL}-00000000000000000100",
        "standpipe.journal": JOURNAL,
        "standpipe.offset": 100,
        "standpipe.length": item.length,
        "standpipe.after": 100,
        "vault.type": "response",
        "vault.request.operation": "read",
        "vault.request.path": "secret/data/7",
        "vault.request.id": "request-7",
        "vault.mount.type": "kv",
        "vault.mount.point": "secret/",
        "vault.namespace.path": "team/",
    } == attributes_of(found)
    assert 1767323045_000000007 == found.time_unix_nano == found.observed_time_unix_nano
    assert (9, "INFO") == (found.severity_number, found.severity_text)
    assert [
        {"service.name": "vault", "service.instance.id": "vault-0", "host.name": "vault-0"}
    ] == destination.resources


def test_severity_says_what_failed(destination: OtlpDestination) -> None:
    """A record with an error is ERROR, a torn one WARN."""
    failed, torn = entry(1, 0, ',"error":"permission denied"'), record(b"{", 500, torn=True)
    assert Delivered() == send(sink_to(destination.endpoint), [failed, torn])
    assert ["ERROR", "WARN"] == [found.severity_text for found in destination.log_records]


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_the_text_is_unchanged_to_the_byte(destination: OtlpDestination, compression: str) -> None:
    """What a receiver could round, reorder or re-encode comes back as it was, behind the envelope."""
    records = [record(body, index * 1000) for index, body in enumerate(ODD_BODIES.values())]
    assert Delivered() == send(sink_to(destination.endpoint, compression=compression), records)
    for item, found in zip(records, destination.log_records, strict=True):
        envelope = json.loads(found.body.string_value)["standpipe"]
        text = found.body.string_value.encode()
        assert item.body == b"{" + text[text.index(b"}") + 2 :] or item.body == b"{}" or envelope["id"] == "mine"
        assert text.endswith(item.body[1:])


def test_torn_records_come_back_to_the_byte(destination: OtlpDestination) -> None:
    """Bytes that are no JSON, UTF-8 or not, can be had back; one that begins with a time has that time."""
    records = [record(body, index * 100, torn=True) for index, body in enumerate(TORN_BODIES.values())]
    assert Delivered() == send(sink_to(destination.endpoint, body="fields"), records)
    bodies = [dict(plain_value(found.body)) for found in destination.log_records]  # type: ignore[call-overload]
    assert ["raw" in body or "raw_base64" in body for body in bodies] == [True] * len(records)
    assert [item.body for item in records if item.body.isascii()] == [
        body["raw"].encode() for body in bodies if "raw" in body
    ]
    assert 1767323045_678901234 == destination.log_records[0].time_unix_nano
    assert 0 == destination.log_records[1].time_unix_nano


def test_fields_are_otlps_own_types_or_the_exact_text(destination: OtlpDestination) -> None:
    """With `body: fields` an object is a list of keys and values; with a repeated key it stays a text."""
    records = [record(b'{"n":9007199254740993,"f":1.0,"big":1e400}', 0), record(ODD_BODIES["repeated keys"], 100)]
    assert Delivered() == send(sink_to(destination.endpoint, body="fields"), records)
    first, second = (plain_value(found.body) for found in destination.log_records)
    assert isinstance(first, list)
    assert [("n", 9007199254740993), ("f", 1.0), ("big", "1e400")] == first[1:]
    assert isinstance(second, str)
    assert second.encode().endswith(ODD_BODIES["repeated keys"][1:])


def test_a_seal_is_a_record_of_its_own_kind(destination: OtlpDestination) -> None:
    """A seal has its id, its kind, the time of its sealing and the seal file's object."""
    assert Delivered() == send(sink_to(destination.endpoint), [SEAL])
    (found,) = destination.log_records
    attributes = attributes_of(found)
    assert (f"{JOURNAL}-00000000000000004096-seal", "seal") == (
        attributes["log.record.uid"],
        attributes["standpipe.kind"],
    )
    assert "standpipe.after" not in attributes
    assert 1767326400_250000000 == found.time_unix_nano
    assert SEAL.body.decode() in found.body.string_value


def test_a_batch_sent_again_has_the_same_bytes(destination: OtlpDestination) -> None:
    """Another sink of the same config, after a crash say, sends what the first one sent, byte for byte."""
    for _ in range(2):
        assert Delivered() == send(sink_to(destination.endpoint), entries(20))
    first, second = destination.requests
    assert first.body == second.body


def test_a_record_too_large_goes_in_parts(destination: OtlpDestination) -> None:
    """Parts fit the limit, have ids of their own, and joined are the body."""
    item = entry(1, 0, f',"data":"{"ü" * 100_000}"')
    sink = sink_to(destination.endpoint, max_request_size=64 << 10, compression="none")
    batch = batch_of(sink, [item])
    for index in range(len(batch)):
        assert len(batch.payloads[index]) <= sink.limits.batch_bytes
        assert Delivered() == sink.send(batch.pick([index]))
    assert max(len(request.body) for request in destination.requests) <= 64 << 10
    assert len(batch) > 3
    assert len(batch) == len(set(destination.ids))
    pieces = [json.loads(found.raw)["raw"] for found in destination.records]
    assert item.body == "".join(pieces).encode()


def test_a_record_too_large_is_unfit_where_the_config_says_so() -> None:
    """With `oversize: dead-letter` nothing is cut."""
    sink = sink_to("http://127.0.0.1:1", max_request_size=64 << 10, oversize="dead-letter")
    with pytest.raises(Unfit, match="a request has room for"):
        sink.encode(entry(1, 0, f',"data":"{"x" * 70_000}"'), 0)


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (429, {"Retry-After": "7"}, (Retry, 7.0, False)),
        (503, {}, (Retry, None, False)),
        (502, {}, (Retry, None, False)),
        (504, {}, (Retry, None, False)),
        (401, {}, (Retry, None, True)),
        (403, {}, (Retry, None, True)),
        (404, {}, (Retry, None, True)),
        (301, {}, (Retry, None, True)),
        (413, {}, (Split, None, False)),
        (400, {}, (Poison, None, False)),
        (500, {}, (Retry, None, False)),
        (501, {}, (Retry, None, True)),
        (507, {}, (Retry, None, False)),
    ],
)
def test_each_status_means_what_the_specification_says(
    destination: OtlpDestination, status: int, headers: dict[str, str], expected: tuple[type, float | None, bool]
) -> None:
    """What may pass is tried again; a lasting fault of the settings is told as one; the server's words stay."""
    destination.answer(status, 1, {"Content-Type": PROTOBUF, **headers}, status_body("why not"))
    found = send(sink_to(destination.endpoint), entries(2))
    kind, after_seconds, config_fault = expected
    assert isinstance(found, kind)
    assert (after_seconds, config_fault) == (
        getattr(found, "after_seconds", None),
        getattr(found, "config_fault", False),
    )
    assert not getattr(found, "certain", False)
    assert "why not" in getattr(found, "why", "")


def test_a_partial_success_is_never_tried_again(destination: OtlpDestination) -> None:
    """The answer does not say which records were rejected, so each of them becomes a dead letter that says so."""
    destination.reject_marker = b"secret/data/1"
    found = send(sink_to(destination.endpoint), entries(3))
    assert isinstance(found, PerRecord)
    assert [0, 1, 2] == sorted(found.faults)
    for fault in found.faults.values():
        assert isinstance(fault, Poison)
        assert fault.certain
        assert "rejected 1 of the 3 records" in fault.why
        assert "not to my taste" in fault.why


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("application/json", b"{}", Delivered),
        ("application/json", b'{"partialSuccess":{}}', Delivered),
        ("application/json", b'{"partialSuccess":{"rejectedLogRecords":"1"}}', PerRecord),
        ("text/html", b"<html>Log in</html>", Retry),
        (PROTOBUF, b"\x0a\x09\x08\x01", Retry),
        ("application/json", b"[", Retry),
    ],
)
def test_only_an_answer_of_the_protocol_counts_as_delivered(
    destination: OtlpDestination, kind: str, body: bytes, expected: type
) -> None:
    """A 200 of something else, such as a gateway's login page, is a fault of the settings."""
    destination.answer(200, 1, {"Content-Type": kind}, body)
    assert expected is type(send(sink_to(destination.endpoint), entries(1)))


def test_a_warning_without_a_rejection_is_a_notice(destination: OtlpDestination) -> None:
    """A partial success that rejects nothing is a delivery, and its words are handed on."""
    destination.answer(200, 1, {"Content-Type": PROTOBUF}, b"\x0a\x06\x12\x04slow")
    assert Delivered("slow") == send(sink_to(destination.endpoint), entries(1))


def test_headers_and_the_secret_are_sent(
    destination: OtlpDestination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret is read anew for each request, its header can be named, and a missing one is told without a request."""
    (tmp_path / "token").write_text("first\n")
    options = {"headers": {"X-Tenant": "a"}, "token_header": "X-Key", "token_scheme": ""}
    sink = sink_to(destination.endpoint, token=Secret(file=str(tmp_path / "token")), **options)
    assert Delivered() == send(sink, entries(1))
    (tmp_path / "token").write_text("second\n")
    assert Delivered() == send(sink, entries(1))
    assert [("first", "a"), ("second", "a")] == [
        (request.headers["x-key"], request.headers["x-tenant"]) for request in destination.requests
    ]
    assert Delivered() == send(sink_to(destination.endpoint, token=Secret(file=str(tmp_path / "token"))), entries(1))
    assert "Bearer second" == destination.requests[2].headers["authorization"]
    monkeypatch.delenv("NOT_SET", raising=False)
    found = send(sink_to(destination.endpoint, token=Secret(env="NOT_SET")), entries(1))
    assert isinstance(found, Retry)
    assert found.config_fault
    assert 3 == len(destination.requests)


def test_tls_with_a_private_ca(tmp_path: Path) -> None:
    """A certificate of the CA that the config names is taken, and any other is refused as a fault of the settings."""
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    for name, ca in (("right", authority), ("wrong", other)):
        ca.cert_pem.write_to_path(str(tmp_path / name))
    with OtlpDestination(context) as destination:
        assert Delivered() == send(sink_to(destination.endpoint, tls__ca=str(tmp_path / "right")), entries(3))
        found = send(sink_to(destination.endpoint, tls__ca=str(tmp_path / "wrong")), entries(3))
        assert isinstance(found, Retry)
        assert found.config_fault
        assert 3 == len(destination.log_records)


def test_an_answer_that_never_came_is_a_retry(destination: OtlpDestination) -> None:
    """A receiver that has the batch and resets gets the same ids again."""
    destination.commit_then_reset = 1
    sink = sink_to(destination.endpoint)
    batch = batch_of(sink, entries(3))
    assert isinstance(sink.send(batch), Retry)
    assert Delivered() == sink.send(batch)
    assert destination.ids[:3] == destination.ids[3:]


def test_resource_attributes_have_an_order_of_precedence() -> None:
    """The pod's environment beats our defaults, the config beats both, and `resource` beats all."""
    environment = {"POD_NAME": "vault-1", "OTEL_RESOURCE_ATTRIBUTES": "service.name=bao, a=x%2Cy,broken,k8s.pod.name=p"}
    plain = SinkConfig("logs", "otlp", options={"service_name": "vault"})
    full = SinkConfig(
        "logs",
        "otlp",
        labels={"a": "label", "b": "label"},
        options={"service_name": "mine", "resource": {"b": "resource", "host.name": "h"}},
    )
    assert {
        "service.name": "bao",
        "service.instance.id": "vault-0",
        "host.name": "vault-0",
        "k8s.pod.name": "p",
        "a": "x,y",
    } == resource_attributes(plain, CONTEXT, environment)
    found = resource_attributes(full, CONTEXT, environment)
    assert ("mine", "label", "resource", "h") == (found["service.name"], found["a"], found["b"], found["host.name"])


def test_the_check_delivers_nothing(destination: OtlpDestination) -> None:
    """The pre-flight check sends an empty request, and says what is wrong."""
    (good,) = preflight.perform(sink_to(destination.endpoint).checks())
    assert preflight.OK == good.state
    assert [] == destination.log_records
    destination.answer(403, 1)
    (bad,) = preflight.perform(sink_to(destination.endpoint).checks())
    assert (preflight.FAILED, True) == (bad.state, "403" in bad.found)


@pytest.mark.parametrize("body", ["text", "fields"])
def test_a_foreign_receiver_takes_the_right_batch_and_refuses_a_broken_one(body: str) -> None:
    """OtelTap, which decodes with another library, prints each record's body, and answers 400 to a cut request."""
    with oteltap() as (endpoint, process):
        sink = sink_to(endpoint, compression="none", body=body)  # OtelTap does not unpack gzip
        batch = batch_of(sink, [record(each, index * 1000) for index, each in enumerate(ODD_BODIES.values())])
        broken = Batch(batch.records[:1], [batch.payloads[0][:-3]], batch.afters[:1])
        assert isinstance(sink.send(broken), Poison)
        assert Delivered() == sink.send(batch)
        assert process.stdout is not None
        for index, (item, payload) in enumerate(zip(batch.records, batch.payloads, strict=True)):
            seen = json.loads(process.stdout.readline())
            assert {"key": "standpipe.offset", "value": {"intValue": str(index * 1000)}} in seen["attributes"]
            if "stringValue" in seen["body"]:
                assert seen["body"]["stringValue"].encode() in payload
                assert seen["body"]["stringValue"].encode().endswith(item.body[1:])
            else:
                assert "fields" == body
