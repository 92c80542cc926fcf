"""Six destinations at once, each a real server of its protocol on loopback, and what has arrived there, by id.

What is compared here is read with nothing of standpipe's own: the destinations' own stores, JSON, MessagePack, zstd.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from google.protobuf import json_format

from standpipe.testing.faulty_proxy import FaultyProxy
from tests.e2e.openbao import lines_of
from tests.sinks.fluent_destination import Destination as FluentDestination
from tests.sinks.gcp_peer import Peer
from tests.sinks.gcp_rig import new_account
from tests.sinks.http_destination import HttpDestination, _Planned, objects_of
from tests.sinks.kafka_destination import mock_cluster
from tests.sinks.objects_archive import read_archive
from tests.sinks.objects_peer import PREFIX, REGION, S3Peer, objects_below
from tests.sinks.otlp_destination import OtlpDestination, attributes_of
from tests.sinks.syslog_destination import SyslogDestination

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

HOST = "127.0.0.1"
CLUSTER, NODE = "blue", "node-1"
BATCH_RECORDS = 200  # of every sink that has batches, so that "the batches in flight" is a number
IN_FLIGHT = 2  # of http, otlp and gcp; all others have 1
PATIENT = "10m"  # a timeout that one slow batch does not reach
ONE_IN_A_HUNDRED = re.compile(r"\d{6}00/?$")  # of the serial numbers in the paths, which have eight digits


@dataclass(frozen=True)
class Arrival:
    """One record or seal, each time it arrived. members: what it says, without our envelope; None: a seal."""

    id: str
    payload: bytes
    members: dict[str, Any] | None


@dataclass
class Refusal:
    """Refuses each record whose serial number ends in 00: `times` times, or for ever (None)."""

    times: int | None
    seen: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def refuses(self, members: Mapping[str, Any]) -> bool:
        """Tell whether a record as it arrives is refused, this time."""
        path = members.get("request", {}).get("path", "")
        if not ONE_IN_A_HUNDRED.search(path):
            return False
        identity = members["standpipe"]["id"]
        with self.lock:
            self.seen[identity] += 1
            return self.times is None or self.seen[identity] <= self.times


@dataclass
class Row:
    """One sink. config: its section of the file. arrivals: all that has arrived there.

    in_flight: how many batches may be under way. takes_records: and not whole segments. exact: the values come back as
    they were, while Cloud Logging makes doubles of numbers. proxy: None where there is none to be put before it.
    """

    config: dict[str, object]
    arrivals: Callable[[], list[Arrival]]
    in_flight: int = 1
    takes_records: bool = True
    exact: bool = True
    refusal: Refusal | None = None
    proxy: FaultyProxy | None = None


def arrival(text: bytes, payload: bytes | None = None) -> Arrival:
    """Return what arrived as a JSON object with our envelope in it."""
    return _from_members(json.loads(text), text if payload is None else payload)


def _from_members(found: Mapping[str, Any], payload: bytes) -> Arrival:
    members = dict(found)
    envelope = members.pop("standpipe")
    assert "part" not in envelope, "no record here is so large that it goes in parts"
    return Arrival(envelope["id"], payload, None if envelope.get("kind") == "seal" else members)


@contextmanager
def proxied(port: int) -> Iterator[FaultyProxy]:
    """Yield a proxy before a server."""
    with FaultyProxy() as proxy:
        proxy.forward_to(port)
        yield proxy


class RefusingHttp(HttpDestination):
    """Answers a batch with a record that it refuses: 400 for ever, 503 where it will be taken later."""

    refusal: Refusal | None = None

    def _verdict(self, headers: Mapping[str, str], body: bytes, plain: bytes) -> _Planned:
        if self.refusal is not None:
            refused = [raw for raw in objects_of(plain) if self.refusal.refuses(json.loads(raw))]
            if refused:
                return _Planned(400 if self.refusal.times is None else 503, 1, body=b"a record is not to my taste")
        return super()._verdict(headers, body, plain)


@contextmanager
def http_row(_: Path, refusal: Refusal | None) -> Iterator[Row]:
    """Run an HTTP intake."""
    with RefusingHttp() as server, proxied(server.port) as proxy:
        server.refusal = refusal
        config = {"type": "http", "url": f"http://{HOST}:{proxy.port}/intake", "timeout": PATIENT}
        batch = {"records": BATCH_RECORDS, "in_flight": IN_FLIGHT}
        yield Row(
            {**config, "batch": batch},
            lambda: [arrival(record.raw) for record in tuple(server.records)],
            in_flight=IN_FLIGHT,
            refusal=refusal,
            proxy=proxy,
        )


@contextmanager
def otlp_row(_: Path, refusal: Refusal | None) -> Iterator[Row]:
    """Run an OTLP/HTTP receiver, which decodes with the published types."""
    assert refusal is None
    with OtlpDestination() as server, proxied(server.port) as proxy:
        config = {"type": "otlp", "endpoint": f"http://{HOST}:{proxy.port}"}
        batch = {"records": BATCH_RECORDS, "in_flight": IN_FLIGHT}

        def arrivals() -> list[Arrival]:
            found = []
            for record in tuple(server.log_records):
                each = arrival(record.body.string_value.encode(), record.SerializeToString(deterministic=True))
                assert each.id == attributes_of(record)["log.record.uid"]
                found.append(each)
            return found

        yield Row({**config, "batch": batch}, arrivals, in_flight=IN_FLIGHT, proxy=proxy)


@contextmanager
def fluent_row(_: Path, refusal: Refusal | None) -> Iterator[Row]:
    """Run a server of the forward protocol."""
    assert refusal is None
    with FluentDestination() as server, proxied(server.port) as proxy:
        config = {"type": "fluent", "address": f"{HOST}:{proxy.port}", "transport": "tcp"}
        yield Row(
            {**config, "batch": {"records": BATCH_RECORDS}},
            lambda: [
                _from_members(event.record, msgspec.msgpack.encode((event.seconds, event.nanoseconds, event.record)))
                for event in tuple(server.events)
            ],
            proxy=proxy,
        )


@contextmanager
def syslog_row(_: Path, refusal: Refusal | None) -> Iterator[Row]:
    """Run a syslog receiver; each batch has a connection of its own."""
    assert refusal is None
    with SyslogDestination() as server, proxied(server.port) as proxy:
        config = {"type": "syslog", "address": f"{HOST}:{proxy.port}", "transport": "tcp", "timeout": PATIENT}
        yield Row(
            {**config, "max_message": "64KiB", "batch": {"records": BATCH_RECORDS}},
            lambda: [arrival(message.text, message.raw) for message in tuple(server.messages)],
            proxy=proxy,
        )


@contextmanager
def kafka_row(_: Path, refusal: Refusal | None) -> Iterator[Row]:
    """Run librdkafka's mock cluster of three brokers."""
    assert refusal is None
    with mock_cluster() as cluster:
        config = {"type": "kafka", "brokers": cluster.brokers.split(","), "topic": "audit", "transport": "tcp"}

        def arrivals() -> list[Arrival]:
            return [
                Arrival(
                    (found := arrival(message.value)).id,
                    msgspec.msgpack.encode((message.key, message.timestamp, message.headers, message.value)),
                    found.members,
                )
                for message in cluster.messages()
            ]

        yield Row({**config, "batch": {"records": BATCH_RECORDS}}, arrivals)


