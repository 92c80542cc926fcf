"""The way `reopen`: rename, SIGHUP, wait until P exists again and nobody writes to the old file.

Vault closes the old file before it creates the new one, under one lock, so P existing again proves that this device
writes no more into the old one. Another device on the same path might: hence the look at who has it open.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from standpipe.capture import volume
from standpipe.errors import SourceError
from standpipe.journal.atomic import fsync_directory
from standpipe.rotate.archives import protect
from standpipe.rotate.content import inode_of, open_regular
from standpipe.rotate.plan import Step, is_settled
from standpipe.rotate.state import Reopen, State
from standpipe.rotate.surroundings import Rotation

if TYPE_CHECKING:
    from standpipe.rotate.look import Look
    from standpipe.rotate.rotator import Rotator

REAPPEAR_SECONDS = 30.0  # Vault reopens within milliseconds; a saturated one, or a config full of listeners, in seconds
SETTLE_SECONDS_MAX = 120.0  # of waiting in one run; a later one goes on
QUIET_SECONDS = 60.0  # without growth, where we cannot see who writes
POLL_SECONDS = 0.05


class Reopening:
    """The steps of the way `reopen`, for a rotator."""

    STEPS: ClassVar = {
        Step.RENAME,
        Step.SIGNAL,
        Step.SETTLE,
        Step.UNLINK_LIVE_NAME,
        Step.FORGET_REOPEN,
    }

    def __init__(self, rotator: Rotator) -> None:
        """Belong to a rotator."""
        self._rotator = rotator
        self._told = 0  # inode whose writers were named

    def do(self, step: Step, look: Look, *, wait: bool) -> bool:
        """Do one of STEPS; return whether there may be another one now. Raises OSError, SourceError."""
        if step is Step.RENAME:
            return self._rename(look)
        if step is Step.SIGNAL:
            return self._signal()
        if step is Step.SETTLE:
            return self._settle(wait=wait)
        if step is Step.UNLINK_LIVE_NAME:
            os.unlink(self._rotator.places.live)
            return True
        return self._forget()

    def _reopen(self) -> Reopen:
        if self._rotator.state.reopen is None:
            raise ValueError("no reopen is under way")
        return self._rotator.state.reopen

    def _rename(self, look: Look) -> bool:
        rotator = self._rotator
        live, status, file = rotator.places.live, look.live_status, rotator.state.file
        if status is None or file is None:
            raise ValueError("there is nothing to rename")
        if rotator.state.archives or file.proof.start < file.archived_to:
            raise SourceError(
                f"bytes 0 to {file.archived_to} of {live} were archived by `punch`; `reopen` would archive them again",
                f"Go on with --way punch, or mv {live} {live}.old and send SIGHUP; the rest is archived from there",
            )
        why_not = rotator.around.signaller.why_not()
        if why_not:
            raise SourceError(f"{live} is not rotated: {why_not}")
        reopen = Reopen(rotator.new_name(), status.st_ino, status.st_size)
        rotator.save(replace(rotator.state, reopen=reopen))
        try:
            volume.rename_no_replace(live, rotator.places.beside(reopen.name))
        except FileExistsError:
            return True  # taken in this moment: the next look chooses another name
        fsync_directory(rotator.places.directory)
        return True

    def _signal(self) -> bool:
        """Send SIGHUP and wait for P; rename back where it does not come."""
        around, live = self._rotator.around, self._rotator.places.live
        why_not = around.signaller.reload()
        if why_not:
            return self._rename_back(f"SIGHUP was not sent: {why_not}")
        begun = around.clock.steady()
        while inode_of(live) is None:
            waited = around.clock.steady() - begun
            if waited >= REAPPEAR_SECONDS:
                return self._rename_back(f"{live} did not come back within {REAPPEAR_SECONDS:.0f} s of SIGHUP")
            around.progress("waiting for a new file", int(waited), int(REAPPEAR_SECONDS))
            if around.clock.wait(POLL_SECONDS):
                return False  # the next start sends SIGHUP once more
        return True

    def _rename_back(self, why: str) -> bool:
        """Give the file its name back. Raises SourceError, unless P came to be meanwhile."""
        rotator = self._rotator
        try:
            volume.rename_no_replace(rotator.places.beside(self._reopen().name), rotator.places.live)
        except FileExistsError:
            return True
        fsync_directory(rotator.places.directory)
        rotator.save(replace(rotator.state, reopen=None))
        raise SourceError(
            f"{rotator.places.live} has its name back and is not rotated: {why}. Nothing is lost",
            "Does Vault get the signal, and is this its audit file? Vault 1.15.0 does not reopen: use 1.15.1 or later",
        )

    def _settle(self, *, wait: bool) -> bool:
        rotator, reopen = self._rotator, self._reopen()
        path = rotator.places.beside(reopen.name)
        descriptor = open_regular(path)
        if descriptor is None:
            return True  # the next look says that it has gone
        try:
            if not self._wait_until_settled(descriptor, path, wait=wait):
                return False
            status = os.fstat(descriptor)
            protect(descriptor, status)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fsync_directory(rotator.places.directory)
        rotator.save(State())
        rotator.rotations.append(Rotation("reopen", reopen.name, 0, status.st_size))
        return True

    def _wait_until_settled(self, descriptor: int, path: str, *, wait: bool) -> bool:
        around = self._rotator.around
        begun = around.clock.steady()
        while True:
            if around.nobody_writes(descriptor):
                return True
            status = os.fstat(descriptor)
            found = around.holders(status.st_dev, status.st_ino)
            quiet = around.clock.wall() - status.st_mtime
            if is_settled(
                len(found.writers), complete=found.complete, quiet_seconds=quiet, quiet_enough_seconds=QUIET_SECONDS
            ):
                return True
            who = f"process {found.writers[0]} still writes to it" if found.writers else "it is not known who writes"
            waited = around.clock.steady() - begun
            if not wait or waited >= SETTLE_SECONDS_MAX:
                return self._leave(status.st_ino, f"{path} is not finished: {who}", wait=wait)
            around.progress("waiting for the last writer", int(waited), int(SETTLE_SECONDS_MAX))
            if around.clock.wait(POLL_SECONDS):
                return False

    def _leave(self, inode: int, why: str, *, wait: bool) -> bool:
        remedy = "It is neither compressed nor deleted before; the next look goes on"
        if wait:
            raise SourceError(why, remedy)
        if self._told != inode:
            self._told = inode
            self._rotator.around.words.warn(f"{why}. {remedy}")
        return False

    def _forget(self) -> bool:
        """Drop the reopen. Where somebody else moved the file, it is looked for by content, as any other."""
        self._rotator.save(replace(self._rotator.state, reopen=None))
        return True
