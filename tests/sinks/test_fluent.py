from __future__ import annotations

import json
import socket
import ssl
from collections import deque
from typing import TYPE_CHECKING

import pytest

from standpipe.config_sinks import Secret
from standpipe.errors import SinkError, UsageError
from standpipe.preflight import perform
from standpipe.records.envelope import entry_id
from standpipe.sinks.base import Batch, Delivered, Limits, Retry, Unfit
from standpipe.sinks.fluent import BATCH_BYTES, BATCH_RECORDS, LINGER_SECONDS
from tests.sinks.batches import batch_of
from tests.sinks.certificates import Certificates, make_certificates
from tests.sinks.fluent_destination import (
    CLOSE_AFTER,
    GARBAGE,
    NO_ACK,
    PIECES,
    REFUSE,
    RESET,
    WRONG_ACK,
    Destination,
)
from tests.sinks.fluent_rig import JOURNAL, make_sink, secret, sink_of_batches
from tests.sinks.odd_records import ODD_BODIES, SEAL, TORN_BODIES, entries, record

if TYPE_CHECKING:
    from pathlib import Path

SHORT_SECONDS = 0.05  # for what is waited for in vain


@pytest.fixture(scope="module", name="papers")
def _papers(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("papers"))


def test_limits() -> None:
    """One batch at a time, below what Fluent Bit and Fluentd take; the config may make it another size."""
    assert Limits(BATCH_BYTES, BATCH_RECORDS, LINGER_SECONDS, in_flight=1) == make_sink(1).limits
    assert sink_of_batches(1, 5000, {}).limits.batch_bytes == 5000


def test_what_arrives() -> None:
    """Records, a seal and torn records arrive in order, each once, with their ids and times, on one connection."""
    records = [*entries(50), SEAL, *(record(body, 20000, torn=True) for body in TORN_BODIES.values())]
    with Destination() as destination:
        sink = make_sink(destination.port, tag="a.b")
        batches = [batch_of(sink, records[:20]), batch_of(sink, records[20:])]
        assert [Delivered(), Delivered()] == [sink.send(batch) for batch in batches]
        sink.close()
    assert [entry_id(item, JOURNAL) for item in records] == destination.ids
    assert (1, {"a.b"}) == (destination.connections, {event.tag for event in destination.events})
    assert [(1767323045, number) for number in range(50)] == [
        (event.seconds, event.nanoseconds) for event in destination.events[:50]
    ]


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("name", ODD_BODIES)
def test_fidelity(name: str, compression: str) -> None:
    """A record's value arrives exactly, or its text beside it; sent as text, it arrives to the byte."""
    body = ODD_BODIES[name]
    with Destination() as destination:
        for form in ("fields", "text"):
            sink = make_sink(destination.port, record=form, compression=compression)
            assert Delivered() == sink.send(batch_of(sink, [record(body)]))
            sink.close()
    fields, text = (event.record for event in destination.events)
    assert body == text["raw"].encode()
    if "raw" in fields:
        assert body == fields["raw"].encode()
    else:
        del fields["standpipe"]
        assert json.dumps(json.loads(body)) == json.dumps(fields)  # types and order count


@pytest.mark.parametrize(
    ("fault", "words", "config_fault", "taken"),
    [
        (NO_ACK, "does not answer within", False, 2),
        (WRONG_ACK, "acknowledges another batch", False, 2),
        (RESET, "", False, 2),
        (REFUSE, "closes the connection without an answer", False, 0),
        (GARBAGE, "not in the forward protocol", True, 0),
    ],
)
def test_anything_but_the_right_ack_is_sent_again(fault: str, words: str, *, config_fault: bool, taken: int) -> None:
    """Without its own acknowledgement a batch is not delivered; the next try connects anew and sends the same."""
    with Destination(faults=deque([fault])) as destination:
        timeout = SHORT_SECONDS if fault == NO_ACK else 60.0
        sink = make_sink(destination.port, timeout=timeout)
        batch = batch_of(sink, entries(2))
        outcome = sink.send(batch)
        assert isinstance(outcome, Retry)
        assert (config_fault, True) == (outcome.config_fault, words in outcome.why)
        sink.close()
        patient = make_sink(destination.port)
        assert Delivered() == patient.send(batch)
        patient.close()
    assert (2, taken + 2) == (destination.connections, len(destination.events))
    assert destination.events[:taken] == destination.events[taken:][:taken]
    assert len(set(destination.chunks)) == 1


def test_ack_in_pieces() -> None:
    """An acknowledgement counts however it is cut into reads."""
    with Destination(faults=deque([PIECES])) as destination:
        sink = make_sink(destination.port)
        assert Delivered() == sink.send(batch_of(sink, entries(1)))
        sink.close()


def test_server_that_closes_between_batches() -> None:
    """A connection that the server ended after its acknowledgement is replaced without a failed try."""
    with Destination(faults=deque([CLOSE_AFTER, CLOSE_AFTER])) as destination:
        sink = make_sink(destination.port)
        for number in range(3):
            assert Delivered() == sink.send(batch_of(sink, entries(1)))
            if number < 2:
                assert sink._kept is not None
                sink._kept._socket.settimeout(60)
                assert b"" == sink._kept._socket.recv(1)  # its end has arrived
        sink.close()
    assert (3, 3) == (destination.connections, len(destination.events))


