from __future__ import annotations

import hashlib
import hmac
import json
import threading
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

import pytest

from standpipe.config_sinks import BatchConfig, Secret
from standpipe.errors import SinkError
from standpipe.preflight import FAILED, OK, WARNING, perform
from standpipe.records.envelope import entry_id
from standpipe.records.framing import Framer, Record
from standpipe.sinks.base import Delivered, Poison, Retry, Split, Unfit
from tests.sinks.batches import batch_of
from tests.sinks.http_destination import HttpDestination
from tests.sinks.http_rig import CONTEXT, http_sink, numbered, records_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from standpipe.sinks.http import HttpSink

FAITHFUL = [
    b'{"n":9007199254740993,"big":123456789012345678901234567890,"huge":1e400,"tiny":-1E-400}',
    b'{"one":1.0,"int":1,"zero":-0.0,"exp":1E+2}',
    b'{"z":1,"a":[1,[],{},[null,true,false]],"z":2}',
    '{"text":"gr\u00fc\u00df \u6f22\u5b57 \U0001f512 \u2028"}'.encode(),
    b'{"escaped":"\\u0000\\u001b[31m\\n\\/\\ud83d\\udd12","":""}',
    b'{ "spaces" : [ 1 , 2 ] }',
    b"{}",
]
"""Objects that a parser and encoder in between would change."""


@pytest.fixture
def destination() -> Iterator[HttpDestination]:
    """Return a destination that is up."""
    with HttpDestination() as running:
        yield running


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """Return a file with a secret in it."""
    path = tmp_path / "secret"
    path.write_text("s3cret-s3cret\n")
    return path


def told(outcome: object) -> Retry:
    """Return an outcome that must be Retry."""
    assert isinstance(outcome, Retry)
    return outcome


@pytest.mark.parametrize("form", ["lines", "array"])
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_records_arrive_in_order(destination: HttpDestination, form: str, compression: str) -> None:
    """Whatever the format and the compression, each record arrives once, in order, with its id."""
    sink = http_sink(destination.url, format=form, compression=compression)
    records = numbered(100)
    assert Delivered() == sink.send(batch_of(sink, records[:60]))
    assert Delivered() == sink.send(batch_of(sink, records[60:]))
    sink.close()
    assert [entry_id(record, CONTEXT.journal_id) for record in records] == destination.ids
    request = destination.requests[0]
    assert ("POST", "/intake") == (request.method, request.path)
    assert request.headers["content-type"] == ("application/json" if form == "array" else "application/x-ndjson")
    assert request.headers.get("content-encoding", "none") == compression


@pytest.mark.parametrize("form", ["lines", "array"])
def test_a_records_json_is_unchanged_to_the_byte(destination: HttpDestination, form: str) -> None:
    """Numbers, escapes, order, repeated keys and whitespace arrive as Vault wrote them, behind the envelope."""
    sink = http_sink(destination.url, format=form)
    assert Delivered() == sink.send(batch_of(sink, records_of(FAITHFUL)))
    sink.close()
    for original, record in zip(FAITHFUL, destination.records, strict=True):
        after_envelope = record.raw[record.raw.index(b"}") + 1 :]
        assert original[1:].lstrip() == after_envelope.removeprefix(b",").lstrip()


def test_a_torn_record_arrives_with_its_bytes(destination: HttpDestination) -> None:
    """What is no JSON object is text, or base64 where it is not UTF-8."""
    sink = http_sink(destination.url)
    framer = Framer(0)
    torn = framer.feed(b'{"cut \xc3\xa9\n{"cut \xff\n')
    assert Delivered() == sink.send(batch_of(sink, torn))
    sink.close()
    first, second = (json.loads(record.raw) for record in destination.records)
    assert first["raw"] == '{"cut é'
    assert b64decode(second["raw_base64"]) == b'{"cut \xff'


def test_a_large_record_goes_in_parts_that_give_it_back(destination: HttpDestination) -> None:
    """A record beyond the limit comes in parts below it, whose pieces joined are the record."""
    sink = http_sink(destination.url, max_record_size=4096)
    body = b'{"data":"%s \xf0\x9f\x94\x92"}' % (b"x\xc3\xa9\\n" * 4000)
    batch = batch_of(sink, records_of([body]))
    assert Delivered() == sink.send(batch)
    sink.close()
    assert all(len(payload) <= 4096 for payload in batch.payloads)
    pieces = [json.loads(record.raw) for record in destination.records]
    assert body == "".join(piece["raw"] for piece in pieces).encode()
    count = len(pieces)
    assert [f"{number}/{count}" for number in range(1, count + 1)] == [record.part for record in destination.records]
    assert len(set(destination.ids)) == 1


