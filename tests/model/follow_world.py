"""Vault and everybody else who touches audit.log, and the oracle: what must be in the journal, byte by byte.

The oracle knows what was written to which file, in order, and nothing of how capture works. `due` is what must come
next; the journal's bytes are taken off its front after every action, so a byte that is missing, doubled or out of
place shows at once. Where others destroy bytes before they were read, these leave `due` and become a loss.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import TYPE_CHECKING

from standpipe.errors import SourceError

if TYPE_CHECKING:
    from tests.model.follow_rig import Rig

PUNCH_KEEPS_BYTES = 128 << 10  # a file whose head was punched was synced at least so far beyond its hole
LINE_BACK_BYTES = 64 << 10  # a line that is longer so far is not begun again after a power loss
ENDS_OF_LOSS = ("truncated", "source-lost", "source-deleted", "source-rolled-back")


class File:
    """One inode, as others made it."""

    def __init__(self, key: tuple[int, int]) -> None:
        self.key = key
        self.data = bytearray()
        self.linked = True
        self.captured = 0  # how far the journal has what is in it now
        self.position = 0  # how far capture believes to have come, until it looks again
        self.seen = 0  # the largest size at a look that capture could take


class Chunk:
    """Bytes that must come into the journal. optional: they may come a second time, whole, or not."""

    def __init__(self, data: bytes, file: File, offset: int, *, optional: bool = False) -> None:
        self.data = data
        self.file = file
        self.offset = offset
        self.copy: File | None = None
        self.optional = optional


class Loss:
    """Bytes that were destroyed before they were read, and could have been noticed. to: None where nobody looked."""

    def __init__(self, source_from: int, to: int | None) -> None:
        self.source_from = source_from
        self.to = to
        self.looked = False  # capture has had a look since

    def __repr__(self) -> str:
        """Return what an assertion shows."""
        return f"Loss({self.source_from}, {self.to})"


class World:
    """One path, its writer, its rotators and its vandals."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.path = rig.path
        self.files: dict[tuple[int, int], File] = {}
        self.serial = 0
        self.names = 0
        self.due: list[Chunk] = []
        self.taken: list[tuple[int, Chunk]] = []  # (journal offset, what came there)
        self.closed: set[int] = set()
        self.seen_end = 0
        self.last: File | None = None
        self.writer: tuple[int, File] | None = None
        self.torn_rest = b""
        self.losses: list[Loss] = []
        self.may_tell: set[int] = set()  # positions at which a cut may be told, though nothing was lost
        self.touched_by_others = False
        self._tick = 0

    # The writer.

    def record(self, size: int) -> bytes:
        """Return a line that differs from every other within its first bytes, and begins as the others do."""
        self.serial += 1
        digits = f"{self.serial:05d}"[::-1]
        if size < 12:
            return (chr(48 + self.serial % 70) + chr(48 + self.serial // 70) + "x" * (size - 3)).encode() + b"\n"
        filling = digits.encode() * (size // 5)
        return b'{"n":' + digits.encode() + filling[: size - 12] + b"}\n"

    def _open_live(self) -> tuple[int, File]:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.rig.others.add(descriptor)
        file = self._model(descriptor)
        return descriptor, file

    def _model(self, descriptor: int) -> File:
        status = os.fstat(descriptor)
        key = (status.st_dev, status.st_ino)
        known = self.files.get(key)
        if known is None or not known.linked:
            known = self.files[key] = File(key)
        return known

    def hang_up(self) -> None:
        """Close the file, as Vault does at SIGHUP and when it ends; the next write opens the path."""
        if self.writer is not None:
            descriptor, _ = self.writer
            os.close(descriptor)
            self.rig.others.discard(descriptor)
            self.writer = None
            self.torn_rest = b""

    def move(self) -> None:
        """Close the file and open the path at once."""
        self.hang_up()
        self.writer = self._open_live()

    def append(self, data: bytes) -> None:
        """Write into the file that is open."""
        if self.writer is None:
            self.writer = self._open_live()
        descriptor, file = self.writer
        assert len(data) == os.write(descriptor, data)
        self._touch(descriptor)
        if not file.linked and not self.rig.holds(*file.key):
            file.data += data
            return  # nobody can ever read it
        self.due.append(Chunk(data, file, len(file.data)))
        file.data += data

    def write(self, count: int, size: int) -> None:
        """Write whole records."""
        self.torn_rest = b""
        for _ in range(count):
            self.append(self.record(size))

    def write_torn(self, size: int) -> None:
        """Write the first half of a record."""
        data = self.record(max(size, 20))
        self.append(data[: len(data) // 2])
        self.torn_rest = data[len(data) // 2 :]

    def write_rest(self) -> None:
        """Write the second half."""
        rest, self.torn_rest = self.torn_rest, b""
        if rest:
            self.append(rest)

    def _touch(self, target: int | str) -> None:
        """Give a file a time of its last write that is no other file's: the kernel's own are 4 ms apart."""
        self._tick = max(self._tick + 1, time.time_ns())
        os.utime(target, ns=(self._tick, self._tick))

    # The others.

    def live(self) -> File | None:
        """Return the file at the path."""
        return self._at(self.path)

    def _at(self, path: str) -> File | None:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            return self._model(descriptor)
        finally:
            os.close(descriptor)

    def generations(self) -> list[str]:
        """Return the paths of all renamed files and copies, the oldest last."""
        names = [name for name in os.listdir(self.rig.directory) if name.startswith("audit.log.")]
        return [f"{self.rig.directory}/{name}" for name in sorted(names, key=lambda name: int(name[10:]))]

    def _shift(self) -> str:
        """Renumber, as logrotate does, and return the name that is free then."""
        for path in reversed(self.generations()):
            number = int(path.rpartition(".")[2])
            os.rename(path, f"{self.path}.{number + 1}")
        return f"{self.path}.1"

    def rotate(self, *, creates: bool) -> None:
        """Rename the live file, and perhaps create a new one."""
        if self.live() is None:
            return
        os.rename(self.path, self._shift())
        if creates:
            self._create(self.path)

    def _create(self, path: str) -> File:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        file = self._model(descriptor)
        self._touch(descriptor)
        os.close(descriptor)
        return file

    def copy(self) -> None:
        """Do the first half of a copytruncate."""
        live = self.live()
        if live is None:
            return
        path = self._shift()
        shutil.copyfile(self.path, path)
        self._touch(path)
        copy = self._at(path)
        assert copy is not None
        copy.data[:] = live.data
        for chunk in self.due:
            if chunk.file is live and not chunk.optional:
                chunk.copy = copy
        self.touched_by_others = True

    def truncate(self, fraction: float) -> None:
        """Cut the live file to a part of its length."""
        self.observe()
        live = self.live()
        if live is None:
            return
        self.touched_by_others = True
        length = int(len(live.data) * fraction)
        if length == len(live.data):
            return
        copies = [chunk.copy for chunk in self.due if chunk.file is live and chunk.copy is not None]
        copied = max([len(copy.data) for copy in copies if copy.linked], default=0)
        lost = self._destroy(live, length)
        if live.position > length:
            self.may_tell |= {live.position, live.captured, max(live.position, copied)}
            if lost and self.last is live:
                first = max(live.position, copied)
                self._lose(first, max(first, live.seen) if self.rig.alive else None)
        elif lost and self.rig.alive and live.seen > length and self.last is live:
            self._lose(length, live.seen)
        if live.captured > length:
            self._cut_captured(live, length)
        os.truncate(self.path, length)
        self._touch(self.path)
        del live.data[length:]
        live.seen = min(live.seen, length)

    def _cut_captured(self, file: File, length: int) -> None:
        """Note that bytes which the journal has are not in the file; the line that was cut may be begun again."""
        file.captured = length
        line = _open_line(file.data[:length])
        if line:
            self.due.append(Chunk(line, file, length - len(line), optional=True))

    def _lose(self, source_from: int, to: int | None) -> None:
        if source_from not in [loss.source_from for loss in self.losses]:
            self.losses.append(Loss(source_from, to))

    def _destroy(self, file: File, length: int) -> bool:
        """Take what a file has from a length on off `due`; tell whether any of it is in no copy."""
        lost = False
        kept: list[Chunk] = []
        for chunk in self.due:
            if chunk.file is not file or chunk.offset + len(chunk.data) <= length:
                kept.append(chunk)
                continue
            if chunk.optional:
                continue
            head = max(0, length - chunk.offset)
            if head:
                first = Chunk(chunk.data[:head], file, chunk.offset)
                first.copy = chunk.copy
                kept.append(first)
            rest = Chunk(chunk.data[head:], file, chunk.offset + head)
            if chunk.copy is not None and chunk.copy.linked:
                rest.file = chunk.copy
                kept.append(rest)
            else:
                lost = True
        self.due = kept
        return lost

    def delete(self, path: str) -> None:
        """Unlink a file."""
        self.observe()
        file = self._at(path)
        if file is None:
            return
        self.touched_by_others = True
        os.unlink(path)
        file.linked = False
        if self.last is file:
            self.may_tell.add(file.position)
        if not self.rig.holds(*file.key):
            self._gone(file)

    def _gone(self, file: File) -> None:
        if self._destroy(file, 0) and self.last is file:
            self._lose(file.position, None)

    def replace(self) -> None:
        """Put a new, empty file in the live one's place."""
        if self.live() is None:
            return
        aside = f"{self.rig.directory}/aside"
        self._create(aside)
        self.observe()
        old = self.live()
        assert old is not None
        self.touched_by_others = True
        os.rename(aside, self.path)
        old.linked = False
        if self.last is old:
            self.may_tell.add(old.position)
        if not self.rig.holds(*old.key):
            self._gone(old)

    # Capture, as somebody else sees it.

    def look(self) -> None:
        """Let capture do all that it can."""
        if not self.rig.alive:
            self.start()
        self.rig.work()
        self.looked()

    def looked(self) -> None:
        """Take note that capture could see all files that it has open."""
        self.observe()
        for file in self.files.values():
            if self.rig.holds(*file.key):
                file.seen = len(file.data)
                file.position = file.captured
        for loss in self.losses:
            loss.looked = True

    def start(self) -> None:
        """Start capture."""
        self.rig.start()

    def died(self) -> None:
        """Take note that capture is dead: what only it could read is gone."""
        self.observe()
        for loss in self.losses:
            loss.to = loss.to if loss.looked else None
        for file in list(self.files.values()):
            file.seen = 0
            if not file.linked:
                self.may_tell.add(file.position)
                self._gone(file)

    def lose_source_json(self) -> None:
        """Delete source.json; where capture will not guess, put it back as its remedy says."""
        self.observe()
        if not os.path.exists(self.rig.layout.source):
            return
        aside = self.rig.layout.source + ".aside"
        os.rename(self.rig.layout.source, aside)
        told = self.incidents("source-lost")
        try:
            self.rig.start()
        except SourceError:
            self.rig.die()
            assert len(self.incidents("source-lost")) == len(told) + 1
            os.rename(aside, self.rig.layout.source)
        else:
            os.unlink(aside)
            self.losses = [loss for loss in self.losses if loss.looked]  # nobody knows any more what was there

    def power_loss(self, keeps_source: float, keeps_journal: float) -> None:
        """Restart under another boot id; capture is dead. Each may lose what was not synced."""
        self.observe()
        self.hang_up()
        self.rig.boot_id += "'"
        self._cut_journal(keeps_journal)
        live = self.live()
        current = self.last
        cut = live is not None and self._roll_back(live, keeps_source)
        if current is not None and not (cut and current is live):
            line = _open_line(current.data[: current.captured])
            if line:
                self.due.insert(0, Chunk(line, current, current.captured - len(line), optional=True))

    def _cut_journal(self, keeps: float) -> None:
        base, data = self.rig.segments()[-1]
        floor = max(base, self.rig.safe_end)
        end = base + len(data)
        new_end = floor + int((end - floor) * keeps) if end > floor else end
        if new_end == end:
            return
        os.truncate(self.rig.layout.segment(base), new_end - base)
        self.closed = {offset for offset in self.closed if offset < new_end}
        while self.taken and self.taken[-1][0] + len(self.taken[-1][1].data) > new_end:
            offset, chunk = self.taken.pop()
            kept = max(0, new_end - offset)
            back = Chunk(chunk.data[kept:], chunk.file, chunk.offset + kept)
            if back.offset + len(back.data) <= len(back.file.data) and not chunk.optional:
                self.due.insert(0, back)
            chunk.file.captured = chunk.file.position = back.offset
            if kept:
                chunk.data = chunk.data[:kept]
                self.taken.append((offset, chunk))
            self.last = chunk.file
        self.seen_end = new_end

    def _roll_back(self, live: File, keeps: float) -> bool:
        """Cut the live file where power took bytes of it; tell whether capture had some of these."""
        hole_end = _hole_end(self.path)
        floor = min(hole_end + PUNCH_KEEPS_BYTES, len(live.data)) if hole_end else 0
        length = floor + int((len(live.data) - floor) * keeps)
        if length == len(live.data):
            return False
        self._destroy(live, length)  # and nobody can tell
        os.truncate(self.path, length)
        self._touch(self.path)
        del live.data[length:]
        if live.captured <= length:
            return False
        self._cut_captured(live, length)
        return True

    # The oracle.

    def observe(self) -> None:
        """Take what the journal has got since the last look off the front of `due`."""
        self._read_closed()
        for start, data in self.rig.journal_since(self.seen_end):
            if start > self.seen_end:
                assert start == self._gap_end(self.seen_end)
            self._take(start, data)
            self.seen_end = start + len(data)

    def _gap_end(self, offset: int) -> int:
        """Return how far the recorded gaps reach without a break."""
        gaps = {int(str(gap["offset"])): int(str(gap["length"])) for gap in self.incidents("power-loss")}
        while offset in gaps:
            offset += gaps[offset]
        return offset

    def _read_closed(self) -> None:
        try:
            with open(self.rig.layout.source, "rb") as file:
                self.closed |= set(json.load(file)["closed"])
        except FileNotFoundError:
            return

    def _take(self, start: int, data: bytes) -> None:
        index = 0
        while index < len(data):
            offset = start + index
            if offset in self.closed:
                assert b"\n" == data[index : index + 1]
                index += 1
                continue
            bound = min([closed - start for closed in self.closed if closed > offset] + [len(data)])
            assert self.due, f"nothing more was due at {offset}: {data[index : index + 40]!r}"
            if self.due[0].optional and not self._begins_again(data[index:bound]):
                del self.due[0]
                continue
            chunk = self.due[0]
            count = min(len(chunk.data), bound - index)
            if chunk.data[:count] != data[index : index + count]:
                expected = f"due at {offset}: {chunk.data[:40]!r} of {chunk.offset}; got {data[index : index + 40]!r}"
                raise AssertionError(expected)
            self.taken.append((offset, Chunk(chunk.data[:count], chunk.file, chunk.offset, optional=chunk.optional)))
            chunk.data = chunk.data[count:]
            chunk.offset += count
            chunk.file.captured = chunk.file.position = chunk.offset
            self.last = chunk.file
            if not chunk.data:
                del self.due[0]
            index += count

    def _begins_again(self, data: bytes) -> bool:
        """Tell whether the line that was cut comes once more, whole, before what comes next."""
        due = b"".join([self.due[0].data, *(chunk.data for chunk in self.due[1:] if not chunk.optional)])
        return due[: len(data)] == data[: len(due)]

    def incidents(self, kind: str) -> list[dict[str, object]]:
        """Return the incidents of a kind."""
        if not os.path.exists(self.rig.layout.incidents):
            return []
        with open(self.rig.layout.incidents, "rb") as file:
            lines = [line for line in file.read().splitlines() if line]
        return [entry for entry in map(_parse, lines) if entry.get("kind") == kind]

    def settle(self) -> None:
        """Let the writer go on in the live file, and capture take all that there is, and stop."""
        self.rig.cap_bytes = 1 << 30
        if self.rig.alive:
            self.rig.room.set_cap(self.rig.cap_bytes)
        self.move()
        self.append(self.record(30))
        for _ in range(3):
            self.look()
            self.rig.now += 61.0  # what rests has rested long enough
        self.look()
        self.rig.stop()
        self.died()

    def check(self) -> None:
        """Check that nothing is missing, and that every loss was told, and no other."""
        missing = [(chunk.file.key, chunk.offset, chunk.data[:30]) for chunk in self.due if not chunk.optional]
        assert [] == missing
        told: dict[int, list[object]] = {}
        for kind in ("truncated", "source-lost"):
            for incident in self.incidents(kind):
                detail = incident["detail"]
                assert isinstance(detail, dict)
                if "source_from" in detail:
                    told.setdefault(detail["source_from"], []).append(detail.get("source_to"))
        for loss in self.losses:
            assert loss.source_from in told, f"{loss} is not among {told}"
            assert loss.to is None or loss.to in told[loss.source_from], f"{loss} is not among {told}"
        expected = self.may_tell | {loss.source_from for loss in self.losses}
        assert set(told) <= expected, f"{told} was told, and only {expected} happened"
        ends = {incident["offset"] for kind in ("torn", *ENDS_OF_LOSS) for incident in self.incidents(kind)}
        assert self.closed <= ends | {offset for offset in self.closed if offset >= self.seen_end}
        if not self.touched_by_others:
            assert {} == told


def _parse(line: bytes) -> dict[str, object]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    assert isinstance(entry, dict)
    return entry


def _open_line(data: bytes | bytearray) -> bytes:
    """Return the beginning of the line that has no end yet."""
    return bytes(data[data.rfind(b"\n") + 1 :])


def _hole_end(path: str) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.lseek(descriptor, 0, os.SEEK_DATA)
    except OSError:
        return 0
    finally:
        os.close(descriptor)
