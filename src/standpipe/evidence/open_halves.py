"""Halves that wait for their other half: the recent ones in memory, the rest in a temporary SQLite file.

In an ordered log the other half comes within seconds, so that a few hundred wait. Where it never comes (a copy without
responses), all of them do: then memory stays bounded, and some 300 bytes of disk are taken for each.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from itertools import islice, repeat
from typing import TYPE_CHECKING

import msgspec

from standpipe.errors import StandpipeError
from standpipe.records.pair_fields import PairFields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Half = tuple[int, int, PairFields]  # offset, length in bytes, fields

BATCH_ROWS = 1000  # rows fetched at once: a few hundred KB
CACHE_KIBIBYTES = 16 << 10  # of SQLite; its default of 2 MB makes a lookup in a large file several times as slow

_SCHEMA = """
CREATE TABLE halves (waiting TEXT NOT NULL, key TEXT NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
                     fields BLOB NOT NULL);
CREATE INDEX by_key ON halves (key, waiting, offset);
"""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PairFields).decode


class SpillFile:
    """A multimap on disk: (who waits, key) → halves. The file goes with ``close``, or with the process."""

    def __init__(self, directory: str | None = None) -> None:
        """Make an empty file in the directory, by default where temporary files go. Raises StandpipeError."""
        path = ""
        try:
            descriptor, path = tempfile.mkstemp(prefix="standpipe-pairing-", suffix=".sqlite", dir=directory)
            os.close(descriptor)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
            self._database.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
            self._database.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise _spill_error(error) from error
        finally:
            if path:
                os.unlink(path)  # SQLite keeps it open: nothing is left behind, whatever ends us

    def close(self) -> None:
        """Give the space back."""
        self._database.close()

    def add(self, waiting: str, halves: Iterable[tuple[str, Half]]) -> None:
        """Keep halves. Raises StandpipeError where the disk refuses."""
        rows = ((waiting, key, offset, length, _encode(fields)) for key, (offset, length, fields) in halves)
        try:
            self._database.executemany("INSERT INTO halves VALUES (?, ?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise _spill_error(error) from error

    def pop(self, waiting: str, key: str) -> Half | None:
        """Take out the first half of a key; None where none waits. Raises StandpipeError."""
        find = "SELECT rowid, offset, length, fields FROM halves WHERE key = ? AND waiting = ? ORDER BY offset LIMIT 1"
        try:
            row = self._database.execute(find, (key, waiting)).fetchone()
            if row is None:
                return None
            self._database.execute("DELETE FROM halves WHERE rowid = ?", row[:1])
        except sqlite3.Error as error:
            raise _spill_error(error) from error
        return row[1], row[2], _decode(row[3])

    def all(self, waiting: str) -> Iterator[Half]:
        """Yield what waits, in no order. Raises StandpipeError."""
        try:
            rows = self._database.execute("SELECT offset, length, fields FROM halves WHERE waiting = ?", (waiting,))
            while batch := rows.fetchmany(BATCH_ROWS):
                yield from ((offset, length, _decode(fields)) for offset, length, fields in batch)
        except sqlite3.Error as error:
            raise _spill_error(error) from error


def _spill_error(error: Exception) -> StandpipeError:
    return StandpipeError(
        f"cannot keep unpaired records in a temporary file: {error}",
        "Set TMPDIR to a directory with room, or leave pairing out with --checks tiling,integrity",
    )


class OpenHalves:
    """The requests, or the responses, of one node that wait."""

    __slots__ = ("_alike", "_memory", "_name", "_spilled", "spilled")

    def __init__(self, name: str) -> None:
        """Begin empty; the name tells these halves from others in a spill file."""
        self._name = name
        self._memory: dict[str, Half] = {}
        self._alike: dict[str, int] = {}  # how many more wait under a key, told by the first one's place
        self._spilled: SpillFile | None = None
        self.spilled = 0
        """How many of them are on disk."""

    @property
    def in_memory(self) -> int:
        """How many of them are in memory."""
        return len(self._memory)

    def add(self, key: str, half: Half) -> bool:
        """Let a half wait; False where one of this key waits in memory already.

        Then it is counted by ``count_alike`` or goes to a file by ``spill``.
        """
        return self._memory.setdefault(key, half) is half

    def count_alike(self, key: str) -> None:
        """Let one more wait under a key, without its place: for halves that cannot be told apart."""
        self._alike[key] = self._alike.get(key, 0) + 1

    def pop(self, key: str) -> Half | None:
        """Take out the half that has waited longest under a key; None where none does."""
        half = self._memory.pop(key, None)
        if self._alike and half is not None and self._take_alike(key):
            self._memory[key] = half
            return half
        if self.spilled and self._spilled is not None:
            return self._pop_spilled(self._spilled, key, half)
        return half

    def _take_alike(self, key: str) -> bool:
        count = self._alike.pop(key, 0)
        if count > 1:
            self._alike[key] = count - 1
        return count > 0

    def _pop_spilled(self, file: SpillFile, key: str, in_memory: Half | None) -> Half | None:
        found = file.pop(self._name, key)
        if found is None:
            return in_memory
        if in_memory is not None and in_memory[0] < found[0]:
            file.add(self._name, [(key, found)])
            return in_memory
        self.spilled -= 1
        if in_memory is not None:
            self._memory[key] = in_memory
        return found

    def spill(self, file: SpillFile, key: str, half: Half) -> None:
        """Put one half on the disk."""
        self._spilled = file
        file.add(self._name, [(key, half)])
        self.spilled += 1

    def spill_oldest(self, file: SpillFile) -> None:
        """Put the older half of what is in memory on the disk."""
        self._spilled = file
        oldest = list(islice(self._memory.items(), (len(self._memory) + 1) // 2))
        for key, half in oldest:
            alike = self._alike.pop(key, 0)
            if alike:
                file.add(self._name, repeat((key, half), alike))
                self.spilled += alike
            del self._memory[key]
        file.add(self._name, oldest)
        self.spilled += len(oldest)

    def all(self) -> Iterator[tuple[Half, int]]:
        """Yield what still waits, in no order, and how many of each."""
        for key, half in self._memory.items():
            yield half, 1 + self._alike.get(key, 0)
        if self._spilled is not None:
            yield from ((half, 1) for half in self._spilled.all(self._name))
