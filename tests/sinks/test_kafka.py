from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from confluent_kafka import KafkaError

from standpipe import preflight
from standpipe.config_sinks import Secret, SinkConfig
from standpipe.sinks.base import Batch, Context, Delivered, PerRecord, Poison, Retry
from standpipe.sinks.kafka import KafkaSink, open_sink
from standpipe.sinks.kafka_settings import producer_settings
from tests.sinks.batches import batch_of
from tests.sinks.kafka_destination import TOPIC, KafkaDestination, Proxy, Tansu, free_port, mock_cluster
from tests.sinks.odd_records import ODD_BODIES, SEAL, TORN_BODIES, entries, entry, record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from confluent_kafka import Producer

    from standpipe.records.framing import Record
    from standpipe.sinks.base import Outcome

JOURNAL = "0123456789abcdef"
SHORT_SECONDS = 2.0  # how long a test waits for brokers that will not answer


def config_for(brokers: str, **options: object) -> SinkConfig:
    """Return a config; the dots of names are written as two underscores."""
    named = {name.replace("__", "."): value for name, value in options.items()}
    plain = {"brokers": tuple(brokers.split(",")), "topic": TOPIC, "transport": "tcp"}
    return SinkConfig("audit", "kafka", options=plain | named)


def sink_to(brokers: str, **options: object) -> KafkaSink:
    """Return a sink; see config_for."""
    return open_sink(config_for(brokers, **options), Context(JOURNAL, "vault-0"))


def send(sink: KafkaSink, records: Sequence[Record]) -> Outcome:
    """Send records in one batch, and close the sink."""
    try:
        return sink.send(batch_of(sink, records))
    finally:
        sink.close()


@pytest.fixture(scope="module")
def broker() -> Iterator[Tansu]:
    """Return a broker that we did not write."""
    with Tansu() as found:
        yield found


@pytest.fixture
def mock() -> Iterator[KafkaDestination]:
    """Return librdkafka's mock cluster of three brokers."""
    with mock_cluster() as found:
        yield found


def test_a_record_is_a_message_with_key_headers_and_time(mock: KafkaDestination) -> None:
    """The request's id is the key, the record's time the timestamp, and the headers say which bytes it is."""
    item = entry(7_000_000, 100)
    assert Delivered() == send(sink_to(mock.brokers), [item])
    (found,) = mock.messages()
    assert b"request-7000000" == found.key
    assert 1767323045_007 == found.timestamp
    assert {
        "id": f"{JOURNAL}-00000000000000000100".encode(),
        "offset": b"100",
        "length": str(item.length).encode(),
        "journal": JOURNAL.encode(),
        "after": b"100",
    } == found.headers
    assert found.value.endswith(item.body[1:])


def test_request_and_response_meet_in_one_partition_in_order(mock: KafkaDestination) -> None:
    """Messages of one key are in one partition, and each partition has the journal's order."""
    assert Delivered() == send(sink_to(mock.brokers), entries(200) + [entry(n, 100_000 + n * 500) for n in range(200)])
    messages = mock.messages()
    assert 400 == len(messages)
    places: dict[bytes, set[int]] = {}
    for found in messages:
        places.setdefault(found.key, set()).add(found.partition)
    assert 200 == len(places)
    assert {1} == {len(partitions) for partitions in places.values()}
    assert len({found.partition for found in messages}) > 1
    for partition in range(4):
        offsets = [int(found.headers["offset"]) for found in messages if found.partition == partition]
        assert sorted(offsets) == offsets


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_the_text_is_unchanged_to_the_byte(broker: Tansu, compression: str) -> None:
    """A foreign broker gives back every odd record as it was, behind the envelope."""
    topic = f"odd-{compression}"
    records = [record(body, index * 1000) for index, body in enumerate(ODD_BODIES.values())]
    destination = KafkaDestination(broker.brokers)
    assert Delivered() == send(sink_to(destination.brokers, topic=topic, compression=compression), records)
    found = {int(message.headers["offset"]): message.value for message in destination.messages(topic)}
    assert len(records) == len(found)
    for item in records:
        value = found[item.offset]
        assert value.endswith(b"}" if item.body == b"{}" else item.body[1:])
        assert value.startswith(f'{{"standpipe":{{"id":"{JOURNAL}-{item.offset:020d}"'.encode())