@pytest.mark.parametrize(("ours", "theirs"), [(False, True), (True, False)])
def test_without_keepalive(tmp_path: Path, *, ours: bool, theirs: bool) -> None:
    """Where we or the server want no keepalive, each batch has a connection of its own."""
    with Destination(shared_key="s3cret", keepalive=theirs) as destination:
        sink = make_sink(destination.port, keepalive=ours, shared_key=secret(tmp_path, "s3cret"))
        assert [Delivered()] * 2 == [sink.send(batch_of(sink, entries(1))) for _ in range(2)]
        assert sink._kept is None
    assert destination.connections == 2


def test_down_then_up() -> None:
    """A server that is down is a passing failure; once it is up, the same batch is taken."""
    destination = Destination()
    with destination:
        sink = make_sink(destination.port)
        batch = batch_of(sink, entries(2))
        assert Delivered() == sink.send(batch)
    outcomes = [sink.send(batch) for _ in range(2)]
    assert [(Retry, False)] * 2 == [
        (type(outcome), isinstance(outcome, Retry) and outcome.config_fault) for outcome in outcomes
    ]
    with destination:
        assert Delivered() == sink.send(batch)
        sink.close()
    assert len(destination.events) == 4


def test_handshake(tmp_path: Path) -> None:
    """The handshake shows the name in the config, never the key; a rotated key is read anew at the next connection."""
    key = secret(tmp_path, "s3cret")
    with Destination(shared_key="n3xt", users={"bob": "pass"}) as destination:
        sink = make_sink(
            destination.port, hostname="pod-7", shared_key=key, username="bob", password=secret(tmp_path, "pass")
        )
        outcome = sink.send(batch_of(sink, entries(1)))
        assert isinstance(outcome, Retry)
        assert ("refuses our PING: shared_key mismatch" in outcome.why, outcome.config_fault) == (True, True)
        (tmp_path / "secret-s3cret").write_text("n3xt\n")
        assert Delivered() == sink.send(batch_of(sink, entries(1)))
        sink.close()
    first, second = destination.pings
    assert ["pod-7", "pod-7"] == [first[1], second[1]]
    assert first[2] != second[2]
    assert "s3cret" not in str(first)


def test_secret_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing secret is told as a fault of the configuration, by its file and not by its content."""
    with Destination(shared_key="s3cret") as destination:
        sink = make_sink(destination.port, shared_key=Secret(file=str(tmp_path / "missing")))
        outcome = sink.send(batch_of(sink, entries(1)))
        assert isinstance(outcome, Retry)
        assert (True, True) == (outcome.config_fault, str(tmp_path / "missing") in outcome.why)
    assert destination.connections == 0


def test_server_that_wants_a_key() -> None:
    """A server that begins with HELO is told as one that wants a shared key, not as a passing failure."""
    with Destination(shared_key="s3cret") as destination:
        sink = make_sink(destination.port)
        outcome = sink.send(batch_of(sink, entries(1)))
        assert isinstance(outcome, Retry)
        assert ("asks for a shared key" in outcome.why, outcome.config_fault) == (True, True)
    assert destination.events == []


def test_server_that_hangs_up_on_a_wrong_key(tmp_path: Path) -> None:
    """A server that closes the connection in answer to our PING is told as one with another key."""
    with Destination(shared_key="s3cret", hangs_up_on_wrong_key=True) as destination:
        sink = make_sink(destination.port, shared_key=secret(tmp_path, "other"))
        outcome = sink.send(batch_of(sink, entries(1)))
    assert isinstance(outcome, Retry)
    assert ("the shared key is wrong" in outcome.why, outcome.config_fault) == (True, True)


def test_last_words_of_a_server_are_heard() -> None:
    """A server that says HELO and resets the connection while a batch is on its way is told as wanting a key."""
    large = [record(b'{"data":"%b"}' % (b"x" * 900_000), number * 1_000_000) for number in range(5)]
    with Destination(shared_key="s3cret", hangs_up_after_helo=True) as destination:
        sink = make_sink(destination.port)
        outcome = sink.send(batch_of(sink, large))
    assert isinstance(outcome, Retry)
    assert ("asks for a shared key" in outcome.why, outcome.config_fault) == (True, True)


def test_tls_with_a_private_ca(papers: Certificates) -> None:
    """With a private CA and a certificate of our own, batches travel over TLS."""
    context = papers.server_context(papers.server, client_required=True)
    with Destination(tls=context) as destination:
        sink = make_sink(destination.port, transport="tls", tls__ca=papers.ca, tls__cert=papers.client)
        assert [Delivered()] * 2 == [sink.send(batch_of(sink, entries(3))) for _ in range(2)]
        sink.close()
    assert (1, 6) == (destination.connections, len(destination.events))


@pytest.mark.parametrize("fault", ["ca", "name", "expired", "client"])
def test_wrong_certificate_is_refused(papers: Certificates, fault: str) -> None:
    """A certificate that is not good is a fault of the configuration, and nothing is sent."""
    chains = {"name": papers.other_name, "expired": papers.expired}
    context = papers.server_context(chains.get(fault, papers.server), client_required=fault == "client")
    with Destination(tls=context) as destination:
        ca = papers.other_ca if fault == "ca" else papers.ca
        sink = make_sink(destination.port, transport="tls", tls__ca=ca)
        outcome = sink.send(batch_of(sink, entries(1)))
        assert isinstance(outcome, Retry)
        assert outcome.config_fault, outcome.why
    assert destination.events == []


def test_tls_is_the_default(papers: Certificates) -> None:
    """Where the config does not say how, records travel over TLS, and the server's certificate is verified."""
    with Destination(tls=papers.server_context(papers.server)) as destination:
        sink = make_sink(destination.port, transport=None)
        assert sink._tls is not None
        made = sink._tls.get()
        assert (ssl.CERT_REQUIRED, True) == (made.verify_mode, made.check_hostname)
        outcome = sink.send(batch_of(sink, entries(1)))
        assert isinstance(outcome, Retry)
        assert outcome.config_fault