@contextmanager
def file_row(directory: Path, refusal: Refusal | None) -> Iterator[Row]:
    """Name a file; a kill may leave a fragment in it, which is no record."""
    assert refusal is None
    path = directory / "delivered.jsonl"

    def arrivals() -> list[Arrival]:
        whole = []
        for line in lines_of(path.read_bytes() if path.exists() else b""):
            try:
                whole.append(arrival(line))
            except ValueError:  # a fragment
                continue
        return whole

    yield Row({"type": "file", "path": str(path), "batch": {"records": BATCH_RECORDS}}, arrivals)


def _place_of(seal: dict[str, Any]) -> str:
    return f"{seal['base']:020d}-{seal['idle']:06d}" if "idle" in seal else f"{seal['base']:020d}"


@contextmanager
def objects_row(directory: Path, refusal: Refusal | None) -> Iterator[Row]:
    """Run moto's S3. A segment is there once or not at all; its records are counted as they stand in it."""
    assert refusal is None
    directory = directory / "store"
    directory.mkdir()
    peer = S3Peer(directory)
    try:
        peer.make_bucket()
        secrets = dict(zip(("access_key_id", "secret_access_key"), peer.key, strict=True))
        for name, value in secrets.items():
            (directory / name).write_text(value)

        def arrivals() -> list[Arrival]:
            stored = objects_below(peer, PREFIX)
            data = read_archive(stored, f"{PREFIX}/{CLUSTER}/{NODE}")
            seals = [json.loads(content) for key, content in stored.items() if key.endswith(".seal.json")]
            journal_id = seals[0]["journal"] if seals else ""
            found, offset = [], 0
            for line in lines_of(data):
                found.append(Arrival(f"{journal_id}-{offset:020d}", line, json.loads(line)))
                offset += len(line)
            found += [Arrival(f"{journal_id}-{_place_of(seal)}-seal", b"", None) for seal in seals]
            return found

        config: dict[str, object] = {"type": "objects", "url": peer.url, "endpoint": peer.endpoint, "region": REGION}
        config |= {name: {"file": str(directory / name)} for name in secrets}
        yield Row({**config, "cluster": CLUSTER, "node": NODE}, arrivals, in_flight=0, takes_records=False)
    finally:
        peer.stop()


