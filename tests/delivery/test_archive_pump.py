from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from standpipe.delivery.archive_pump import ArchivePump
from standpipe.delivery.backoff import Backoff
from standpipe.delivery.ledger import Ledger
from standpipe.delivery.progress import Progress
from standpipe.delivery.pump import ONCE_PATIENCE_SECONDS
from standpipe.delivery.sink_states import SinkStates
from standpipe.delivery.waiting import Waiting
from standpipe.errors import SinkError
from standpipe.journal import incidents
from standpipe.journal.cursor import CursorFile, read_cursor
from standpipe.journal.layout import Layout
from standpipe.journal.sink_entries import SinkEntry
from standpipe.observe.log import Log
from standpipe.sinks.base import Delivered, Retry
from tests.evidence.craft import Crafted
from tests.journal.kept import Kept
from tests.processes.front_door import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from standpipe.preflight import Check
    from standpipe.sinks.base import SealedSegment


class Archive:
    """A sink of whole segments, whose answers are given to it."""

    def __init__(self, *answers: Delivered | Retry) -> None:
        self.taken: list[tuple[int, int]] = []
        self.closed = False
        self._answers = iter(answers)

    def put(self, segment: SealedSegment) -> Delivered | Retry:
        """Give the next answer, and good ones then."""
        answer = next(self._answers, Delivered())
        if isinstance(answer, Delivered):
            self.taken.append((segment.base, segment.end))
        return answer

    def checks(self) -> list[Check]:
        """See Sink."""
        return []

    def close(self) -> None:
        """See Sink."""
        self.closed = True


