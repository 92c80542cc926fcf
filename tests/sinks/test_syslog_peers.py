from __future__ import annotations

import signal
import socket
import threading
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from bench.peers import RSYSLOG, SYSLOG_NG
from standpipe.sinks.base import Delivered, Retry
from standpipe.sinks.syslog import SyslogSink, open_sink
from tests.sinks.batches import batch_of
from tests.sinks.syslog_destination import parse, syslog_config
from tests.sinks.syslog_peer import (
    GNUTLS,
    HOST,
    OPENSSL,
    TCP,
    Papers,
    Receiver,
    make_papers,
    wait_until,
)
from tests.sinks.syslog_records import CONTEXT, ODD_BODIES, START, TORN_BODIES, ids_of, numbered, records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAIN = [(RSYSLOG, TCP), (SYSLOG_NG, TCP)]
ENCRYPTED = [(RSYSLOG, GNUTLS), (RSYSLOG, OPENSSL), (SYSLOG_NG, OPENSSL)]
every_peer = pytest.mark.parametrize(("name", "driver"), PLAIN + ENCRYPTED)
every_encrypted = pytest.mark.parametrize(("name", "driver"), ENCRYPTED)
every_plain = pytest.mark.parametrize(("name", "driver"), PLAIN)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Certificates."""
    return make_papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Close what was opened."""
    with ExitStack() as made:
        yield made


@pytest.fixture
def receiver(stack: ExitStack, name: str, driver: str, papers: Papers, tmp_path: Path) -> Receiver:
    """Start a daemon with its defaults; over TLS it wants a certificate of its client."""
    return stack.enter_context(Receiver(name, driver, tmp_path / "receiver", papers))


def sink_for(stack: ExitStack, receiver: Receiver, papers: Papers, **options: object) -> SyslogSink:
    """Make a sink that fits a receiver."""
    given: dict[str, object] = {"transport": "tcp"}
    if receiver.is_tls:
        given = {"transport": "tls", "tls_ca": papers.ca, "tls_cert": papers.client}
    sink = open_sink(syslog_config(receiver.address, **(given | options)), CONTEXT)
    stack.enter_context(closing(sink))
    return sink


def messages_of(payloads: list[bytes]) -> list[bytes]:
    """Return payloads without their octet counts."""
    return [payload.partition(b" ")[2] for payload in payloads]


@every_peer
@pytest.mark.parametrize("confirm", ["close", "kernel"])
def test_messages_arrive_to_the_byte_and_are_understood(
    stack: ExitStack, receiver: Receiver, papers: Papers, confirm: str
) -> None:
    """Raw and parsed, in order: what peers like to damage, torn records among it."""
    sink = sink_for(
        stack, receiver, papers, confirm=confirm, app_name="bao", facility="local3", enterprise_number=32473
    )
    sent = records(ODD_BODIES) + records(TORN_BODIES, 10_000, torn=True)
    batch = batch_of(sink, sent)
    assert Delivered() == sink.send(batch)
    receiver.wait_for(len(batch))
    expected = [parse(message) for message in messages_of(batch.payloads)]
    assert [message.raw for message in expected] == receiver.raw()
    for message, line in zip(expected, receiver.parsed(), strict=True):
        time, host, app, msgid, data, facility, severity, text = line.split(b"|", 7)
        assert (message.host, message.app, message.text) == (host.decode(), app.decode(), text)
        assert (b"local3", {3: b"err", 4: b"warning", 6: b"info"}[message.severity]) == (facility, severity)
        if message.time != "-":
            assert time.decode().startswith(message.time.removesuffix("Z"))
        assert message.msgid in (msgid.decode(), "-")
        assert b"standpipe@32473" in data


@every_peer
def test_raw_records_arrive_as_vault_wrote_them(stack: ExitStack, receiver: Receiver, papers: Papers) -> None:
    """With format: raw the message is the record."""
    sink = sink_for(stack, receiver, papers, format="raw")
    assert Delivered() == sink.send(batch_of(sink, records(ODD_BODIES)))
    receiver.wait_for(len(ODD_BODIES))
    assert list(ODD_BODIES) == [line.split(b"|", 7)[7] for line in receiver.parsed()]


@every_peer
def test_the_default_max_message_is_whole_with_the_receivers_defaults(
    stack: ExitStack, receiver: Receiver, papers: Papers
) -> None:
    """A message of exactly that size, and a record that needs many of them."""
    sink = sink_for(stack, receiver, papers)
    overhead = len(messages_of(batch_of(sink, records([START + b'"x":""}'])).payloads)[0])
    grown = 8000 - overhead - 2  # the record's length in the envelope takes two more digits
    sent = records([START + b'"x":"%s"}' % (b"x" * grown), START + b'"x":"%s"}' % (b"y" * 100_000)])
    batch = batch_of(sink, sent)
    messages = messages_of(batch.payloads)
    assert len(messages[0]) == 8000
    assert Delivered() == sink.send(batch)
    receiver.wait_for(len(messages))
    assert messages == receiver.raw()


