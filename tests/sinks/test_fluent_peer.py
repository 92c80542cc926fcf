"""FluentServer of @fluent-org/logger takes what is right and refuses what is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from standpipe.sinks.base import Batch, Delivered, Outcome, Retry
from tests.sinks.batches import batch_of
from tests.sinks.certificates import make_certificates
from tests.sinks.fluent_rig import ForeignServer, make_sink, secret
from tests.sinks.odd_records import ODD_BODIES, SEAL, TORN_BODIES, entries, record

if TYPE_CHECKING:
    from pathlib import Path

    from standpipe.sinks.fluent import FluentSink

SECURITY: dict[str, object] = {
    "serverHostname": "aggregator",
    "sharedKey": "s3cret",
    "authorize": True,
    "userDict": {"bob": "pass"},
}


def send_once(sink: FluentSink, batch: Batch | None = None) -> Outcome:
    """Send a batch and close the sink."""
    try:
        return sink.send(batch or batch_of(sink, entries(3)))
    finally:
        sink.close()


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("form", ["fields", "text"])
def test_batches_are_taken_in_order(form: str, compression: str) -> None:
    """Every batch is acknowledged, and the server has the records in order, each once, at their own times."""
    records = [*entries(300), SEAL, *(record(body, 20000, torn=True) for body in TORN_BODIES.values())]
    with ForeignServer() as server:
        sink = make_sink(server.port, record=form, compression=compression, tag="audit.test")
        assert [Delivered()] * 3 == [sink.send(batch_of(sink, part)) for part in (records[:100], records[100:])] + [
            send_once(sink)
        ]
    assert len(records) + 3 == len(server.events)
    assert {("audit.test", True)} == {(event["tag"], event["isEventTime"]) for event in server.events}
    times = [(event["seconds"], event["nanoseconds"]) for event in server.events[:300]]
    assert [(1767323045, number) for number in range(300)] == times
    offsets = [event["record"]["standpipe"]["offset"] for event in server.events[: len(records)]]
    assert [item.offset for item in records] == offsets


def test_text_arrives_unchanged() -> None:
    """As text, what destinations like to round or reorder arrives character for character."""
    bodies = list(ODD_BODIES.values())
    with ForeignServer() as server:
        sink = make_sink(server.port, record="text")
        assert Delivered() == send_once(sink, batch_of(sink, [record(body) for body in bodies]))
    assert bodies == [event["record"]["raw"].encode() for event in server.events]


def test_parts_arrive() -> None:
    """A record that is too large for one event arrives in parts that are its text."""
    body = json.dumps({"data": "\U0001f600é" * 300_000}, ensure_ascii=False).encode()
    with ForeignServer() as server:
        sink = make_sink(server.port)
        assert Delivered() == send_once(sink, batch_of(sink, [record(body)]))
    count = len(server.events)
    numbers = [f"{number}/{count}" for number in range(1, count + 1)]
    assert count > 1
    assert numbers == [event["record"]["standpipe"]["part"] for event in server.events]
    assert body == "".join(event["record"]["raw"] for event in server.events).encode()


def test_malformed_batch_is_refused() -> None:
    """The server closes the connection on a batch that is not of the protocol, and takes the right one afterwards."""
    with ForeignServer() as server:
        sink = make_sink(server.port)
        right = batch_of(sink, entries(2))
        wrong = Batch(right.records, [b"\x07", right.payloads[1]], right.afters)
        outcome = sink.send(wrong)
        assert isinstance(outcome, Retry)
        assert "closes the connection without an answer" in outcome.why
        assert Delivered() == send_once(sink, right)
    assert len(server.events) == 2


def test_shared_key_and_user_over_tls(tmp_path: Path) -> None:
    """With TLS, the shared key and the password, batches are taken, and no other key, password or CA will do."""
    papers = make_certificates(tmp_path)
    right: dict[str, object] = {
        "transport": "tls",
        "tls__ca": papers.ca,
        "shared_key": secret(tmp_path, "s3cret"),
        "username": "bob",
        "password": secret(tmp_path, "pass"),
    }
    wrong: list[tuple[dict[str, object], str]] = [
        ({"shared_key": secret(tmp_path, "other")}, "refuses our PING: shared key mismatch"),
        ({"password": secret(tmp_path, "guess")}, "refuses our PING: username/password mismatch"),
        ({"username": None}, "refuses our PING: missing authentication information"),
        ({"hostname": "aggregator"}, "refuses our PING: Same hostname"),
        ({"tls__ca": papers.other_ca}, "certificate was refused"),
    ]
    tls = {"key": papers.server, "cert": papers.server}
    with ForeignServer(tls, SECURITY) as server:
        for change, words in wrong:
            outcome = send_once(make_sink(server.port, **(right | change)))
            assert isinstance(outcome, Retry)
            assert words in outcome.why
            assert outcome.config_fault
        # This server may destroy the connection before its HELO has left.
        assert isinstance(send_once(make_sink(server.port, **(right | {"shared_key": None}))), Retry)
        sink = make_sink(server.port, **right)
        assert Delivered() == sink.send(batch_of(sink, entries(3)))
        assert Delivered() == send_once(sink)
    assert len(server.events) == 6