def test_torn_records_and_seals_come_back(mock: KafkaDestination) -> None:
    """Torn bytes can be had back; a torn record's and a seal's key is its own id."""
    torn = [record(body, index * 100, torn=True) for index, body in enumerate(TORN_BODIES.values())]
    assert Delivered() == send(sink_to(mock.brokers), [*torn, SEAL])
    found = {int(message.headers["offset"]): message for message in mock.messages()}
    for item in torn:
        message = found[item.offset]
        value = json.loads(message.value)
        back = value["raw"].encode() if "raw" in value else base64.b64decode(value["raw_base64"])
        assert item.body == back
        assert message.headers["id"] == message.key
    seal = found[SEAL.offset]
    assert (b"seal", f"{JOURNAL}-00000000000000004096-seal".encode()) == (seal.headers["kind"], seal.headers["id"])
    assert 1767326400_250 == seal.timestamp
    assert "after" not in seal.headers


def test_a_batch_sent_again_has_the_same_messages(mock: KafkaDestination) -> None:
    """Another sink of the same config, after a crash say, sends the same keys, values, headers and times."""
    for _ in range(2):
        assert Delivered() == send(sink_to(mock.brokers), entries(50))
    seen = Counter(
        (found.key, found.value, tuple(found.headers.items()), found.timestamp, found.partition)
        for found in mock.messages()
    )
    assert [2] * 50 == list(seen.values())


def test_a_record_too_large_goes_in_parts(broker: Tansu) -> None:
    """Parts have ids of their own and, joined in order, are the body; they meet in one partition."""
    item = entry(1, 0, f',"data":"{"ü" * 200_000}"')
    destination = KafkaDestination(broker.brokers)
    assert Delivered() == send(sink_to(destination.brokers, topic="parts", max_message_size=100_000), [item])
    messages = destination.messages("parts")
    assert len(messages) > 10
    assert max(len(found.value) for found in messages) <= 100_000
    assert [f"{n}/{len(messages)}".encode() for n in range(1, len(messages) + 1)] == [
        found.headers["part"] for found in messages
    ]
    assert len(messages) == len({found.headers["id"] for found in messages})
    assert item.body == "".join(json.loads(found.value)["raw"] for found in messages).encode()


def test_one_message_that_is_too_large_does_not_condemn_the_others(mock: KafkaDestination) -> None:
    """It alone becomes a dead letter, those before and after it are delivered, and the sink goes on."""
    large = [entry(1, 0), entry(2, 500, f',"x":"{"x" * 50_000}"'), entry(3, 60_000)]
    batch = batch_of(sink_to(mock.brokers), large)
    narrow = sink_to(mock.brokers, max_message_size=20_000)
    found = narrow.send(batch)
    assert isinstance(found, PerRecord)
    assert [1] == list(found.faults)
    fault = found.faults[1]
    assert isinstance(fault, Poison)
    assert fault.certain
    assert Delivered() == narrow.send(batch_of(narrow, [entry(4, 70_000)]))
    narrow.close()
    assert {b"0", b"60000", b"70000"} == {message.headers["offset"] for message in mock.messages()}


class Refusing(KafkaSink):
    """A sink whose brokers refuse every batch with a certain record in it, as a topic with a lower limit does.

    Neither Tansu nor the mock cluster has such a limit.
    """

    sent: list[list[int]]

    def _produce(
        self,
        producer: Producer,  # noqa: ARG002 - the signature of what it stands for
        batch: Batch,  # noqa: ARG002 - as above
        indexes: Iterable[int],
    ) -> dict[int, KafkaError]:
        self.sent.append(list(indexes))
        bad = 2 in self.sent[-1]
        return {index: KafkaError(KafkaError.MSG_SIZE_TOO_LARGE) for index in self.sent[-1] if bad}


