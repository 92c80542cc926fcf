"""Scenarios of what a destination answers: nothing at all, only a part of it, or that a record is too large."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format

from tests.faults.injection import wait_until
from tests.scenarios.delivery_rig import Outlets, Sinks, http_sink
from tests.scenarios.rig import line, lines
from tests.sinks.gcp_peer import Peer
from tests.sinks.http_destination import HttpDestination
from tests.sinks.otlp_destination import OtlpDestination
from tests.sinks.syslog_destination import SyslogDestination

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KIB = 1 << 10
COUNT = 50
LABELS = {"location": "l", "namespace": "n", "node_id": "node-1"}


class RefusingPeer(Peer):
    """A Cloud Logging that refuses single entries by their serial number; `passing` ones once each, with a 429."""

    poison: frozenset[int] = frozenset()
    passing: frozenset[int] = frozenset()

    def _fault(self, entry: Any) -> tuple[str, str] | None:  # noqa: ANN401 - a class made from a descriptor
        serial = json_format.MessageToDict(entry.json_payload).get("serial")
        if serial in self.passing:
            self.passing -= {serial}
            return "RESOURCE_EXHAUSTED", "Quota exceeded for write requests"
        if serial in self.poison:
            return "INVALID_ARGUMENT", "an entry is not to my taste"
        return super()._fault(entry)

    def insert_ids(self) -> list[list[str]]:
        """Return the ids of each request."""
        return [[entry["insertId"] for entry in json.loads(body)["entries"]] for body in self.requests]


@contextmanager
def cloud_logging() -> Iterator[RefusingPeer]:
    """Yield one that runs, and asks for no token."""
    peer = RefusingPeer(tokens={""})
    peer.start()
    try:
        yield peer
    finally:
        peer.stop()


def gcp_sink(peer: Peer) -> dict[str, object]:
    """Return a sink's section."""
    resource = {"type": "generic_node", "labels": LABELS}
    place = {"type": "gcp", "endpoint": peer.base, "auth": "none", "project": "proj", "resource": resource}
    return {**place, "deliver_seals": False, "batch": {"age": "10ms"}}


def test_s65_ambiguous_failure(tmp_path: Path) -> None:
    """Each server stores a batch, and then resets the connection: the same ids come again, with the same bytes."""
    with (
        Outlets(tmp_path) as scene,
        HttpDestination() as web,
        SyslogDestination() as log,
        OtlpDestination() as otlp,
        cloud_logging() as cloud,
    ):
        ids = scene.ids(scene.fill(lines(0, COUNT)))
        web.commit_then_reset = log.commit_then_reset = otlp.commit_then_reset = cloud.break_next = 2
        sinks: Sinks = {
            "web": http_sink(web),
            "log": {"type": "syslog", "transport": "tcp", "address": log.address, "deliver_seals": False},
            "otlp": {"type": "otlp", "endpoint": otlp.endpoint, "deliver_seals": False},
            "cloud": gcp_sink(cloud),
        }
        scene.ship("--config", scene.configure(sinks))
        assert Counter(ids * 3) == Counter(web.ids)
        assert COUNT == len({record.raw for record in web.records})
        assert Counter(ids * 3) == Counter(log.ids)
        assert COUNT == len({message.raw for message in log.messages})
        assert Counter(ids * 3) == Counter(otlp.ids)
        assert COUNT == len({record.SerializeToString() for record in otlp.log_records})
        assert 3 == len(cloud.requests)
        assert {cloud.requests[0]} == set(cloud.requests)
        assert ids == [entry.insert_id for entry in cloud.entries()]  # of those with one id and time it shows one


def test_s66_partial_batch_failure(tmp_path: Path) -> None:
    """Of a batch only the entries with a 429 are sent again; a refused one is a dead letter; the others came once."""
    with Outlets(tmp_path) as scene, cloud_logging() as cloud:
        ids = scene.ids(scene.fill(lines(0, COUNT)))
        cloud.passing, cloud.poison = frozenset({3, 4, 40}), frozenset({7})
        scene.ship("--config", scene.configure({"cloud": gcp_sink(cloud)}))
        assert [ids, [ids[3], ids[4], ids[40]]] == cloud.insert_ids()
        assert [*ids[:7], *ids[8:]] == [entry.insert_id for entry in cloud.entries()]
        (letter,) = scene.dead_letters("cloud")
        assert ids[7] == letter["id"]
        assert "not to my taste" in str(letter["why"])


