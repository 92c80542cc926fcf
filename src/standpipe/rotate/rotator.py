"""The steps of rotate.plan, done: one small durable change each, so that a kill between two is an ordinary start."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from standpipe.capture import volume
from standpipe.errors import SourceError
from standpipe.journal.atomic import atomic_write, fsync_directory, unlink_if_there
from standpipe.rotate import known, names
from standpipe.rotate.archives import STRICTEST_MODE, compress_all, protect, retain
from standpipe.rotate.content import copy_range, end_of_last_record, inode_of, is_same_file, open_regular
from standpipe.rotate.look import Look
from standpipe.rotate.plan import BLOCK_BYTES, Step, Way, is_settled, next_step, punch_end
from standpipe.rotate.reopening import Reopening
from standpipe.rotate.state import Pending, State, decode, encode
from standpipe.rotate.surroundings import Rotation, Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.rotate.names import Places
    from standpipe.rotate.state import Generation

QUIET_SECONDS = 60.0  # without growth, where we cannot see who writes


class MissingError(SourceError):
    """There is no live file at the moment."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says."""

    keep: int
    max_size_bytes: int
    max_age_seconds: float | None
    compress: bool
    way: Way


def load_state(places: Places) -> State | None:
    """Read the state file; None where there is none. Raises OSError, SourceError."""
    descriptor = open_regular(places.state)
    if descriptor is None:
        return None
    with open(descriptor, "rb") as file:
        data = file.read()
    try:
        return decode(data)
    except ValueError as error:
        raise SourceError(
            f"{places.state} is not a state of ours: {error}",
            "Remove it: the newest archive's content then tells how far we are",
        ) from error