def test_the_innocent_of_a_refused_batch_are_sent_alone() -> None:
    """Brokers refuse a batch of messages as a whole: each is tried alone, and only the one at fault is given up."""
    sink = Refusing(config_for("localhost:1"), Context(JOURNAL, "vault-0"))
    sink.sent = []
    found = sink.send(batch_of(sink, entries(4)))
    sink.close()
    assert [[0, 1, 2, 3], [0], [1], [2], [3]] == sink.sent
    assert isinstance(found, PerRecord)
    assert [2] == list(found.faults)


def test_a_broken_connection_repeats_nothing() -> None:
    """Where the broker has written and its answer is lost, librdkafka asks again and the broker knows the batch."""
    with Proxy() as proxy, Tansu(proxy) as broker:
        sink = sink_to(broker.brokers)
        assert Delivered() == sink.send(batch_of(sink, entries(10)))
        proxy.cut_answers = 2
        batch = batch_of(sink, [entry(n, 100_000 + n * 500) for n in range(100)])
        assert Delivered() == sink.send(batch)
        assert 0 == proxy.cut_answers
        sink.close()
        assert [1] * 110 == list(Counter(KafkaDestination(broker.brokers).ids()).values())


def test_answers_that_never_come_are_a_retry_with_the_same_ids() -> None:
    """After the time-out nothing is left in a queue: only the next send writes it again, with the same ids."""
    with Proxy() as proxy, Tansu(proxy) as broker:
        sink = sink_to(broker.brokers, timeout=SHORT_SECONDS)
        assert Delivered() == sink.send(batch_of(sink, entries(1)))
        batch = batch_of(sink, [entry(n, 100_000 + n * 500) for n in range(100)])
        proxy.swallow.set()
        found = sink.send(batch)
        assert isinstance(found, Retry)
        assert not found.config_fault
        proxy.swallow.clear()
        destination = KafkaDestination(broker.brokers)
        before = Counter(destination.ids())
        assert before == Counter(destination.ids())
        assert Delivered() == sink.send(batch)
        sink.close()
        after = Counter(destination.ids())
        assert {1} == {after[each] - before[each] for each in after if not each.endswith("-00000000000000000000")}


def test_brokers_that_are_down_are_a_retry_and_then_come_back() -> None:
    """While nobody listens the batch is kept, by the pump alone; the next send delivers it once."""
    with Tansu() as broker:
        broker.stop()
        sink = sink_to(broker.brokers, timeout=SHORT_SECONDS)
        batch = batch_of(sink, entries(10))
        found = sink.send(batch)
        assert isinstance(found, Retry)
        assert "refused" in found.why
        broker.start()
        assert Delivered() == sink.send(batch)
        sink.close()
        assert [1] * 10 == list(Counter(KafkaDestination(broker.brokers).ids()).values())


def test_tls_with_a_private_ca(tmp_path: Path) -> None:
    """Brokers with a certificate of the CA in the config are spoken to, all others are a fault of the settings."""
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "right"))
    other.cert_pem.write_to_path(str(tmp_path / "wrong"))
    security = {"security.protocol": "ssl", "ssl.ca.location": str(tmp_path / "right")}
    with Proxy(context, security) as proxy, Tansu(proxy) as broker:
        options = {"transport": "tls", "timeout": 20.0}
        brokers = broker.brokers
        assert Delivered() == send(sink_to(brokers, tls__ca=str(tmp_path / "right"), **options), entries(5))
        found = send(sink_to(brokers, tls__ca=str(tmp_path / "wrong"), **options), entries(5))
        assert isinstance(found, Retry)
        assert found.config_fault
        assert "certificate" in found.why
        assert 5 == len(KafkaDestination(brokers, security).ids())


