"""Start-up, which is recovery: find the end of the journal and make it fit to be written to.

There is no other recovery path: a clean stop, kill -9 and a power loss all come through here. The only question asked
of boot.json is whether the page cache may have been lost; the end itself is found by listing and stat.
Every step may be repeated after a crash in any other.
"""

from __future__ import annotations

import json
import os

from standpipe.errors import JournalError
from standpipe.journal import boot, incidents, kinds
from standpipe.journal.acknowledged import highest_acknowledged
from standpipe.journal.atomic import unlink_if_there
from standpipe.journal.layout import (
    COMPRESSED_SUFFIX,
    FINISHED_SEGMENT_MODE,
    HARD_LIMIT_FACTOR,
    SEGMENT_NUMBER,
    SEGMENT_SUFFIX,
    TEMPORARY_SUFFIX,
    Layout,
    parse_seal_file_name,
    parse_segment_file_name,
)
from standpipe.journal.rescue import leave_mark, read_mark, rescue
from standpipe.journal.segment import Segment, create, finish, open_last

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.observe.log import Log

LOST_END_BYTES = 64 << 10  # the largest block of a file system on machines with large pages
UNKNOWN_HARD_LIMIT = 1 << 40  # bytes to skip where boot.json does not tell: more than any segment, nothing beside 10^20


class RawSegment:
    """One ``.log`` file as start-up finds it."""

    __slots__ = ("base", "finished", "size")

    def __init__(self, base: int, size: int, *, finished: bool) -> None:
        self.base = base
        self.size = size
        self.finished = finished


def list_raw_segments(layout: Layout) -> list[RawSegment]:
    """List the ``.log`` files, oldest first. Raises OSError."""
    found = []
    with os.scandir(layout.segments) as entries:
        for entry in entries:
            parsed = parse_segment_file_name(entry.name)
            if parsed is None or parsed[1] != SEGMENT_SUFFIX:
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # keep may delete a segment meanwhile
            finished = status.st_mode & 0o777 == FINISHED_SEGMENT_MODE
            found.append(RawSegment(parsed[0], status.st_size, finished=finished))
    return sorted(found, key=lambda segment: segment.base)


