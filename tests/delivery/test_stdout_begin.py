"""Where a stdout that selects records and gets seals goes on when its pipe is another one."""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING

import pytest

from standpipe.config_sinks import SelectConfig
from standpipe.delivery.batching import ParcelBatcher
from standpipe.delivery.edges import end_of_selected_before
from standpipe.delivery.progress import Progress
from standpipe.delivery.stdout_pump import StdoutPump
from standpipe.journal.cursor import CursorFile
from standpipe.journal.reader import JournalReader
from standpipe.records.envelope import Envelope
from standpipe.records.selection import Selection
from standpipe.sinks.base import Limits
from standpipe.sinks.stdout import Output
from tests.delivery.pump_rig import NAME, Rig, Sink
from tests.evidence.craft import JOURNAL_ID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from standpipe.journal.cursor import Cursor
    from standpipe.records.framing import Record

SIZE = 100  # bytes of a record
COUNT = 50
WANTED = (0, 40)  # the others are filtered
PIPE_BYTES = 1 << 20


def line(number: int) -> bytes:
    """Return a record."""
    operation = "delete" if number in WANTED else "update"
    text = b'{"time":"2024-05-06T07:00:00Z","type":"request","request":{"operation":"%s"}' % operation.encode()
    return text.ljust(SIZE - 2) + b"}\n"


class Lines(Sink):
    """Encodes as `format: json` does."""

    def encode(self, record: Record, after: int) -> bytes:
        """See Sink."""
        return Envelope(JOURNAL_ID).line(record, after)


class Stdouts:
    """One pipe after the other, on a journal of one sealed segment and an open one."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        rig.journal.seal(rig.journal.add(b"".join(line(number) for number in range(COUNT))))
        rig.journal.add(b"", mode=0o600)
        self.sealed: int | None = None

    def deliver(self) -> list[dict[str, object]]:
        """Deliver all there is into a new pipe, the reader of which takes nothing; return the envelopes in it."""
        read_end, write_end = os.pipe()
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        reader = JournalReader(self._rig.layout)
        selection = Selection(SelectConfig(operations=("delete",)))
        cursor = CursorFile(self._rig.layout.cursor(NAME))
        wait = self._rig.wait
        wait.drain()
        output = Output("0123456789abcdef", wait.writable, write_end)
        progress = Progress(NAME, cursor, self._rig.states, wait, self._rig.log)
        pump = StdoutPump(reader, cursor, output, progress, self._rig.ledger, self._rig.log)
        state: Cursor = pump.begin(
            0,
            known=False,
            seals=True,
            after_at=lambda at: end_of_selected_before(reader, at, reader.base, selection, b""),
        )
        self.sealed = state.sealed
        feed = self._rig.feed(Lines(Limits(1 << 18, 1 << 20)), state, selection=selection, seals=True)
        pump.run(ParcelBatcher(feed), state.offset)
        pump.end()
        output.close()
        reader.close()
        os.close(write_end)
        with os.fdopen(read_end, "rb") as found:
            return [json.loads(text)["standpipe"] for text in found.read().splitlines()]


@pytest.fixture
def stdouts(tmp_path: Path) -> Iterator[Stdouts]:
    """Return pipes on a small journal."""
    rig = Rig(tmp_path)
    yield Stdouts(rig)
    rig.close()


def test_what_was_in_the_pipe_that_is_gone_comes_again(stdouts: Stdouts) -> None:
    """Records with the same `after` as before, and the seals too."""
    first = stdouts.deliver()
    assert [0, 40 * SIZE, 0] == [found["offset"] for found in first]
    assert [0, SIZE] == [found["after"] for found in first[:2]]
    assert "seal" == first[2]["kind"]
    again = stdouts.deliver()
    assert first[-len(again) :] == again
    assert "seal" == again[-1]["kind"]


def test_after_a_step_into_the_middle(stdouts: Stdouts) -> None:
    """What lies between two records that were selected was filtered, also where the first one does not come again."""
    first = stdouts.deliver()
    cursor = CursorFile(stdouts._rig.layout.cursor(NAME))
    cursor.update(unread=12 * SIZE)
    cursor.close()
    assert first[1:] == stdouts.deliver()
    assert 38 * SIZE == stdouts.sealed