def test_silent_server_over_tls(papers: Certificates) -> None:
    """A server that does not answer TLS is given up after the timeout, with a hint, as a passing failure."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        sink = make_sink(port, transport="tls", tls__ca=papers.ca, timeout=SHORT_SECONDS)
        outcome = sink.send(batch_of(sink, entries(1)))
    assert isinstance(outcome, Retry)
    assert (True, False) == ("no answer to TLS within" in outcome.why, outcome.config_fault)


def test_server_without_helo(tmp_path: Path) -> None:
    """A server that does not begin the handshake is given up after the timeout, with a hint, as a passing failure."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        sink = make_sink(port, shared_key=secret(tmp_path, "s3cret"), timeout=SHORT_SECONDS)
        outcome = sink.send(batch_of(sink, entries(1)))
    assert isinstance(outcome, Retry)
    assert (True, False) == ("it sends no HELO" in outcome.why, outcome.config_fault)


def test_checks(papers: Certificates, tmp_path: Path) -> None:
    """The check connects, shakes hands and delivers nothing; it tells what is wrong."""
    key = secret(tmp_path, "s3cret")
    other = secret(tmp_path, "other")
    with Destination(tls=papers.server_context(papers.server), shared_key="s3cret") as destination:
        over_tls: dict[str, object] = {"transport": "tls", "tls__ca": papers.ca}
        good = perform(make_sink(destination.port, shared_key=key, **over_tls).checks())
        wrong = perform(make_sink(destination.port, shared_key=other, **over_tls).checks())
        untrusted = perform(make_sink(destination.port, transport="tls", shared_key=key).checks())
        missing = Secret(file=str(tmp_path / "missing"))
        unread = perform(make_sink(destination.port, shared_key=missing, **over_tls).checks())
    with Destination() as plain:
        in_the_clear = perform(make_sink(plain.port).checks())
    down = perform(make_sink(plain.port).checks())
    found = [results[0].state for results in (good, wrong, untrusted, unread, in_the_clear, down)]
    assert ["ok", "failed", "failed", "unknown", "warning", "failed"] == found
    assert [] == destination.events + plain.events


def test_large_record_goes_in_parts() -> None:
    """A record that is larger than a batch may be arrives in parts that are its text."""
    body = json.dumps({"data": "é\n" * 10_000}, ensure_ascii=False).encode()
    with Destination() as destination:
        sink = sink_of_batches(destination.port, 4096, {})
        batch = batch_of(sink, [record(body)])
        assert max(map(len, batch.payloads)) <= 4096
        for index in range(len(batch)):
            assert Delivered() == sink.send(batch.pick([index]))
        sink.close()
    assert body == "".join(event.record["raw"] for event in destination.events).encode()


def test_no_room_for_an_envelope() -> None:
    """A batch size without room for an envelope makes a large record unfit, with a sentence that says why."""
    sink = sink_of_batches(1, 300, {})
    with pytest.raises(Unfit, match="cannot be cut"):
        sink.encode(record(b'{"data":"%b"}' % (b"x" * 1000)), 0)


@pytest.mark.parametrize("address", ["", "host:0", "a:b:c", "[::1", "host:port"])
def test_wrong_address(address: str) -> None:
    """An address that is none is refused when the sink is made."""
    with pytest.raises(UsageError, match="address"):
        make_sink(1, address=address)


def test_ca_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing CA file is refused when the sink is made."""
    with pytest.raises(SinkError, match="CA file"):
        make_sink(1, transport="tls", tls__ca=str(tmp_path / "missing"))


def test_same_batch_same_bytes() -> None:
    """A record is encoded to the same bytes by another process of the same journal."""
    one, two = (batch_of(make_sink(1), entries(5)) for _ in range(2))
    assert one == two
    assert isinstance(one, Batch)