@pytest.mark.parametrize("form", ["lines", "array"])
def test_no_body_is_larger_than_the_batch_size(form: str) -> None:
    """By default parts are as large as a batch, and the limits leave room for what an array adds."""
    sink = http_sink("http://localhost/", BatchConfig(size_bytes=8192), format=form)
    extra = 2 if form == "array" else 0
    payload = sink.encode(records_of([b'{"data":"%s"}' % (b"x" * 20_000)])[0], 0)
    assert not isinstance(payload, bytes)
    assert max(len(part) for part in payload) + extra == 8192
    small = len(payload[0]) // 8
    limits = sink.limits
    count = limits.batch_bytes // (small + limits.record_overhead_bytes)
    assert count * small + (count + 1 if form == "array" else 0) <= 8192
    sink.close()


def test_a_large_record_may_be_a_dead_letter_instead() -> None:
    """With oversize: dead-letter a record beyond the limit is unfit."""
    sink = http_sink("http://localhost/", max_record_size=4096, oversize="dead-letter")
    with pytest.raises(Unfit, match="4096 bytes"):
        sink.encode(records_of([b'{"data":"%s"}' % (b"x" * 4096)])[0], 0)
    sink.close()


def test_a_seal_is_an_entry_of_its_own_kind(destination: HttpDestination) -> None:
    """A seal arrives with the file's object, under an id that no record has."""
    sink = http_sink(destination.url)
    seal = Record(0, 100, b'{"format":1,"base":0,"end":100}', torn=False, is_seal=True)
    assert Delivered() == sink.send(batch_of(sink, [seal]))
    sink.close()
    assert [f"{CONTEXT.journal_id}-00000000000000000000-seal"] == destination.ids
    assert json.loads(destination.records[0].raw)["seal"] == {"format": 1, "base": 0, "end": 100}


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_the_same_batch_is_the_same_request(destination: HttpDestination, secret_file: Path, compression: str) -> None:
    """Sent again, body and signature are the same bytes: nothing in them comes from a clock or from chance."""
    options = {"compression": compression, "hmac__key": Secret(file=str(secret_file))}
    for _ in range(2):
        sink = http_sink(destination.url, None, **options)
        assert Delivered() == sink.send(batch_of(sink, numbered(50)))
        sink.close()
    first, second = destination.requests
    assert first.body == second.body
    assert first.headers["x-standpipe-signature"] == second.headers["x-standpipe-signature"]


def test_the_signature_is_the_hmac_of_the_body_as_sent(destination: HttpDestination, secret_file: Path) -> None:
    """A receiver checks HMAC-SHA256 over the bytes that it got, before it unpacks them."""
    sink = http_sink(destination.url, compression="gzip", hmac__key=Secret(file=str(secret_file)), hmac__header="X-Sig")
    assert Delivered() == sink.send(batch_of(sink, numbered(5)))
    sink.close()
    request = destination.requests[0]
    expected = hmac.new(b"s3cret-s3cret", request.body, hashlib.sha256).hexdigest()
    assert f"sha256={expected}" == request.headers["x-sig"]


def test_headers_and_basic_authentication_are_sent(destination: HttpDestination, secret_file: Path) -> None:
    """Fixed headers, another method and type, and user and password arrive as configured."""
    sink = http_sink(
        destination.url,
        method="PUT",
        content_type="application/json; charset=utf-8",
        headers={"X-Tenant": "audit"},
        username="me",
        password=Secret(file=str(secret_file)),
    )
    assert Delivered() == sink.send(batch_of(sink, numbered(1)))
    sink.close()
    request = destination.requests[0]
    assert request.method == "PUT"
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert request.headers["x-tenant"] == "audit"
    assert request.headers["authorization"] == f"Basic {b64encode(b'me:s3cret-s3cret').decode()}"


@pytest.mark.parametrize(
    ("header", "scheme", "expected"),
    [("Authorization", "Splunk", "Splunk s3cret-s3cret"), ("DD-API-KEY", "", "s3cret-s3cret")],
)
def test_a_token_goes_where_a_vendor_wants_it(
    destination: HttpDestination, secret_file: Path, header: str, scheme: str, expected: str
) -> None:
    """The header and the word before the token can be chosen."""
    token = Secret(file=str(secret_file))
    sink = http_sink(destination.url, token=token, token_header=header, token_scheme=scheme)
    assert Delivered() == sink.send(batch_of(sink, numbered(1)))
    sink.close()
    assert expected == destination.requests[0].headers[header.lower()]


