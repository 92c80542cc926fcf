from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from standpipe.delivery.ledger import Ledger
from standpipe.journal import incidents
from standpipe.records.framing import Record

if TYPE_CHECKING:
    from pathlib import Path


def torn(offset: int, length: int = 5) -> Record:
    """Return a torn record."""
    return Record(offset, length, b"", torn=True)


def listed(path: Path) -> list[tuple[object, object]]:
    """Return offset and length of each incident."""
    return [(entry["offset"], entry["length"]) for entry in incidents.read(str(path))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where incidents go."""
    return tmp_path / "incidents.jsonl"


def test_torn_records_are_noted_once(path: Path) -> None:
    """Whichever sink meets them first: two sinks, and the next ship, add nothing."""
    ledger = Ledger(str(path))
    ledger.torn([torn(0), torn(5)])  # one sink
    ledger.torn([torn(0)])  # another one, which reads less at once
    ledger.torn([torn(5), torn(20)])
    Ledger(str(path)).torn([torn(0), torn(5), torn(20)])  # after a restart
    assert [(0, 10), (20, 5)] == listed(path)
    assert [{"records": 2, "bytes": 10}, {"records": 1, "bytes": 5}] == [e["detail"] for e in incidents.read(str(path))]


def test_order_does_not_matter(path: Path) -> None:
    """A sink that is ahead notes what is later first."""
    ledger = Ledger(str(path))
    ledger.torn([torn(100)])
    ledger.torn([torn(0)])
    ledger.torn([torn(0)])
    ledger.torn([torn(100)])
    assert [(100, 5), (0, 5)] == listed(path)


def test_threads_note_each_record_once(path: Path) -> None:
    """Sinks share one ledger."""
    ledger = Ledger(str(path))
    start = threading.Barrier(4)

    def note() -> None:
        start.wait()
        for number in range(20):
            ledger.torn([torn(number * 10)])

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(number * 10, 5) for number in range(20)] == sorted(listed(path))


def test_incidents_wait_while_the_disk_refuses(path: Path) -> None:
    """They are written in order once it takes them."""
    ledger = Ledger(str(path))
    path.mkdir()
    ledger.add("repeat", 1, 2, {})
    ledger.torn([torn(7)])
    assert not ledger.flush()
    path.rmdir()
    assert ledger.flush()
    assert [(1, 2), (7, 5)] == listed(path)


def test_odd_lines_are_passed_over(path: Path) -> None:
    """A torn incident without addresses hides nothing."""
    path.write_text('{"kind":"torn","offset":null,"length":5}\n{"kind":"torn","offset":true,"length":null}\nrubbish\n')
    Ledger(str(path)).torn([torn(0)])
    assert (0, 5) == listed(path)[-1]


def test_a_burst_is_one_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many incidents at once cost a few syncs of the disk, and none is left out."""
    synced: list[int] = []
    sync = os.fsync

    def counted(descriptor: int) -> None:
        synced.append(descriptor)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    Ledger(str(path)).add_all("dead-letter", [(number, 1, {"sink": "web"}) for number in range(600)])
    assert [(number, 1) for number in range(600)] == listed(path)
    assert len(synced) <= 600 / 50