def _sealed_end(layout: Layout) -> int | None:
    """Return the end of the newest seal, or None without one: the journal's end where no ``.log`` file is left."""
    names = os.listdir(layout.segments)
    places = [place for place in map(parse_seal_file_name, names) if place]
    parsed = [found for found in map(parse_segment_file_name, names) if found]
    places += [(base, SEGMENT_NUMBER) for base, suffix in parsed if suffix == COMPRESSED_SUFFIX]
    if not places:
        return None
    path = layout.seal(*max(places))
    try:
        with open(path, "rb") as file:
            return int(json.loads(file.read())["end"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JournalError(
            f"the journal has no open segment, and its newest seal {path} does not tell the end: {error}",
            "Restore the seal from a copy, or name an empty directory with --journal",
        ) from error


def _end_of(layout: Layout, segments: list[RawSegment]) -> int:
    """Return the journal's end: that of the last ``.log`` file, of the newest seal where there is none, or 0."""
    if segments:
        return segments[-1].base + segments[-1].size
    return _sealed_end(layout) or 0


def cut_lost_ends(layout: Layout) -> None:
    """After a power loss, take NULs off the ends of unfinished segments: the size was on the disk before the data.

    ext4 does so within the block in which a file ended at its last sync. No record holds a NUL, so nothing else is cut.
    Raises OSError.
    """
    before = boot.read(layout.boot)
    if before is None or before.clean or before.boot_id == boot.current_boot_id():
        return
    for segment in list_raw_segments(layout):
        if segment.finished or not segment.size:
            continue
        descriptor = os.open(layout.segment(segment.base), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            block = os.pread(descriptor, LOST_END_BYTES, max(0, segment.size - LOST_END_BYTES))
            zeros = len(block) - len(block.rstrip(b"\0"))
            if zeros:
                os.ftruncate(descriptor, segment.size - zeros)
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Recovery:
    """One start-up. Offsets and sizes in bytes; `now` is wall-clock time, `clock_now` monotonic, both in seconds.

    before_finish: what the source must note of a segment before keep may compress it (journal.companion).
    """

    def __init__(
        self,
        layout: Layout,
        log: Log,
        segment_size: int,
        now: float,
        clock_now: float,
        before_finish: Callable[[Segment], None] | None = None,
    ) -> None:
        self._layout = layout
        self._log = log
        self._hard_limit = HARD_LIMIT_FACTOR * segment_size
        self._now = now
        self._clock_now = clock_now
        self._before_finish = before_finish

    def run(self, settings: dict[str, object]) -> Segment:
        """Return the segment to write to. Raises JournalError or OSError."""
        layout = self._layout
        unlink_if_there(layout.next_segment)
        unlink_if_there(layout.boot + TEMPORARY_SUFFIX)
        before = boot.read(layout.boot)
        boot_id = boot.current_boot_id()
        self._copy_failed_segments()
        segments = list_raw_segments(layout)
        skip_reason = self._reason_to_skip(before, boot_id, _end_of(layout, segments))
        self._finish_all_but_last(segments, cache_lost=bool(skip_reason))
        hard_limit_before = before.segment_hard_limit if before else max(self._hard_limit, UNKNOWN_HARD_LIMIT)
        start = self._start_after(segments, hard_limit_before, skip_reason)
        state = boot.Boot(boot_id, self._hard_limit, settings, clean=False)
        if start is None:
            state.write(layout.boot)
            return open_last(layout, segments[-1].base, self._clock_now)
        if not segments:
            state.write(layout.boot)
            return create(layout, start, self._clock_now)
        # boot.json forgets the power loss and the old hard limit, so the segment that heeds them must be there before.
        current = create(layout, start, self._clock_now)
        state.write(layout.boot)
        if not segments[-1].finished:
            self._finish(segments[-1])
        return current

    def _reason_to_skip(self, before: boot.Boot | None, boot_id: str, end: int) -> str:
        """Say why offsets after the end may have been delivered already; empty where none can have been.

        A sink that has acknowledged more than the journal holds: somebody cut the tail off, or put an older copy in its
        place. As after a power loss, what was delivered under those offsets must keep them.
        """
        if highest_acknowledged(self._layout) > end:
            return "a sink has acknowledged more than the journal holds: its tail was cut off"
        if before is None:
            return "boot.json is missing or damaged, so what was lost is not known" if end else ""
        if not before.clean and before.boot_id != boot_id:
            return "the kernel was restarted while capture was writing"
        return ""

    def _copy_failed_segments(self) -> None:
        """Carry on where a rescue was cut off; the failed file's bytes may still be in the page cache."""
        for segment in list_raw_segments(self._layout):
            mark = read_mark(self._layout, segment.base)
            if mark is None or mark[1]:
                continue
            opened = open_last(self._layout, segment.base, self._clock_now)
            opened.synced_length = min(mark[0], opened.length)
            os.close(self._rescue(opened).descriptor)

    def _rescue(self, failed: Segment) -> Segment:
        """Copy what is not safe of a failed segment, finish that one, and return the copy."""
        copy = rescue(self._layout, failed, self._now)
        self._note(kinds.IO_ERROR, copy.base, copy.length, {"segment": failed.base, "at": "start"})
        finish(failed)
        return copy

    def _finish_synced(self, segment: Segment) -> None:
        if self._before_finish is not None:
            self._before_finish(segment)
        finish(segment)

    def _finish(self, raw: RawSegment) -> None:
        segment = open_last(self._layout, raw.base, self._clock_now)
        try:
            os.fdatasync(segment.descriptor)
        except OSError as error:
            leave_mark(self._layout, segment)  # another fdatasync, of the next start, would succeed and mean nothing
            self._log.error("the disk failed under a segment", segment=raw.base, error=error.strerror)
            self._finish_synced(self._rescue(segment))
        else:
            self._finish_synced(segment)

    def _finish_all_but_last(self, segments: list[RawSegment], *, cache_lost: bool) -> None:
        for i in range(len(segments) - 1):
            segment, after = segments[i], segments[i + 1]
            if segment.finished:
                continue
            missing = after.base - segment.base - segment.size
            if missing > 0 and cache_lost:
                self._gap(segment.base + segment.size, missing)
            self._finish(segment)

    def _start_after(self, segments: list[RawSegment], hard_limit: int, skip_reason: str) -> int | None:
        """Return the base of a new segment, or None to go on in the last one."""
        end = _end_of(self._layout, segments)
        if not segments:
            return self._skip(end, end, skip_reason) if skip_reason else end
        last = segments[-1]
        if skip_reason:
            return self._skip(end, last.base + hard_limit, skip_reason)
        # A finished tail is never written to: only a rescue or a power loss was cut off here.
        if last.finished or (hard_limit != self._hard_limit and last.size):
            return end
        return None

    def _skip(self, end: int, limit: int, reason: str) -> int:
        """Return where to go on: no offset that was ever readable can reach the limit, nor what was acknowledged."""
        start = max(end, limit, highest_acknowledged(self._layout))
        self._gap(end, start - end)
        self._log.warning(f"{reason}; offsets are skipped so that none is used twice", offset=end, skipped=start - end)
        return start

    def _gap(self, offset: int, length: int) -> None:
        """Record a power-loss gap before anything relies on it; once, however often start-up is cut off."""
        if not length:
            return
        for known in incidents.read(self._layout.incidents):
            if (known["kind"], known.get("offset"), known.get("length")) == (kinds.POWER_LOSS, offset, length):
                return
        self._note(kinds.POWER_LOSS, offset, length, {"addresses": "skipped", "bytes_lost": "unknown"})

    def _note(self, kind: str, offset: int, length: int, detail: dict[str, object]) -> None:
        incidents.append(self._layout.incidents, kind, offset, length, detail, self._now)


def mark_clean(layout: Layout) -> None:
    """Say in boot.json that everything written is on disk. Raises OSError."""
    state = boot.read(layout.boot)
    if state is not None:
        boot.Boot(state.boot_id, state.segment_hard_limit, state.settings, clean=True).write(layout.boot)
