from __future__ import annotations

import json
import os
import shutil
import socket
from base64 import b64decode
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import SinkError, UsageError
from standpipe.preflight import FAILED, OK, WARNING, perform
from standpipe.sinks.base import Delivered, Retry
from standpipe.sinks.syslog import SyslogSink, open_sink
from standpipe.sinks.syslog_stream import _refuse_itself
from tests.sinks.batches import batch_of
from tests.sinks.syslog_destination import SyslogDestination, server_context, syslog_config
from tests.sinks.syslog_peer import Papers, free_port, make_papers
from tests.sinks.syslog_records import (
    CONTEXT,
    ODD_BODIES,
    START,
    TORN_BODIES,
    ids_of,
    numbered,
    records,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from standpipe.records.framing import Record

type_of_way = [("tcp", "close"), ("tcp", "kernel"), ("tls", "close"), ("tls", "kernel")]
every_way = pytest.mark.parametrize(("transport", "confirm"), type_of_way)
every_confirm = pytest.mark.parametrize("confirm", ["close", "kernel"])
every_transport = pytest.mark.parametrize("transport", ["tcp", "tls"])

SHORT = "1s"  # where a test waits for a timeout to pass


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Certificates."""
    return make_papers(tmp_path_factory.mktemp("papers"))


class Rig:
    """Makes receivers and sinks, and closes them."""

    def __init__(self, papers: Papers) -> None:
        self.papers = papers
        self._stack = ExitStack()

    def receiver(self, transport: str, receive_bytes: int | None = None) -> SyslogDestination:
        """Start a receiver; over TLS it wants a certificate of its client."""
        tls = server_context(self.papers.server, self.papers.ca) if transport == "tls" else None
        return self._stack.enter_context(SyslogDestination(tls, receive_bytes))

    def sink(self, transport: str, address: str, **options: object) -> SyslogSink:
        """Make a sink that fits."""
        given: dict[str, object] = {"transport": transport}
        if transport == "tls":
            given |= {"tls_ca": self.papers.ca, "tls_cert": self.papers.client}
        sink = open_sink(syslog_config(address, **(given | options)), CONTEXT)
        self._stack.enter_context(closing(sink))
        return sink

    def close(self) -> None:
        """Close sinks, then receivers: the last made first."""
        self._stack.close()


@pytest.fixture
def rig(papers: Papers) -> Iterator[Rig]:
    """Give a rig and close it."""
    made = Rig(papers)
    yield made
    made.close()


def retried(sink: SyslogSink, sent: list[Record]) -> Retry:
    """Send and expect that it has to be sent again."""
    outcome = sink.send(batch_of(sink, sent))
    assert isinstance(outcome, Retry), outcome
    return outcome


@every_way
def test_batches_arrive_in_order_with_their_ids(rig: Rig, transport: str, confirm: str) -> None:
    """What `send` calls delivered is there, once, message by message."""
    receiver = rig.receiver(transport)
    sink = rig.sink(transport, receiver.address, confirm=confirm)
    sent = numbered(300)
    for start in range(0, 300, 100):
        assert Delivered() == sink.send(batch_of(sink, sent[start : start + 100]))
    receiver.wait_for(lambda it: len(it.messages) >= 300)
    assert (ids_of(sent), []) == (receiver.ids, receiver.complaints)


@every_transport
@pytest.mark.parametrize(("confirm", "connections"), [("close", 3), ("kernel", 1)])
def test_a_connection_is_for_a_batch_or_for_all(rig: Rig, transport: str, confirm: str, connections: int) -> None:
    """With confirm: close each batch has its own, and over TLS one without a message shows how the receiver closes."""
    receiver = rig.receiver(transport)
    sink = rig.sink(transport, receiver.address, confirm=confirm)
    for start in range(3):
        assert Delivered() == sink.send(batch_of(sink, numbered(2, 1000 * start)))
    receiver.wait_for(lambda it: len(it.messages) == 6)
    probes = int(transport == "tls" and confirm == "close")
    assert connections + probes == receiver.connections


def test_json_comes_unchanged_behind_the_envelope(rig: Rig) -> None:
    """Numbers, order, repeated keys, UTF-8, escapes and spaces stay to the byte."""
    receiver = rig.receiver("tls")
    sink = rig.sink("tls", receiver.address)
    sent = records(ODD_BODIES)
    assert Delivered() == sink.send(batch_of(sink, sent))
    for record, message in zip(sent, receiver.messages, strict=True):
        head = f'{{"standpipe":{{"id":"{ids_of([record])[0]}"'.encode()
        assert message.text.startswith(head)
        assert message.text.endswith(record.body[1:])


def test_raw_is_the_record_and_what_is_no_object_comes_in_its_envelope(rig: Rig) -> None:
    """With format: raw MSG is what Vault wrote; torn bytes could be mistaken for anything."""
    receiver = rig.receiver("tcp")
    sink = rig.sink("tcp", receiver.address, format="raw", enterprise_number=32473)
    whole, torn = records(ODD_BODIES), records(TORN_BODIES, 10_000, torn=True)
    assert Delivered() == sink.send(batch_of(sink, whole + torn))
    texts = [message.text for message in receiver.messages]
    assert list(ODD_BODIES) == texts[: len(whole)]
    assert ids_of(torn) == [json.loads(text)["standpipe"]["id"] for text in texts[len(whole) :]]
    assert all(message.data.startswith("[standpipe@32473 id=") for message in receiver.messages)


@pytest.mark.parametrize("format_", ["json", "raw"])
@pytest.mark.parametrize("torn", [False, True])
def test_a_record_beyond_max_message_goes_in_parts_that_join_to_it(rig: Rig, format_: str, *, torn: bool) -> None:
    """No message is larger than max_message, the octets of its header included."""
    receiver = rig.receiver("tcp")
    sink = rig.sink("tcp", receiver.address, max_message="2KiB", format=format_)
    body = (b"\xff" if torn else b"") + START + b'"x":"' + "é𝄞".encode() * 3000 + b'"}'
    sent = records([body], torn=torn)
    assert Delivered() == sink.send(batch_of(sink, sent))
    objects = [json.loads(message.text) for message in receiver.messages]
    count = len(objects)
    assert [f"{n}/{count}" for n in range(1, count + 1)] == [each["standpipe"]["part"] for each in objects]
    joined = b"".join(
        each["raw"].encode() if "raw" in each else b64decode(each["raw_base64"], validate=True) for each in objects
    )
    assert body == joined
    assert max(len(message.raw) for message in receiver.messages) <= 2048


def test_encoding_depends_on_the_record_alone(rig: Rig) -> None:
    """A batch that is sent again has the same bytes."""
    sink, other = (rig.sink("tcp", "localhost:1") for _ in range(2))
    assert batch_of(sink, numbered(20)).payloads == batch_of(other, numbered(20)).payloads


@every_way
def test_down_is_retried_and_up_is_delivered(rig: Rig, transport: str, confirm: str) -> None:
    """A receiver that is not there may come back: no fault of the config."""
    receiver = rig.receiver(transport)
    sink = rig.sink(transport, receiver.address, confirm=confirm)
    receiver.down()
    sent = numbered(5)
    assert not retried(sink, sent).config_fault
    receiver.up()
    assert Delivered() == sink.send(batch_of(sink, sent))
    receiver.wait_for(lambda it: len(it.messages) >= 5)
    assert ids_of(sent) == receiver.ids


@every_transport
def test_a_reset_in_the_middle_is_retried_with_the_same_ids(rig: Rig, transport: str) -> None:
    """What arrived before the reset comes twice, and can be told by its id."""
    receiver = rig.receiver(transport)
    sink = rig.sink(transport, receiver.address)
    sent = numbered(300)
    receiver.reset_after = 50
    assert not retried(sink, sent).config_fault
    assert Delivered() == sink.send(batch_of(sink, sent))
    assert ids_of(sent[:50]) + ids_of(sent) == receiver.ids


@every_transport
def test_a_receiver_that_takes_all_and_then_resets_is_retried(rig: Rig, transport: str) -> None:
    """Nobody knows then what it did with it."""
    receiver = rig.receiver(transport)
    sink = rig.sink(transport, receiver.address)
    assert Delivered() == sink.send(batch_of(sink, numbered(1)))
    receiver.commit_then_reset = 1
    sent = numbered(5, 1000)
    retried(sink, sent)
    assert Delivered() == sink.send(batch_of(sink, sent))
    assert ids_of(sent) * 2 == receiver.ids[1:]


def test_tls_tells_a_receiver_that_drops_messages_and_closes(rig: Rig) -> None:
    """It has read everything and sends a FIN, as after an orderly end; only its close_notify is missing."""
    receiver = rig.receiver("tls")
    sink = rig.sink("tls", receiver.address)
    receiver.drop_at = b'"number":3,'
    sent = numbered(5)
    assert "close" in retried(sink, sent).why
    receiver.drop_at = None
    assert Delivered() == sink.send(batch_of(sink, sent))
    assert set(ids_of(sent)) == set(receiver.ids)


def test_a_tls_receiver_that_never_sends_close_notify_is_believed(rig: Rig) -> None:
    """The FIN after ours has to do; rsyslog with GnuTLS is such a one."""
    receiver = rig.receiver("tls")
    receiver.notifies = False
    sink = rig.sink("tls", receiver.address)
    assert Delivered() == sink.send(batch_of(sink, numbered(5)))


@every_transport
def test_a_receiver_that_does_not_close_is_retried_and_the_remedy_named(rig: Rig, transport: str) -> None:
    """It has everything in its kernel, and never says that it read it."""
    receiver = rig.receiver(transport)
    receiver.answers_close = False
    sink = rig.sink(transport, receiver.address, timeout=SHORT)
    assert "confirm: kernel" in retried(sink, numbered(5)).why


@every_way
@pytest.mark.parametrize("times", [20, 300], ids=["what our kernel takes", "more than it takes"])
def test_a_receiver_that_reads_nothing_is_retried(rig: Rig, transport: str, confirm: str, times: int) -> None:
    """Its buffer is smaller than the batch: not even its kernel has all."""
    receiver = rig.receiver(transport, receive_bytes=4096)
    sink = rig.sink(transport, receiver.address, confirm=confirm, timeout=SHORT)
    receiver.hold()
    sent = numbered(4, size=6000) * times
    assert not retried(sink, sent).config_fault


def test_a_slow_receiver_is_waited_for(rig: Rig) -> None:
    """As long as its kernel takes bytes the timeout starts again."""
    receiver = rig.receiver("tcp", receive_bytes=4096)
    sink = rig.sink("tcp", receiver.address, timeout=SHORT)
    receiver.delay_seconds = 0.02  # it needs more than a second for the batch
    sent = numbered(100, size=2000)
    assert Delivered() == sink.send(batch_of(sink, sent))
    assert ids_of(sent) == receiver.ids


@every_transport
def test_a_connection_that_the_receiver_closed_while_idle_is_noticed_before_sending(rig: Rig, transport: str) -> None:
    """With confirm: kernel; otherwise its kernel might take a batch that no program will read."""
    receiver = rig.receiver(transport)
    sink = rig.sink(transport, receiver.address, confirm="kernel")
    assert Delivered() == sink.send(batch_of(sink, numbered(5)))
    receiver.wait_for(
        lambda it: len(it.messages) == 5
    )  # or the kernel has taken the connection and the program has not
    receiver.down()
    receiver.up()
    sent = numbered(5, 5000)
    retried(sink, sent)
    assert Delivered() == sink.send(batch_of(sink, sent))
    receiver.wait_for(lambda it: set(ids_of(sent)) <= set(it.ids))


@every_transport
def test_our_own_end_loses_nothing_that_was_delivered(rig: Rig, transport: str) -> None:
    """With confirm: kernel a close must not reset what the receiver has not read yet."""
    receiver = rig.receiver(transport)
    sink = rig.sink(transport, receiver.address, confirm="kernel")
    assert Delivered() == sink.send(batch_of(sink, numbered(1)))
    receiver.delay_seconds = 0.01
    sent = numbered(100, 1000, size=1500)
    assert Delivered() == sink.send(batch_of(sink, sent))
    sink.close()
    receiver.wait_for(lambda it: len(it.messages) >= 101 and not it.open_connections)
    assert (ids_of(sent), []) == (receiver.ids[1:], receiver.complaints)


@every_confirm
@pytest.mark.parametrize(
    "wrong",
    [
        lambda papers: {"tls_ca": papers.other_ca},
        lambda _: {"tls_server_name": "elsewhere.example"},
        lambda papers: {"tls_cert": papers.other_client},
        lambda _: {"tls_cert": None},
        lambda _: {"tls_ca": None},
    ],
    ids=["another CA", "another name", "certificate of another CA", "no certificate", "the system's CAs"],
)
def test_tls_that_does_not_verify_delivers_nothing_and_is_a_fault_of_the_config(
    rig: Rig, papers: Papers, confirm: str, wrong: Callable[[Papers], dict[str, object]]
) -> None:
    """Whichever side refuses; in TLS 1.3 the server's refusal comes after the client's handshake."""
    receiver = rig.receiver("tls")
    sink = rig.sink("tls", receiver.address, confirm=confirm, **wrong(papers))
    assert retried(sink, numbered(5)).config_fault
    assert [] == receiver.messages


def test_verification_can_be_turned_off(rig: Rig, papers: Papers) -> None:
    """Only where somebody says so."""
    receiver = rig.receiver("tls")
    sink = rig.sink("tls", receiver.address, tls_ca=papers.other_ca, tls_verify=False)
    assert Delivered() == sink.send(batch_of(sink, numbered(1)))


def test_renewed_certificates_are_used_without_a_restart(rig: Rig, papers: Papers, tmp_path: Path) -> None:
    """And one that cannot be read is a fault of the config, not the end."""
    receiver = rig.receiver("tls")
    certificate = tmp_path / "own.pem"
    shutil.copy(papers.other_client, certificate)
    sink = rig.sink("tls", receiver.address, tls_cert=str(certificate))
    assert retried(sink, numbered(1)).config_fault
    os.unlink(certificate)
    assert retried(sink, numbered(1)).config_fault
    shutil.copy(papers.client, certificate)
    assert Delivered() == sink.send(batch_of(sink, numbered(1)))


@pytest.mark.parametrize(("transport", "state"), [("tls", OK), ("tcp", WARNING)])
def test_the_check_greets_and_sends_no_message(rig: Rig, transport: str, state: str) -> None:
    """A connection that is not encrypted is worth a warning."""
    receiver = rig.receiver(transport)
    sink = rig.sink(transport, receiver.address)
    assert [state] == [result.state for result in perform(sink.checks())]
    assert ([], []) == (receiver.messages, receiver.complaints)


def test_the_check_fails_where_nobody_listens_or_the_certificate_is_refused(rig: Rig, papers: Papers) -> None:
    """With a remedy each."""
    receiver = rig.receiver("tls")
    for sink in (
        rig.sink("tcp", f"localhost:{free_port()}"),
        rig.sink("tls", receiver.address, tls_ca=papers.other_ca),
        rig.sink("tls", receiver.address, tls_cert=papers.other_client),
    ):
        (result,) = perform(sink.checks())
        assert result.state == FAILED
        assert result.remedy


@pytest.mark.parametrize(("confirm", "state"), [("close", FAILED), ("kernel", WARNING)])
def test_the_check_finds_a_receiver_that_does_not_close(rig: Rig, confirm: str, state: str) -> None:
    """It would hold up delivery for ever with confirm: close."""
    receiver = rig.receiver("tcp")
    receiver.answers_close = False
    sink = rig.sink("tcp", receiver.address, confirm=confirm, timeout=SHORT)
    assert [state] == [result.state for result in perform(sink.checks())]


def test_what_cannot_be_used_is_refused_before_the_first_connection(papers: Papers) -> None:
    """A CA file that is not there, and labels that fill a message."""
    with pytest.raises(SinkError, match=r"/nowhere/ca\.pem"):
        open_sink(syslog_config("localhost", tls_ca="/nowhere/ca.pem"), CONTEXT)
    with pytest.raises(UsageError, match="no room"):
        open_sink(syslog_config("localhost", tls_ca=papers.ca, max_message="2KiB", add={"label": "x" * 2000}), CONTEXT)


def test_a_port_that_tcp_connected_to_itself_is_nobody() -> None:
    """A local port where nobody listens may be the one that the kernel picks for our own end."""
    with socket.socket() as itself:
        itself.bind(("127.0.0.1", 0))
        itself.connect(itself.getsockname())
        with pytest.raises(ConnectionRefusedError):
            _refuse_itself(itself)
