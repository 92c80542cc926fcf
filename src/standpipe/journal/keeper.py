"""What keep does in one pass over a journal: seal, make room, compress. The loop around it is processes.keep.

A pass looks at the directory and does the next step of each kind that is due (journal.keeping says what a step is).
Each kind fails alone: a disk that has no room for a seal does not keep retention from making some.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from standpipe.errors import StandpipeError
from standpipe.journal import cursor, incidents, keeping, lock, retention
from standpipe.journal.atomic import unlink_if_there
from standpipe.journal.extra_bytes import extra_bytes
from standpipe.journal.key_files import KeyFileError, read_signer
from standpipe.journal.layout import IDLE_NUMBER_MAX, SEGMENT_NUMBER
from standpipe.journal.raw_watch import RawWatch
from standpipe.journal.reader import JournalReader
from standpipe.journal.seal_store import SealStore
from standpipe.journal.sink_entries import REMOVED
from standpipe.journal.sink_entries_store import read_entries
from standpipe.journal.trouble import Troubles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from standpipe.journal.identity import Identity
    from standpipe.journal.layout import Layout
    from standpipe.journal.raw_watch import Scans
    from standpipe.journal.seal import Seal
    from standpipe.journal.segments import Segment
    from standpipe.observe.log import Log

DEFAULT_SEAL_EVERY_SECONDS = 3600.0  # journal.seal_every's default
CURSOR_SYNC_SECONDS = 1.0  # how often a moving cursor is made durable; at once when the journal needs room
IDLE_SEAL_BYTES = 4096  # what one takes on the disk: a block
NEWER_SEALED_ENOUGH = 2  # a segment with so many sealed ones after it is compressed even if a slow sink still needs it


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """What the config says about keeping. sinks: those of the config; those that ship has entered count as well.

    sign_key: the file of the key that signs seals; None: they are not signed. seal_every_seconds: how long nothing may
    come until that is sealed. raw_scan: finds values in clear text from an offset on; None: they are not looked for.
    """

    sinks: tuple[str, ...]
    limits: retention.Limits
    sign_key: str | None = None
    seal_every_seconds: float = DEFAULT_SEAL_EVERY_SECONDS
    raw_scan: Callable[[int], Scans] | None = None


class Keeper:
    """Keeps one journal; whoever calls it holds lock.keep."""

    def __init__(self, layout: Layout, identity: Identity, settings: KeeperSettings, log: Log) -> None:
        self._layout = layout
        self._identity = identity
        self._settings = settings
        self._log = log
        self._reader = JournalReader(layout)
        self._raw_watch = RawWatch(layout, settings.raw_scan, log)
        self._seals = SealStore(layout)
        self._sinks = settings.sinks
        self._cursors: dict[str, int] = {}
        self._cursor_seals: dict[str, tuple[int, int]] = {}
        self._durable: dict[str, int] = {}
        self._durable_seals: dict[str, tuple[int, int]] = {}  # the place of the last idle seal that a sink has
        self._synced_at = 0.0
        self._offset: int | None = None  # what the step under way works on, for its incident
        self._as_found: set[int] = set()  # sealed segments that are not as sealed: left alone
        self._cleaned = False
        self.troubles = Troubles(layout.incidents, log)

    def pass_over(self, stopping: Callable[[], bool]) -> bool:
        """Do what is due; return whether there is more to do at once. stopping is asked between steps."""
        more = False
        for step, work in (
            ("remove unfinished files", self._clean_once),
            ("look at the journal", self._look),
            ("seal a segment", self._seal),
            ("look for values in clear text", self._look_for_raw_values),
            ("seal an empty interval", self._seal_idle),
            ("delete a segment", self._retain),
            ("compress a segment", self._compress),
            ("bound the incidents", self._bound_incidents),
        ):
            if stopping():
                break
            more = self._attempt(step, work, stopping) or more
        self.troubles.flush()
        return more and not stopping()

    def close(self) -> None:
        """Close what is open."""
        self._reader.close()

    def _attempt(self, step: str, work: Callable[[Callable[[], bool]], bool], stopping: Callable[[], bool]) -> bool:
        if not self.troubles.may_try(step, time.monotonic()):
            return False
        self._offset = None
        try:
            more = work(stopping)
        except (OSError, StandpipeError) as error:
            self.troubles.failed(step, error, self._offset, time.time(), time.monotonic())
            return False
        self.troubles.worked(step)
        return more

    # Look.

    def _clean_once(self, _stopping: Callable[[], bool]) -> bool:
        """Remove what a predecessor's unfinished writes left."""
        if not self._cleaned:
            for name in keeping.remove_temporaries(self._layout):
                self._log.info("removed an unfinished file", file=name)
            self._cleaned = True
        return False

    def _look(self, _stopping: Callable[[], bool]) -> bool:
        self._seals.load(self._reader.seal_places)
        self._sinks = self._holders()
        self._cursors, self._cursor_seals = {}, {}
        for sink in self._sinks:
            state = cursor.read_cursor(self._layout.cursor(sink))
            self._cursor_seals[sink] = (0, 0) if state is None else state.released_seal
            self._cursors[sink] = 0 if state is None else state.released
        return False

    def _bound_incidents(self, _stopping: Callable[[], bool]) -> bool:
        limit_bytes = incidents.bytes_max(self._settings.limits.cap_bytes)
        if incidents.bound(self._layout.incidents, limit_bytes):
            self._log.warning("the incidents' file is full; a new one was begun", file=self._layout.incidents)
        return False

    def _holders(self) -> tuple[str, ...]:
        """Return the sinks that hold on to the journal: those that ship has entered, besides the removed ones.

        A sink of the config that ship has not entered counts if it was ever delivered to (a job's, with `ship --once`);
        one that ship refused must not hold the journal for ever.
        """
        entries = read_entries(self._layout.sinks)
        if entries is None:
            return self._settings.sinks
        names = {name for name, entry in entries.items() if entry.state != REMOVED}
        others = set(self._settings.sinks) - set(entries)
        return tuple(sorted(names | {name for name in others if cursor.read_cursor(self._layout.cursor(name))}))

    def _closed(self) -> list[Segment]:
        """Return every segment but the last: the journal's end is found there, so it must stay as it is."""
        return self._reader.segments[:-1]

    def _newest_sealed(self) -> tuple[int, int] | None:
        return next(reversed(self._reader.seal_places), None)

    # Seal.

    def _seal(self, stopping: Callable[[], bool]) -> bool:
        """Seal finished segments in order.

        Nothing is sealed before the newest seal: one that somebody took away must not come back as if it were whole.
        """
        while not stopping():
            newest = self._newest_sealed()
            waiting = self._waiting(newest)
            if not waiting or not waiting[0].finished or waiting[0].stored == "zst":
                return False
            segment = waiting[0]
            self._offset = segment.base
            now = time.time()
            watched = partial(self._raw_watch.watched, segment.base, segment.end, now=now)
            seal = keeping.make_seal(
                self._layout, self._identity, segment, self._seals.all(), newest, now, watched=watched
            )
            self._write_seal(seal)
            self._log.info("sealed a segment", base=seal.base, end=seal.end, records=seal.records)
        return True

    def _look_for_raw_values(self, _stopping: Callable[[], bool]) -> bool:
        self._raw_watch.look(self._reader, time.time())
        return False

    def _waiting(self, newest: tuple[int, int] | None) -> list[Segment]:
        """Return the closed segments that are to be sealed."""
        return [s for s in self._closed() if s.has_data and (newest is None or (s.base, SEGMENT_NUMBER) > newest)]

    def _seal_idle(self, _stopping: Callable[[], bool]) -> bool:
        """Seal that nothing has come for a while.

        Only while capture runs, or it would say of a journal that nobody writes to that nothing came.
        """
        newest = self._newest_sealed()
        now = time.time()  # before the look: what the seal says was true then
        segments = self._reader.segments
        tail = segments[-1] if segments else None
        if (
            tail is None
            or tail.stored != "log"
            or tail.size
            or self._waiting(newest)
            or not self._idle_is_due(newest, now)
        ):
            return False
        if newest is not None and newest >= (tail.base, IDLE_NUMBER_MAX):
            return False
        if lock.holder(self._layout.lock("capture")) is None:
            return False
        self._offset = tail.base
        seal = keeping.make_idle_seal(self._layout, self._identity, tail.base, self._seals.all(), newest, now)
        self._write_seal(seal)
        self._log.info("sealed that nothing came", base=seal.base, number=seal.idle)
        return False

    def _idle_is_due(self, newest: tuple[int, int] | None, now: float) -> bool:
        """Tell whether the newest seal is old enough; one from the future (the clock was set back) is."""
        if newest is None:
            since = datetime.fromisoformat(self._identity.created).timestamp()
        else:
            seal = self._seals.get(*newest)
            since = 0.0 if seal is None else seal.sealed_at_seconds
        return not since <= now < since + self._settings.seal_every_seconds

    def _write_seal(self, seal: Seal) -> None:
        """Sign a seal where a key is configured, and write it.

        The key is read for each seal, so a new one in its place needs no restart. Where it cannot be read, nothing is
        sealed: an unsigned seal looks like a forged one until a signed one that links to it vouches for it. But what is
        not sealed is not deleted either, and a full journal stops Vault: before that, seals are made without it.
        """
        if self._settings.sign_key is not None:
            try:
                signer = read_signer(self._settings.sign_key)
            except KeyFileError as error:
                if self._excess_bytes() <= 0:
                    raise
                self._log.warning("sealed without a signature: the journal needs room", base=seal.base, why=str(error))
            else:
                newest = self._newest_sealed()
                seal = keeping.sign_seal(seal, signer, None if newest is None else self._seals.get(*newest))
        keeping.write_seal(self._layout, seal)
        self._look_after_change()

    def _look_after_change(self) -> None:
        """Look at the journal after a change of ours, which a coarse timestamp may hide."""
        self._reader.look_again()
        self._seals.load(self._reader.seal_places)

    # Make room.

    def _retain(self, stopping: Callable[[], bool]) -> bool:
        used, free = self._used_and_free()
        limits = self._settings.limits
        self._make_cursors_durable(at_once=retention.excess_bytes(limits, used, free) > 0)
        durable = min((self._durable.get(sink, 0) for sink in self._sinks), default=None)
        actions = retention.plan(list(self._candidates()), durable, time.time(), limits, used, free)
        for action in actions:
            if stopping():
                break
            self._carry_out(action)
        if actions:
            self._look_after_change()
        return False

    def _used_and_free(self) -> tuple[int, int]:
        """Return the bytes that the journal takes, and those that its volume has left."""
        volume = os.statvfs(self._layout.segments)
        return self._reader.file_bytes + extra_bytes(self._layout), volume.f_bavail * volume.f_frsize

    def _excess_bytes(self) -> int:
        """Return how many bytes should go, to keep the journal from being full."""
        return retention.excess_bytes(self._settings.limits, *self._used_and_free())

    def _make_cursors_durable(self, *, at_once: bool) -> None:
        """Sync the cursors that moved: one that only the page cache knows must not cost a segment."""
        moved = [sink for sink, place in self._cursor_seals.items() if place != self._durable_seals.get(sink)]
        moved += [
            sink for sink, offset in self._cursors.items() if offset != self._durable.get(sink) and sink not in moved
        ]
        clock = time.monotonic()
        if not moved or not (at_once or clock - self._synced_at >= CURSOR_SYNC_SECONDS):
            return
        self._synced_at = clock
        for sink in moved:
            state = cursor.make_durable(self._layout.cursor(sink))
            self._durable[sink] = 0 if state is None else state.released
            self._durable_seals[sink] = (0, 0) if state is None else state.released_seal

    def _candidates(self) -> Iterator[retention.Candidate]:
        """Return what may be deleted, in the order of the chain: segments, and the idle seals between them."""
        newest = self._newest_sealed()
        segments = {(segment.base, SEGMENT_NUMBER): segment for segment in self._closed()}
        idle = [place for place in self._reader.seal_places if place[1] != SEGMENT_NUMBER]
        for place in sorted([*segments, *idle]):
            segment = segments.get(place)
            yield retention.Candidate(
                base=place[0],
                end=place[0] if segment is None else segment.end,
                disk_bytes=IDLE_SEAL_BYTES if segment is None else segment.disk_bytes,
                sealed_at=self._sealed_at(place, newest),
                has_data=segment is not None and segment.has_data,
                newest_seal=place == newest,
                idle=None if segment is not None else place[1],
                taken=segment is not None or self._has_been_taken(place),
            )

    def _has_been_taken(self, place: tuple[int, int]) -> bool:
        """Tell whether every sink that gets seals has this idle one."""
        return all(place <= self._durable_seals.get(sink, (0, 0)) for sink in self._sinks)

    def _sealed_at(self, place: tuple[int, int], newest: tuple[int, int] | None) -> float | None:
        """Return when a segment was sealed, or that nothing came.

        One whose seal is damaged or was taken away counts from the next good seal, or it could never be deleted
        and the journal would fill up behind it.
        """
        if newest is None or place > newest:
            return None
        seal = self._seals.get(*place)
        if seal is not None:
            return seal.sealed_at_seconds
        later = (self._seals.get(*other) for other in self._reader.seal_places if other > place)
        return next((other.sealed_at_seconds for other in later if other is not None), None)

    def _carry_out(self, action: retention.Action) -> None:
        self._offset = action.base
        if isinstance(action, retention.DeleteIdle):
            self._log.info("deleted an idle seal", base=action.base, number=action.number, reason=action.reason)
            unlink_if_there(self._layout.seal(action.base, action.number))
            return
        if isinstance(action, retention.Drop):
            behind = {sink: offset for sink, offset in self._durable_offsets().items() if offset < action.end}
            keeping.note_drop(self._layout, action.base, action.end, behind, time.time())
            self._log.warning(
                "dropped a segment that was not delivered (journal.on_full: drop-oldest)",
                base=action.base,
                end=action.end,
                sinks=sorted(behind),
            )
        else:
            self._log.info("deleted a segment", base=action.base, end=action.end, reason=action.reason)
        for _ in keeping.delete_steps(self._layout, action.base, keep_seal=action.keep_seal):
            pass

    def _durable_offsets(self) -> dict[str, int]:
        return {sink: self._durable.get(sink, 0) for sink in self._sinks}

    # Compress.

    def _compress(self, stopping: Callable[[], bool]) -> bool:
        """Compress one segment; True where another one is due."""
        due = self._due_for_compression()
        if not due:
            return False
        segment = due[0]
        self._offset = segment.base
        seal = self._seals.get(segment.base)
        if seal is None:
            return False
        one_form = segment.stored == "log"
        steps = (keeping.compress_steps if one_form else keeping.finish_compress_steps)(self._layout, seal)
        try:
            for _ in steps:
                if stopping():
                    return False
        except keeping.SealMismatchError:
            self._as_found.add(segment.base)
            raise
        self._reader.look_again()
        return len(due) > 1

    def _due_for_compression(self) -> list[Segment]:
        sealed = [s for s in self._closed() if s.sealed and s.has_data]
        slowest = min(self._cursors.values(), default=None)
        due = []
        for index, segment in enumerate(sealed):
            newer = len(sealed) - index - 1
            read = segment.stored == "both" or slowest is None or slowest >= segment.end or newer >= NEWER_SEALED_ENOUGH
            ours = segment.stored in ("log", "both") and segment.base not in self._as_found
            if read and ours and self._seals.get(segment.base) is not None:
                due.append(segment)
        return due