class RefusingPeer(Peer):
    """A Cloud Logging that refuses single entries: for ever, or with a code that may pass."""

    refusal: Refusal | None = None

    def _fault(self, entry: Any) -> tuple[str, str] | None:  # noqa: ANN401 - a class made from a descriptor
        if self.refusal is not None and self.refusal.refuses(json_format.MessageToDict(entry.json_payload)):
            code = "INVALID_ARGUMENT" if self.refusal.times is None else "UNAVAILABLE"
            return code, "an entry is not to my taste"
        return super()._fault(entry)


@contextmanager
def gcp_row(directory: Path, refusal: Refusal | None) -> Iterator[Row]:
    """Run a Cloud Logging on Google's published types; of entries with the same insert id it keeps one, as Google."""
    peer = RefusingPeer()
    peer.refusal = refusal
    peer.start()
    try:
        account = directory / "account.json"
        account.write_text(new_account(peer))
        with proxied(peer.port) as proxy:
            config: dict[str, object] = {"type": "gcp", "credentials": {"file": str(account)}}
            config |= {"endpoint": f"http://{HOST}:{proxy.port}", "project": "proj"}
            resource = {"type": "generic_node", "labels": {"location": "l", "namespace": "n", "node_id": NODE}}

            def arrivals() -> list[Arrival]:
                return [
                    _from_members(json_format.MessageToDict(entry.json_payload), entry.SerializeToString())
                    for entry in tuple(peer.stored.values())
                ]

            yield Row(
                {**config, "resource": resource, "batch": {"records": BATCH_RECORDS, "in_flight": IN_FLIGHT}},
                arrivals,
                in_flight=IN_FLIGHT,
                exact=False,
                refusal=refusal,
                proxy=proxy,
            )
    finally:
        peer.stop()


ROWS = {
    "http": http_row,
    "otlp": otlp_row,
    "fluent": fluent_row,
    "syslog": syslog_row,
    "kafka": kafka_row,
    "file": file_row,
    "objects": objects_row,
    "gcp": gcp_row,
}


@contextmanager
def destinations(directory: Path, types: tuple[str, ...], refusals: Mapping[str, Refusal]) -> Iterator[dict[str, Row]]:
    """Yield a running destination of each type, by type."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(ROWS[name](directory, refusals.get(name))) for name in types}