class Rotator:
    """Rotates one file. The caller holds its lock."""

    def __init__(self, places: Places, settings: Settings, around: Surroundings) -> None:
        """Read the state file. Raises OSError, SourceError."""
        self.places = places
        self.settings = settings
        self.around = around
        found = load_state(places)
        self._state_lost = found is None
        self.state = self._saved = found or State()
        self.rotations: list[Rotation] = []
        self._reopening = Reopening(self)
        self._told_unsettled = ""

    # The state file.

    def save(self, state: State) -> None:
        """Make a state durable. Raises OSError."""
        self.state = state
        if state != self._saved:
            atomic_write(self.places.state, encode(state), STRICTEST_MODE)
            self._saved = state

    def flush(self) -> None:
        """Save what we saw last; without it a later loss is told less exactly. Raises OSError."""
        self.save(self.state)

    # A pass.

    def pass_over(self, *, wait: bool) -> None:
        """Do everything that is due now. wait: until a file is settled, instead of one look.

        Raises OSError, SourceError; what was begun is finished by a later pass. What was done is in `take_rotations`
        either way.
        """
        while self._step(wait=wait) and not self.around.clock.wait(0):
            pass
        self._tidy(self.rotations)

    def take_rotations(self) -> list[Rotation]:
        """Return the rotations since the last call."""
        rotations, self.rotations = self.rotations, []
        return rotations

    @property
    def unarchived_bytes(self) -> int:
        """Return how much of the file that we saw last is in no archive."""
        file = self.state.file
        return 0 if file is None else max(0, file.seen.end - file.archived_to)

    def _tidy(self, rotations: list[Rotation]) -> None:
        """Compress and delete, and note in the rotations what was done."""
        unfinished = {part.name for part in (self.state.pending, self.state.reopen) if part is not None}
        if self.settings.compress:
            done = compress_all(self.places, self.around, unfinished)
            for rotation in rotations:
                rotation.compressed = rotation.archive in done
        deleted = retain(self.places, self.around, self.settings.keep, self.settings.max_age_seconds, unfinished)
        if rotations:
            rotations[-1].deleted = deleted
        for name in deleted:
            self.around.words.tell(f"deleted {self.places.beside(name)}")

    def _step(self, *, wait: bool) -> bool:
        """Do the next step; return whether there may be another one now."""
        look = Look(self.places, self.state)
        try:
            self._refresh(look)
            step = next_step(self.state, look.seen, self.settings.way, self.settings.max_size_bytes)
            if step in Reopening.STEPS:
                return self._reopening.do(step, look, wait=wait)
            return self._do(step, look)
        finally:
            look.close()

    def _do(self, step: Step, look: Look) -> bool:
        own: dict[Step, Callable[[Look], bool]] = {
            Step.ADVANCE: lambda _: self._advance(),
            Step.PUBLISH: lambda _: self._publish(),
            Step.RENAME_PENDING: lambda _: self._rename_pending(),
            Step.FORGET_PENDING: lambda _: self._forget_pending(),
            Step.DROP_TEMPORARY: lambda _: self._drop_temporary(),
            Step.COPY: lambda look: self._copy_records(look.live) or self._give_back(look),
            Step.TAKE_OVER: self._take_over,
            Step.START_ANEW: self._start_anew,
            Step.MISSING: self._missing,
            Step.REST: self._give_back,
        }
        return own[step](look)

    def _missing(self, _look: Look) -> bool:
        raise MissingError(
            f"{self.places.live} does not exist", "Is it the path of Vault's audit device? SIGHUP makes Vault open it"
        )

    def _drop_temporary(self) -> bool:
        unlink_if_there(self.places.temporary)
        return True

    def _refresh(self, look: Look) -> None:
        """Take note of the live file where it is the one that we know, or the first one that we meet."""
        if look.live is None or self.state.pending or self.state.reopen or not look.seen.known:
            return
        if self.state.file is None:
            file = known.begin_unknown(look.live, self.places, self.around.words, state_lost=self._state_lost)
            self._state_lost = False
        else:
            file = known.refreshed(look.live, self.state.file, self.places, self.around.words)
        old, self.state = self.state.file, replace(self.state, file=file)
        if old is None or replace(old, seen=file.seen) != file:
            self.save(self.state)

    def _start_anew(self, look: Look) -> bool:
        if look.live is None:
            raise ValueError("there is nothing to start with")
        self.save(known.begin_anew(look.live, self.state, self.places, self.around.words))
        return True

    # Punch: copy, publish, advance, give back.

    def _copy_records(self, source: int | None) -> bool:
        """Make an archive of what is not archived yet, up to the last whole record."""
        if source is None or self.state.file is None:
            raise ValueError("there is nothing to copy")
        start = self.state.file.archived_to
        end = end_of_last_record(source, start, os.fstat(source).st_size)
        return end > start and self.copy(source, start, end, last=False)

    def copy(self, source: int, start: int, end: int, *, last: bool) -> bool:
        """Make an archive of [start, end), complete and durable under its temporary name, and note it as pending.

        The source is synced first: what is archived must not be rolled back by a power loss and written again.
        """
        os.fsync(source)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(self.places.temporary, flags, STRICTEST_MODE)
        try:
            protect(target, os.fstat(source))
            copied = copy_range(source, target, start, end, self.around.progress)
            if start + copied < end or not known.same_end(source, target, start, end):
                return True  # truncated under our hands: the next look says by how much
            os.fsync(target)
            inode = os.fstat(target).st_ino
        except OSError as error:
            unlink_if_there(self.places.temporary)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise SourceError(
                f"no space for an archive of {end - start} bytes in {self.places.directory}: {error.strerror}",
                "Nothing is lost or changed. Make room, or rotate in smaller pieces with a smaller --max-size",
            ) from error
        finally:
            os.close(target)
        self.save(replace(self.state, pending=Pending(start, end, self.new_name(), inode, last)))
        return True

    def new_name(self) -> str:
        """Return a name for the next archive. Raises OSError."""
        return names.free_name(self.places.name, int(self.around.clock.wall()), os.listdir(self.places.directory))

    def _publish(self) -> bool:
        try:
            volume.rename_no_replace(self.places.temporary, self.places.beside(self._pending().name))
        except FileExistsError:
            return True  # taken in this moment: the next look chooses another one
        return True

    def _pending(self) -> Pending:
        if self.state.pending is None:
            raise ValueError("nothing is pending")
        return self.state.pending

    def _rename_pending(self) -> bool:
        self.save(replace(self.state, pending=replace(self._pending(), name=self.new_name())))
        return True

    def _forget_pending(self) -> bool:
        pending = self._pending()
        self.around.words.warn(
            f"the archive of bytes {pending.start} to {pending.end} of {self.places.live} was taken away before it was"
            " accounted for; it is made again where the bytes are still there"
        )
        self.save(replace(self.state, pending=None))
        return True

    def _advance(self) -> bool:
        """Account for an archive that has its name, now durably."""
        pending = self._pending()
        path = self.places.beside(pending.name)
        if inode_of(self.places.temporary) == pending.inode:
            os.unlink(self.places.temporary)  # where link and unlink stand for a rename
        fsync_directory(self.places.directory)
        proof = known.archive_proof(path, pending.start, pending.end)
        self.save(self.state.advanced(proof))
        self.rotations.append(Rotation("punch", pending.name, pending.start, pending.end))
        return True

    def _give_back(self, look: Look) -> bool:
        """Punch what is archived and old enough; return False, because this is the last step."""
        file = self.state.file
        if self.settings.way == "punch" and file is not None and look.live is not None and look.seen.known:
            end = punch_end(file.archived_to, self.settings.max_size_bytes)
            start = volume.first_data(look.live, 0)
            if start is not None and start < end:
                self._punch(file, start // BLOCK_BYTES * BLOCK_BYTES, end)
        return False

    def _punch(self, file: Generation, start: int, end: int) -> None:
        descriptor = open_regular(self.places.live, os.O_RDWR)
        if descriptor is None:
            return
        try:
            if is_same_file(descriptor, file):
                os.fsync(descriptor)
                volume.punch(descriptor, start, end)
        finally:
            os.close(descriptor)

    # The file that we know has another name.

    def _take_over(self, look: Look) -> bool:
        """Archive the rest of a file that somebody else renamed, or copied before he truncated it."""
        file = self.state.file
        if file is None or look.other is None:
            raise ValueError("there is nothing to take over")
        status = os.fstat(look.other)
        if not self._is_settled(status, look):
            if self._told_unsettled != look.other_path:
                self._told_unsettled = look.other_path
                self.around.words.warn(
                    f"somebody else renamed {self.places.live} to {look.other_path}, which may still grow: the rest of"
                    " it is archived first, as soon as nobody writes to it"
                )
            due = status.st_size - file.archived_to >= self.settings.max_size_bytes
            return due and self._copy_records(look.other)
        if status.st_size == file.archived_to:
            self.save(State())
            return True
        self.around.words.warn(
            f"somebody else rotates {self.places.live}: bytes {file.archived_to} to {status.st_size} are archived from"
            f" {look.other_path}, which stays"
        )
        return self.copy(look.other, file.archived_to, status.st_size, last=True)

    def _is_settled(self, status: os.stat_result, look: Look) -> bool:
        found = self.around.holders(status.st_dev, status.st_ino)
        live = look.live_status
        # We see who writes only where we see Vault at all: it may live in another PID namespace.
        seen = live is not None and bool(self.around.holders(live.st_dev, live.st_ino).writers)
        return is_settled(
            len(found.writers),
            complete=found.complete and seen,
            quiet_seconds=self.around.clock.wall() - status.st_mtime,
            quiet_enough_seconds=QUIET_SECONDS,
        )