def test_a_rotated_token_is_taken_up(destination: HttpDestination, secret_file: Path) -> None:
    """A refused token is a config fault until its file has the new one; nothing needs a restart."""
    sink = http_sink(destination.url, token=Secret(file=str(secret_file)))
    destination.token = "renewed"  # noqa: S105 - a test's
    batch = batch_of(sink, numbered(3))
    assert told(sink.send(batch)).config_fault
    secret_file.write_text("renewed")
    assert Delivered() == sink.send(batch)
    sink.close()
    assert len(destination.ids) == 3


def test_a_missing_secret_is_a_config_fault_and_nothing_is_sent(destination: HttpDestination, tmp_path: Path) -> None:
    """Without its token a batch does not leave."""
    sink = http_sink(destination.url, token=Secret(file=str(tmp_path / "none")))
    outcome = told(sink.send(batch_of(sink, numbered(1))))
    sink.close()
    assert outcome.config_fault
    assert "the token of sink web cannot be read" in outcome.why
    assert destination.requests == []


def test_a_secret_cannot_smuggle_in_a_header(destination: HttpDestination, secret_file: Path) -> None:
    """A line break inside a secret stops the request, and the message does not show the secret."""
    secret_file.write_text("s3cret\r\nX-Other: 1\n")
    sink = http_sink(destination.url, token=Secret(file=str(secret_file)))
    outcome = told(sink.send(batch_of(sink, numbered(1))))
    sink.close()
    assert outcome.config_fault
    assert "s3cret" not in outcome.why
    assert destination.requests == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429, 500])
def test_no_outcome_shows_a_secret(destination: HttpDestination, secret_file: Path, status: int) -> None:
    """A server that repeats our credentials in its answer has them blotted out; no repr holds them either."""
    pair = b64encode(b"me:s3cret-s3cret")
    destination.answer(status, 1, body=b"bad: s3cret-s3cret " + pair)
    sink = http_sink(destination.url, username="me", password=Secret(file=str(secret_file)))
    outcome = sink.send(batch_of(sink, numbered(1)))
    sink.close()
    assert "bad: [redacted] [redacted]" in repr(outcome)
    everything = repr(outcome) + repr(sink) + repr(vars(sink)) + repr(vars(sink._credentials))
    assert "s3cret" not in everything
    assert pair.decode() not in everything


@pytest.mark.parametrize("marker", [b'"id":"7"', b'"id":"0"'])
def test_a_refused_record_is_found_by_halving(destination: HttpDestination, marker: bytes) -> None:
    """A 400 for the whole is poison, and halves of it pass until one record is left."""
    destination.marker = marker
    sink = http_sink(destination.url)
    refused = []
    waiting = [batch_of(sink, numbered(10))]
    while waiting:
        batch = waiting.pop(0)
        outcome = sink.send(batch)
        if isinstance(outcome, Poison):
            assert not outcome.certain
            if len(batch) == 1:
                refused += batch.payloads
            else:
                waiting += batch.halves()
    sink.close()
    assert len(refused) == 1
    assert marker in refused[0]
    assert len(set(destination.ids)) == 9


def test_too_large_a_body_is_split(destination: HttpDestination) -> None:
    """413 asks for halves, which pass."""
    sink = http_sink(destination.url)
    batch = batch_of(sink, numbered(10))
    destination.max_body_bytes = sum(map(len, batch.payloads)) - 1
    assert isinstance(sink.send(batch), Split)
    assert [Delivered(), Delivered()] == [sink.send(half) for half in batch.halves()]
    sink.close()
    assert len(destination.ids) == 10


@pytest.mark.parametrize(
    ("retry_after", "expected"), [("7", 7.0), ("Sun, 23 Nov 2036 15:00:00 GMT", 3600.0), ("", None)]
)
def test_a_busy_server_is_asked_again_when_it_says(
    destination: HttpDestination, retry_after: str, expected: float | None
) -> None:
    """Retry-After is passed on, in seconds, be it a number or a date."""
    destination.answer(429, 1, {"Retry-After": retry_after})
    sink = http_sink(destination.url)
    batch = batch_of(sink, numbered(2))
    outcome = told(sink.send(batch))
    assert (expected, False) == (outcome.after_seconds, outcome.config_fault)
    assert Delivered() == sink.send(batch)
    sink.close()


def test_an_answer_that_got_lost_is_tried_again(destination: HttpDestination) -> None:
    """The server has the batch and resets: nobody knows, so the same bytes go again, under the same ids."""
    destination.commit_then_reset = 1
    sink = http_sink(destination.url)
    batch = batch_of(sink, numbered(3))
    outcome = told(sink.send(batch))
    assert not outcome.config_fault
    assert "it may have the batch or not" in outcome.why
    assert Delivered() == sink.send(batch)
    sink.close()
    assert destination.records[:3] == destination.records[3:]
    assert len(destination.records) == 6