class Rig:
    """Three sealed segments of 600 bytes and an open one."""

    def __init__(self, directory: Path) -> None:
        self.journal = Crafted(directory / "journal")
        for _ in range(3):
            self.journal.seal(self.journal.add())
        self.journal.add(mode=0o600)
        self.layout = Layout(str(self.journal.root))
        self._messages = directory / "messages"
        self._log = os.open(self._messages, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def close(self) -> None:
        """Close what is open."""
        os.close(self._log)

    def pump(self, sink: Archive, wait: Waiting, clock: Callable[[], float] = lambda: 0.0) -> ArchivePump:
        """Return a pump that goes on from the cursor."""
        cursor = CursorFile(self.layout.cursor("archive"))
        state = cursor.state or cursor.update(offset=0, after=0)
        states = SinkStates(self.layout)
        states.enter({"archive": SinkEntry("objects", 0)})
        progress = Progress("archive", cursor, states, wait, Log("ship", self._log))
        missing = Ledger(self.layout.incidents).seal_missing("archive", Log("ship", self._log))
        return ArchivePump(sink, self.layout, state, progress, Backoff(lambda: 0.0), missing, clock=clock)

    def offset(self) -> int:
        """Return where the cursor is."""
        state = read_cursor(self.layout.cursor("archive"))
        return -1 if state is None else state.offset

    def said(self, words: str) -> int:
        """Return how often something was said."""
        return self._messages.read_text().count(words)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Return a rig."""
    made = Rig(tmp_path)
    yield made
    made.close()


def test_sealed_segments_in_order(rig: Rig) -> None:
    """Each once, also after a retry; what is not sealed yet is not waited for by a drain."""
    wait = Waiting(rig.layout.segments)
    wait.drain()
    sink = Archive(Delivered(), Retry("503"), Retry("503"))
    rig.pump(sink, wait).run()
    wait.close()
    assert [(0, 600), (600, 1200), (1200, 1800)] == sink.taken
    assert (1800, True) == (rig.offset(), sink.closed)
    assert (1, 1) == (rig.said("records are not taken at the moment"), rig.said("takes records again"))


def test_a_damaged_seal_holds_up_this_sink_alone(rig: Rig) -> None:
    """It is told as something that a person has to mend, and nothing ends; mended, it goes on."""
    seal = rig.journal.file(600, ".seal.json")
    good = seal.read_bytes()
    rig.journal.write(seal, b"rubbish")
    wait = Waiting(rig.layout.segments)
    sink = Archive()
    thread = threading.Thread(target=rig.pump(sink, wait).run)
    thread.start()
    wait_until(lambda: rig.said("until somebody mends it") == 1, "it is told")
    assert [(0, 600)] == sink.taken
    rig.journal.write(seal, good)
    wait.wake()  # the pause of a fault for a person is long
    wait_until(lambda: rig.offset() == 1800, "everything is stored")
    wait.stop()
    thread.join()
    wait.close()
    assert [(0, 600), (600, 1200), (1200, 1800)] == sink.taken


def test_once_does_not_wait_for_ever(rig: Rig) -> None:
    """A fault that may pass is waited for as long as by every other sink, one for a person not at all."""
    now = [0.0]

    def clock() -> float:
        now[0] += ONCE_PATIENCE_SECONDS / 4
        return now[0]

    wait = Waiting(rig.layout.segments, once=True)
    with pytest.raises(SinkError, match="503"):
        rig.pump(Archive(*[Retry("503")] * 100), wait, clock).run()
    sink = Archive(Retry("503"), Delivered(), Retry("503"), Retry("503"))
    rig.pump(sink, wait, clock).run()
    assert 1800 == rig.offset()
    wait.close()


def test_once_ends_where_a_person_is_needed(rig: Rig) -> None:
    """At once."""
    wait = Waiting(rig.layout.segments, once=True)
    with pytest.raises(SinkError, match="403"):
        rig.pump(Archive(Retry("403", config_fault=True)), wait).run()
    wait.close()


def test_a_segment_whose_seal_has_gone_is_passed_over(rig: Rig) -> None:
    """Nobody waits for a seal that can never come: it is an incident, it is told, and the rest is stored."""
    rig.journal.remove(600, ".seal.json")
    wait = Waiting(rig.layout.segments)
    wait.drain()
    sink = Archive()
    rig.pump(sink, wait).run()
    wait.close()
    assert [(0, 600), (1200, 1800)] == sink.taken
    assert (1800, 1) == (rig.offset(), rig.said("a seal is missing"))
    assert [("seal-missing", 600, 600, "archive")] == [
        (entry["kind"], entry["offset"], entry["length"], entry["detail"]["sink"])  # type: ignore[index]
        for entry in incidents.read(rig.layout.incidents)
    ]


def test_a_seal_that_vanishes_behind_the_archive(rig: Rig) -> None:
    """What was stored long ago is no concern of it any more, also after a restart."""
    wait = Waiting(rig.layout.segments)
    wait.drain()
    rig.journal.file(1200, ".seal.json").rename(rig.journal.root / "kept")
    rig.pump(Archive(), wait).run()
    assert 1200 == rig.offset()
    rig.journal.remove(600, ".seal.json")
    (rig.journal.root / "kept").rename(rig.journal.file(1200, ".seal.json"))
    sink = Archive()
    rig.pump(sink, wait).run()
    wait.close()
    assert [(1200, 1800)] == sink.taken
    assert [] == incidents.read(rig.layout.incidents)


def test_idle_seals_are_stored_once(rig: Rig, tmp_path: Path) -> None:
    """Also by the next start: the cursor says which of an offset was the last one."""
    kept = Kept(tmp_path / "kept")
    kept.write()
    kept.wait(2)
    rig.layout = kept.layout
    for expected in ([(0, 600), (600, 600), (600, 600)], [(600, 600), (600, 1200), (1200, 1200)]):
        wait = Waiting(rig.layout.segments)
        wait.drain()
        sink = Archive()
        rig.pump(sink, wait).run()
        wait.close()
        assert expected == sink.taken
        kept.wait()
        kept.write()
        kept.wait()
    state = read_cursor(rig.layout.cursor("archive"))
    assert state is not None
    assert (1200, 1200, 1, 10) == (state.offset, state.sealed, state.idle, state.delivered)
    kept.close()