@every_encrypted
@pytest.mark.parametrize("confirm", ["close", "kernel"])
def test_a_client_without_a_good_certificate_is_refused_and_one_with_it_accepted(
    stack: ExitStack, receiver: Receiver, papers: Papers, confirm: str
) -> None:
    """The daemon verifies us; nothing of a refused batch is written, and nothing of it counts as delivered."""
    for certificate in (None, papers.other_client):
        refused = sink_for(stack, receiver, papers, confirm=confirm, tls_cert=certificate)
        assert isinstance(refused.send(batch_of(refused, numbered(3))), Retry)
    sent = numbered(3, 5000)
    accepted = sink_for(stack, receiver, papers, confirm=confirm)
    batch = batch_of(accepted, sent)
    assert Delivered() == accepted.send(batch)
    receiver.wait_for(3)
    assert messages_of(batch.payloads) == receiver.raw()


@every_plain
def test_a_broken_octet_count_is_refused_and_a_right_one_accepted(
    stack: ExitStack, receiver: Receiver, papers: Papers
) -> None:
    """The daemon really counts octets."""
    with socket.create_connection((HOST, receiver.port)) as connection:
        connection.sendall(b"3x <134>1 - - - - - - broken")
    wait_until(
        lambda: any(words in receiver.own_messages() for words in ("Framing Error", "Invalid frame header")),
        "a complaint",
    )
    sink = sink_for(stack, receiver, papers)
    batch = batch_of(sink, numbered(3))
    assert Delivered() == sink.send(batch)
    expected = messages_of(batch.payloads)
    wait_until(lambda: receiver.raw()[-3:] == expected, "the right messages")


@every_peer
def test_confirm_close_is_not_deceived_by_a_frozen_receiver_that_is_killed(
    stack: ExitStack, receiver: Receiver, papers: Papers
) -> None:
    """Its kernel has all bytes and its program none: nothing is delivered, and all is there after it came back."""
    sink = sink_for(stack, receiver, papers, timeout="1s")
    assert Delivered() == sink.send(batch_of(sink, numbered(1)))
    receiver.wait_for(1)
    receiver.freeze()
    sent = numbered(20, 5000)
    assert isinstance(sink.send(batch_of(sink, sent)), Retry)
    receiver.end(signal.SIGKILL)
    receiver.start()
    assert Delivered() == sink.send(batch_of(sink, sent))
    receiver.wait_for(21)
    assert ids_of(sent) == [parse(message).id for message in receiver.raw()[1:]]


@every_plain
def test_confirm_kernel_loses_what_a_frozen_receiver_has_in_its_buffer_when_it_is_killed(
    stack: ExitStack, receiver: Receiver, papers: Papers
) -> None:
    """What the documentation says about it is true."""
    sink = sink_for(stack, receiver, papers, confirm="kernel")
    assert Delivered() == sink.send(batch_of(sink, numbered(1)))
    receiver.wait_for(1)
    receiver.freeze()
    assert Delivered() == sink.send(batch_of(sink, numbered(20, 5000)))
    receiver.end(signal.SIGKILL)
    receiver.start()
    after = numbered(1, 90_000)
    assert isinstance(sink.send(batch_of(sink, after)), Retry)
    assert Delivered() == sink.send(batch_of(sink, after))
    receiver.wait_for(2)
    assert ids_of(after) == [parse(message).id for message in receiver.raw()[1:]]


@every_encrypted
def test_restarts_of_a_receiver_under_load_lose_nothing(stack: ExitStack, receiver: Receiver, papers: Papers) -> None:
    """Whatever counts as delivered is in its file, over two orderly restarts in the middle of the stream."""
    sink = sink_for(stack, receiver, papers, timeout="5s")
    delivered: list[str] = []
    stop = threading.Event()

    def work() -> None:
        start = 0
        while not stop.is_set():
            sent = numbered(50, start, size=1500)
            while not stop.is_set():
                if sink.send(batch_of(sink, sent)) == Delivered():
                    delivered.extend(ids_of(sent))
                    break
            start = sent[-1].end

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(2):
            already = len(delivered)
            wait_until(lambda already=already: len(delivered) > already + 500, "batches")  # type: ignore[misc]
            receiver.end()
            receiver.start()
        already = len(delivered)
        wait_until(lambda: len(delivered) > already, "one more batch")
    finally:
        stop.set()
        thread.join()
    receiver.end()
    assert set() == set(delivered) - {parse(message).id for message in receiver.raw()}