def test_a_server_that_does_not_answer_is_tried_again(destination: HttpDestination) -> None:
    """After the timeout it is Retry, and no config fault."""
    destination.hold()
    sink = http_sink(destination.url, timeout=0.2)
    outcome = told(sink.send(batch_of(sink, numbered(1))))
    destination.release()
    sink.close()
    assert not outcome.config_fault
    assert "no answer within 0.2 s" in outcome.why


def test_a_server_that_is_down_is_tried_again_until_it_is_up(destination: HttpDestination) -> None:
    """A refused connection is Retry; a kept connection that broke in between does no harm."""
    sink = http_sink(destination.url)
    batch = batch_of(sink, numbered(1))
    assert Delivered() == sink.send(batch)
    destination.down()
    outcome = told(sink.send(batch))
    assert not outcome.config_fault
    assert "no connection: Connection refused" in outcome.why
    destination.up()
    assert Delivered() == sink.send(batch)
    sink.close()


def test_a_redirect_is_not_followed(destination: HttpDestination) -> None:
    """Records go where the config says, so a redirect is a config fault."""
    with HttpDestination() as elsewhere:
        destination.answer(307, 1, {"Location": elsewhere.url})
        sink = http_sink(destination.url)
        outcome = told(sink.send(batch_of(sink, numbered(1))))
        sink.close()
        assert outcome.config_fault
        assert f"(to http://localhost:{elsewhere.port})" in outcome.why
        assert elsewhere.requests == []


def test_a_proxy_of_the_environment_is_not_used(destination: HttpDestination, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the environment may send the audit log elsewhere."""
    with HttpDestination() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://localhost:{proxy.port}")
        sink = http_sink(destination.url)
        assert Delivered() == sink.send(batch_of(sink, numbered(1)))
        sink.close()
        assert proxy.requests == []
    assert len(destination.ids) == 1


def test_connections_are_kept(destination: HttpDestination) -> None:
    """One connection serves one batch after the other, refused ones included."""
    sink = http_sink(destination.url)
    batch = batch_of(sink, numbered(1))
    destination.answer(503, 1, body=b"busy" * 1000)
    for _ in range(5):
        sink.send(batch)
    pool = sink._client._pool
    assert pool is not None
    assert (1, 5) == (pool.num_connections, pool.num_requests)
    sink.close()


def test_several_batches_may_be_under_way(destination: HttpDestination) -> None:
    """With in_flight: 3 three threads send at once, each over its connection."""
    sink = http_sink(destination.url, BatchConfig(in_flight=3))
    assert sink.limits.in_flight == 3
    batches = [batch_of(sink, [record]) for record in numbered(9)]
    outcomes: list[object] = []
    threads = [
        threading.Thread(target=lambda part=part: outcomes.extend(sink.send(batch) for batch in part))
        for part in (batches[0::3], batches[1::3], batches[2::3])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.close()
    assert [Delivered()] * 9 == outcomes
    assert len(set(destination.ids)) == 9


def test_making_a_sink_connects_to_nothing() -> None:
    """A destination that is down, and even one whose files are missing, does not stop a start."""
    sink: HttpSink = http_sink("https://nowhere.invalid/", tls__ca="/no/such/ca.pem")
    outcome = told(sink.send(batch_of(sink, numbered(1))))
    assert outcome.config_fault
    assert "/no/such/ca.pem" in outcome.why
    sink.close()
    with pytest.raises(SinkError):
        http_sink("nowhere")


def test_the_check_delivers_nothing(destination: HttpDestination) -> None:
    """A HEAD shows that the server is there; no record is made up for it."""
    sink = http_sink(destination.url, compression="gzip")
    assert [OK] == [result.state for result in perform(sink.checks())]
    assert ["HEAD"] == [request.method for request in destination.requests]
    assert destination.records == []
    sink.close()


@pytest.mark.parametrize(
    ("status", "state"), [(401, FAILED), (403, FAILED), (302, FAILED), (404, WARNING), (503, WARNING), (405, OK)]
)
def test_the_check_tells_what_will_not_work(destination: HttpDestination, status: int, state: str) -> None:
    """Credentials and redirects fail; what some intakes answer to a HEAD is a warning, or fine."""
    destination.answer(status, 1)
    sink = http_sink(destination.url)
    assert [state] == [result.state for result in perform(sink.checks())]
    sink.close()


def test_the_check_of_a_server_that_is_down_fails(destination: HttpDestination) -> None:
    """It says that there is no connection."""
    destination.down()
    sink = http_sink(destination.url)
    (result,) = perform(sink.checks())
    assert result.state == FAILED
    assert "no connection" in result.found
    sink.close()