def test_a_login_that_brokers_refuse_is_a_fault_of_the_settings(
    mock: KafkaDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told at once and without the password; a missing password is told without a connection."""
    monkeypatch.setenv("KAFKA_PASSWORD", "hunter2-and-more")
    options = {"sasl": "PLAIN", "username": "vault", "timeout": 600.0}  # as long as a test may take
    found = send(sink_to(mock.brokers, password=Secret(env="KAFKA_PASSWORD"), **options), entries(1))
    assert isinstance(found, Retry)
    assert found.config_fault
    assert "SASL" in found.why
    assert "hunter2" not in found.why
    missing = send(sink_to(mock.brokers, password=Secret(env="NOT_SET_ANYWHERE"), **options), entries(1))
    assert isinstance(missing, Retry)
    assert missing.config_fault
    assert "NOT_SET_ANYWHERE" in missing.why


def test_a_ca_file_that_is_not_there_is_told_and_mended(tmp_path: Path) -> None:
    """A producer that cannot be made is a fault of the settings, not the end of the process."""
    found = send(sink_to("localhost:1", transport="tls", tls__ca=str(tmp_path / "none")), entries(1))
    assert isinstance(found, Retry)
    assert found.config_fault
    assert "ssl.ca.location" in found.why


def test_the_check_makes_no_topic_and_says_what_is_wrong(broker: Tansu) -> None:
    """It finds a topic, names one that is not there without making it, and tells brokers that do not answer."""
    brokers = broker.brokers
    states = [
        preflight.perform(sink.checks())[0]
        for sink in (
            sink_to(brokers),
            sink_to(brokers, topic="not-there"),
            sink_to(brokers, topic="not-there"),
            sink_to(f"localhost:{free_port()}", timeout=SHORT_SECONDS),
        )
    ]
    expected = [preflight.OK, preflight.WARNING, preflight.WARNING, preflight.FAILED]
    assert expected == [each.state for each in states]
    assert "3 partitions" in states[0].found
    assert "not-there" in states[2].found
    assert "refused" in states[3].found


def test_nothing_is_written_to_stderr(mock: KafkaDestination, capfd: pytest.CaptureFixture[str]) -> None:
    """The client library's own log goes nowhere, also when brokers are down and a login fails."""
    send(sink_to(f"localhost:{free_port()}", timeout=SHORT_SECONDS), entries(1))
    odd = {"group.id": "a setting of consumers, of which librdkafka warns"}
    send(sink_to(mock.brokers, transport="tls", timeout=SHORT_SECONDS, properties=odd), entries(1))
    assert ("", "") == tuple(capfd.readouterr())


def test_the_consumer_of_the_docs_drops_what_came_twice(mock: KafkaDestination, tmp_path: Path) -> None:
    """The program in docs/sinks/kafka.md, run as it stands there, prints each record once."""
    for start in (0, 0, 20):
        assert Delivered() == send(sink_to(mock.brokers, topic="vault-audit"), entries(30)[start:])
    page = (Path(__file__).parents[2] / "docs" / "sinks" / "kafka.md").read_text()
    (program,) = (text for text in page.split("```") if "from confluent_kafka import Consumer" in text)
    script = tmp_path / "consumer.py"
    script.write_text(program.removeprefix("text\n").replace("kafka-1.example.com:9092", mock.brokers))
    lines: list[str] = []
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            # One more record, sent while it reads, with a key of each partition: what stands before it has been seen.
            lines += [process.stdout.readline() for _ in range(30)]
            last = [entry(number, 1_000_000 + number * 500) for number in range(40)]
            assert Delivered() == send(sink_to(mock.brokers, topic="vault-audit"), last)
            lines += [process.stdout.readline() for _ in last]
        finally:
            process.kill()
    offsets = sorted(json.loads(line)["standpipe"]["offset"] for line in lines)
    assert [item.offset for item in [*entries(30), *last]] == offsets


def test_no_property_undoes_the_promise() -> None:
    """Whatever gets past the config's own check, acknowledgement and idempotence stand."""
    properties = {"acks": "0", "enable.idempotence": "false", "log_level": "7", "client.id": "mine"}
    found = producer_settings(config_for("a:1,b:2", properties=properties), None)
    assert ("all", True, 0, "mine", "a:1,b:2") == (
        found["acks"],
        found["enable.idempotence"],
        found["log_level"],
        found["client.id"],
        found["bootstrap.servers"],
    )
