"""The kafka sink's row in the conformance suite."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, TopicPartition

from standpipe.testing import destination as able
from standpipe.testing.destination import Destination, Kind, Received, Wish, received_json
from tests.sinks.conformance_tools import server_context
from tests.sinks.kafka_destination import DEADLINE_SECONDS, PARTITIONS, TOPIC, Proxy, Tansu, _seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from standpipe.testing.faulty_proxy import FaultyProxy

READER = "conformance-reader"


class _Door(Proxy):
    """What the broker takes for the proxy that it advertises: that is the suite's, which leads here."""

    def __init__(self, wish: Wish, proxy: FaultyProxy, security: Mapping[str, str]) -> None:
        super().__init__(server_context(wish), security)
        proxy.spare(READER.encode())
        proxy.forward_to(self.port)
        self.behind, self.port = self.port, wish.port


class KafkaAdapter(Destination):
    """A topic, read back by one consumer that stays."""

    def __init__(self, wish: Wish, port: int, consumer: Consumer) -> None:
        self._wish = wish
        self.port = port
        self._consumer = consumer
        self._read: list[Received] = []
        self._next = dict.fromkeys(range(PARTITIONS), 0)

    def config(self) -> dict[str, object]:
        """See Destination."""
        return {
            "type": "kafka",
            "brokers": [f"localhost:{self._wish.port}"],
            "topic": TOPIC,
            "transport": "tls" if self._wish.tls else "tcp",
            "timeout": "3s",
        }

    def received(self) -> list[Received]:
        """See Destination; partition by partition as it comes, which is the order within each.

        Assigned anew, the consumer says of each partition when it is at the end. (The broker's own answer to the
        question for the end is too low.)
        """
        self._consumer.assign([TopicPartition(TOPIC, number, offset) for number, offset in self._next.items()])
        deadline = time.monotonic() + DEADLINE_SECONDS
        ended: set[int | None] = set()
        while len(ended) < PARTITIONS:
            assert time.monotonic() < deadline, f"only {ended} were read to the end"
            message = self._consumer.poll(0.5)
            error = None if message is None else message.error()
            if message is not None and error is not None and error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
            elif message is not None and error is None:
                self._take(message)
        return list(self._read)

    def _take(self, message: object) -> None:
        seen = _seen(message)
        members = received_json(seen.value)
        # Without a time of its own a record gets librdkafka's, which is another one each time.
        stamp = seen.timestamp if members.seal or b'"time":' in seen.value or b'\\"time\\":' in seen.value else 0
        payload = repr((seen.key, seen.value, seen.headers, stamp)).encode()
        self._read.append(received_json(seen.value, payload=payload, stream=str(seen.partition)))
        self._next[seen.partition] = seen.offset + 1


@contextmanager
def _open(wish: Wish) -> Iterator[Destination]:
    assert wish.proxy is not None
    security: dict[str, str] = {}
    if wish.tls:
        security = {"security.protocol": "ssl", "enable.ssl.certificate.verification": "false"}
    if wish.client:
        security |= {"ssl.certificate.location": wish.client, "ssl.key.location": wish.client}
    with ExitStack() as ends:
        door = ends.enter_context(_Door(wish, wish.proxy, security))
        broker = ends.enter_context(Tansu(door))
        settings = {
            "bootstrap.servers": broker.brokers,
            "group.id": "reader",
            "client.id": READER,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "log_level": 0,
        }
        consumer = Consumer(settings | security)
        ends.callback(consumer.close)
        yield KafkaAdapter(wish, door.behind, consumer)


KIND = Kind(
    "kafka",
    "Tansu, a broker that we did not write",
    frozenset({able.RECORDS, able.NETWORK, able.ORDER, able.DROPS_REPEATS, able.TLS, able.CLIENT_CERTIFICATE}),
    _open,
)