def test_s66_partial_success_that_names_no_record(tmp_path: Path) -> None:
    """OTLP says how many it rejected, not which, and forbids to try again: the whole request is in the dead letters."""
    with Outlets(tmp_path) as scene, OtlpDestination() as otlp:
        ids = scene.ids(scene.fill(lines(0, COUNT)))
        otlp.reject_marker = b'"serial":7,'
        sink = {"type": "otlp", "endpoint": otlp.endpoint, "deliver_seals": False, "batch": {"records": 10}}
        scene.ship("--config", scene.configure({"otlp": sink}))
        assert [*ids[:7], *ids[8:]] == otlp.ids
        assert COUNT // 10 == len(otlp.plain_bodies)
        letters = scene.dead_letters("otlp")
        assert ids[:10] == [letter["id"] for letter in letters]
        assert all("rejected 1 of the 10" in str(letter["why"]) for letter in letters)


HUGE = line(7, 300 * KIB)
NEIGHBOURS = lines(0, 7), lines(8, 42)


def pieces_of(texts: list[tuple[str, str]]) -> bytes:
    """Return what parts ("1/2", text) are together; each is there once."""
    assert [f"{number}/{len(texts)}" for number in range(1, len(texts) + 1)] == [part for part, _ in texts]
    return "".join(text for _, text in texts).encode()


def test_s67_oversize_record_is_split(tmp_path: Path) -> None:
    """300 KiB, where 256 KiB are the limit: Cloud Logging gets a split entry; the neighbours come as they are."""
    with Outlets(tmp_path) as scene, cloud_logging() as cloud:
        ids = scene.ids(scene.fill(NEIGHBOURS[0] + HUGE + NEIGHBOURS[1]))
        scene.ship("--config", scene.configure({"cloud": gcp_sink(cloud)}))
        entries = [json_format.MessageToDict(type(entry).pb(entry)) for entry in cloud.entries()]
        split = [entry for entry in entries if "split" in entry]
        assert [*ids[:7], *ids[8:]] == [entry["insertId"] for entry in entries if "split" not in entry]
        assert {ids[7]} == {entry["split"]["uid"] for entry in split}
        assert {len(split)} == {entry["split"]["totalSplits"] for entry in split}
        payloads = [entry["jsonPayload"] for entry in split]
        assert HUGE == pieces_of([(payload["standpipe"]["part"], payload["raw"]) for payload in payloads]) + b"\n"
        assert [] == scene.dead_letters("cloud")


@pytest.mark.parametrize("oversize", ["parts", "dead-letter"])
def test_s67_oversize_record_by_policy(tmp_path: Path, oversize: str) -> None:
    """With max_record_size the config says: in parts, or to the dead letters; the neighbours arrive either way."""
    with Outlets(tmp_path) as scene, HttpDestination() as web:
        ids = scene.ids(scene.fill(NEIGHBOURS[0] + HUGE + NEIGHBOURS[1]))
        sink = http_sink(web, max_record_size="256KiB", oversize=oversize)
        scene.ship("--config", scene.configure({"web": sink}))
        assert [*ids[:7], *ids[8:]] == [record.id for record in web.records if record.id != ids[7] and not record.part]
        texts = [(record.part, json.loads(record.raw)["raw"]) for record in web.records if record.part]
        letters = [(letter["id"], str(letter["record"]).encode()) for letter in scene.dead_letters("web")]
        if oversize == "parts":
            assert HUGE == pieces_of(texts) + b"\n"
            assert {ids[7]} == {re.sub(r"[-.#/]?\d/\d$", "", record.id) for record in web.records if record.part}
            assert max(len(record.raw) for record in web.records) <= 256 * KIB
            assert [] == letters
        else:
            assert [] == texts
            assert [(ids[7], HUGE.rstrip(b"\n"))] == letters


def test_s67_oversize_request_is_split(tmp_path: Path) -> None:
    """A server takes smaller requests than we thought (413): the batch is halved until each half fits."""
    with Outlets(tmp_path) as scene, HttpDestination() as web:
        web.max_body_bytes = 8 * KIB
        ids = scene.ids(scene.fill(NEIGHBOURS[0] + HUGE + NEIGHBOURS[1]))
        scene.ship("--config", scene.configure({"web": http_sink(web)}))
        wait_until(lambda: len(web.ids) >= COUNT - 1, "the neighbours are there")
        assert [*ids[:7], *ids[8:]] == web.ids
        assert [ids[7]] == [letter["id"] for letter in scene.dead_letters("web")]
