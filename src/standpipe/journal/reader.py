"""Reading a journal that others write, compress and delete at the same time.

The picture of the directory is refreshed when the directory's mtime says so. Timestamps are coarse (a jiffy, on some
file systems 2 s), so a picture taken soon after a change is not trusted for long. What cannot be seen in the
directory's mtime is asked for directly: the size and mode of segments that capture has not finished.

A stale picture can only lack things. Before the reader says that addresses hold nothing, it looks again.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

from standpipe.errors import JournalError
from standpipe.journal.frames import FrameFile
from standpipe.journal.layout import COMPRESSED_SUFFIX, SEGMENT_SUFFIX, Layout, parse_seal_file_name, segment_file_name
from standpipe.journal.listing import Files, RawSizes, read_listing, segments_of
from standpipe.journal.span import Compressed, Hole, OpenLog, Span

if TYPE_CHECKING:
    from standpipe.journal.segments import Segment

COARSE_TIMESTAMP_NANOSECONDS = 2_000_000_000  # FAT's grain is 2 s; ext4, XFS and tmpfs have a jiffy
RELIST_SECONDS = 0.02  # while the timestamp cannot be trusted, list no more often than this
ATTEMPTS_MAX = 8  # a file vanishes at most twice (compressed, then deleted); more is a fault


class JournalReader:
    """Reads one journal; for one thread. Every method raises OSError for I/O trouble."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._files: Files = {}
        self._segments: list[Segment] = []
        self._data: list[Segment] = []
        self._bases: list[int] = []
        self._seal_places: list[tuple[int, int]] = []
        self._unfinished: list[str] = []
        self._listed_mtime = -1
        self._listed_soon = True
        self._listed_at = 0.0
        self._raw_sizes = RawSizes(layout)
        self._log: OpenLog | None = None
        self._frames: tuple[int, FrameFile] | None = None
        self._frame: tuple[int, bytes] = (0, b"")  # the raw frame unpacked last, and its offset in the journal

    def close(self) -> None:
        """Close what is open."""
        self._close_log()
        self._close_frames()

    # The picture.

    def refresh(self) -> None:
        """Look whether the picture still holds, and take a new one where it may not."""
        try:
            mtime = os.stat(self._layout.segments).st_mtime_ns
        except FileNotFoundError:
            mtime = 0
        doubtful = self._listed_soon and time.monotonic() - self._listed_at >= RELIST_SECONDS
        if doubtful or mtime != self._listed_mtime:
            self._relist()
        elif self._unfinished:
            self._look_at_unfinished()

    def look_again(self) -> None:
        """Take a new picture now: for a caller who knows that something has changed."""
        self._relist()

    def _relist(self) -> None:
        now = time.time_ns()
        self._files, self._listed_mtime = read_listing(self._layout, self._files)
        self._listed_soon = now - self._listed_mtime < COARSE_TIMESTAMP_NANOSECONDS
        self._listed_at = time.monotonic()
        self._rebuild()
        if self._log is not None:
            self._log.fresh = False

    def _rebuild(self) -> None:
        self._segments = segments_of(self._files, self._raw_sizes.of(self._files))
        self._data = [segment for segment in self._segments if segment.has_data]
        self._bases = [segment.base for segment in self._data]
        self._seal_places = sorted(filter(None, map(parse_seal_file_name, self._files)))
        self._unfinished = [
            segment_file_name(segment.base, SEGMENT_SUFFIX) for segment in self._data[:-1] if not segment.finished
        ]

    def _look_at_unfinished(self) -> None:
        """Ask for size and mode: a chmod does not show in the directory's mtime."""
        changed = False
        for name in self._unfinished:
            try:
                status = os.stat(f"{self._layout.segments}/{name}")
            except FileNotFoundError:
                self._relist()
                return
            seen = (status.st_size, status.st_mode)
            changed = changed or self._files[name] != seen
            self._files[name] = seen
        if changed:
            self._rebuild()
            if self._log is not None:
                self._log.fresh = False

    def _tail_size(self) -> int | None:
        """Return the size of the last segment's file now; None where it is not raw (it then cannot grow)."""
        last = self._data[-1]
        if last.stored == "zst":
            return None
        try:
            return os.stat(self._layout.segment(last.base)).st_size
        except FileNotFoundError:
            return None

    @property
    def segments(self) -> list[Segment]:
        """All segments now, in order; the last one with its size of this moment."""
        self.refresh()
        size = self._tail_size() if self._data else None
        if size is None:
            return list(self._segments)
        last = self._data[-1]
        packed_bytes = last.disk_bytes - last.size if last.stored == "both" else 0
        now = replace(last, size=size, end=last.base + size, disk_bytes=size + packed_bytes)
        return [now if segment is last and last is self._segments[-1] else segment for segment in self._segments]

    @property
    def seal_places(self) -> list[tuple[int, int]]:
        """The places of all seals in the chain, in order: (base, number), see layout.parse_seal_file_name."""
        self.refresh()
        return list(self._seal_places)

    @property
    def file_bytes(self) -> int:
        """Bytes of all files in ``segments/``, the last segment's as of this moment: what the journal's cap counts."""
        self.refresh()
        listed = sum(size for size, _ in self._files.values())
        size = self._tail_size() if self._data else None
        return listed if size is None else listed + size - self._data[-1].size

    @property
    def base(self) -> int:
        """The first address that still holds data; the end where none does."""
        self.refresh()
        return self._bases[0] if self._bases else self.end

    @property
    def end(self) -> int:
        """The address after the last byte, now."""
        self.refresh()
        if not self._data:
            ends = [segment.end for segment in self._segments]
            return max([0, *ends, *(base for base, _ in self._seal_places[-1:])])
        size = self._tail_size()
        last = self._data[-1]
        return last.end if size is None else last.base + size

    # Bytes.

    def span(self, offset: int) -> Span | Compressed | Hole | None:
        """Say what is at an offset; None at (or past) the journal's end, or where capture is still writing.

        Raises JournalError where a file cannot be had though it should be there.
        """
        log = self._log
        if log is not None and log.fresh:
            span = log.span(offset)
            if span is not None:
                return span
        for attempt in range(ATTEMPTS_MAX):
            self.refresh()
            found = self._locate(offset)
            if found is None:
                return None
            if isinstance(found, Hole):
                if attempt:
                    return found
                self._relist()  # a stale picture lacks things: look again before saying so
                continue
            try:
                span_or_compressed = self._open(found, offset)
            except FileNotFoundError:
                self._relist()
                continue
            if span_or_compressed is not None:
                return span_or_compressed
            if found.finished:
                self._relist()
                continue
            return None
        raise JournalError(
            f"the journal at {self._layout.root} cannot be read at offset {offset}: a file is missing or too short",
            "Run `standpipe verify` on it",
        )

    def _locate(self, offset: int) -> Segment | Hole | None:
        index = bisect_right(self._bases, offset) - 1
        last = len(self._data) - 1
        if index >= 0:
            segment = self._data[index]
            if offset < segment.end or (index == last and not segment.finished):
                return segment
            if index < last and not segment.finished:
                return None  # capture may still lengthen it, up to the next base
        return Hole(offset, self._bases[index + 1]) if index < last else None

    def _open(self, segment: Segment, offset: int) -> Span | Compressed | None:
        """Open what holds the offset. Raises FileNotFoundError where keep was faster."""
        if segment.stored == "zst":
            return Compressed(offset, segment.end)
        log = self._log
        if log is None or log.base != segment.base or not log.fresh:
            log = self._open_log(segment)
        return log.span(offset)

    def _open_log(self, segment: Segment) -> OpenLog:
        fd = os.open(self._layout.segment(segment.base), os.O_RDONLY | os.O_CLOEXEC)
        self._close_log()
        index = bisect_right(self._bases, segment.base)
        bound = self._bases[index] if index < len(self._bases) else None
        self._log = OpenLog(segment.base, fd, segment.end, bound, growing=not segment.finished)
        return self._log

    def _close_log(self) -> None:
        if self._log is not None:
            os.close(self._log.fd)
            self._log = None

    def read(self, offset: int, limit: int) -> bytes:
        """Return up to limit bytes from offset (fewer at a segment's or frame's end); b"" at the end or in a hole.

        Raises JournalError where what should be there is damaged or missing.
        """
        for _ in range(ATTEMPTS_MAX):
            found = self.span(offset)
            if found is None or isinstance(found, Hole) or limit <= 0:
                return b""
            if isinstance(found, Span):
                data = os.pread(found.fd, min(limit, found.end - offset), found.file_offset)
                if data:
                    return data
                raise JournalError(
                    f"{self._layout.segment(offset - found.file_offset)} became shorter while it was read",
                    "Find out who truncated it; `standpipe verify` says what is missing",
                )
            try:
                return self._read_compressed(offset, min(limit, found.end - offset))
            except FileNotFoundError:
                self._relist()
            except JournalError:
                self._close_frames()  # or a file that somebody puts in its place would never be looked at
                raise
        raise JournalError(f"the journal at {self._layout.root} changes too fast to be read at {offset}", "Try again")

    def _read_compressed(self, offset: int, limit: int) -> bytes:
        start, raw = self._frame
        if not start <= offset < start + len(raw):
            base = self._bases[bisect_right(self._bases, offset) - 1]
            frames = self._open_frames(base)
            index = frames.frame_at(offset - base)
            if index is None:
                raise JournalError(
                    f"{frames.path} holds {frames.raw_size} raw bytes, fewer than its seal says",
                    "Restore the file from a copy; `standpipe verify` says what is missing",
                )
            start, raw = base + frames.frames[index].raw_position, frames.read_frame(index)
            self._frame = (start, raw)
        return raw[offset - start : offset - start + limit]

    def _open_frames(self, base: int) -> FrameFile:
        if self._frames is not None and self._frames[0] == base:
            return self._frames[1]
        file = FrameFile(self._layout.segment(base, COMPRESSED_SUFFIX))
        self._close_frames()
        self._frames = (base, file)
        return file

    def _close_frames(self) -> None:
        if self._frames is not None:
            self._frames[1].close()
            self._frames = None
