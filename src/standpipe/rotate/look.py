"""One look at everything beside the live file; what is open stays open, so that a rename cannot deceive the step."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from standpipe.errors import SourceError
from standpipe.rotate import names
from standpipe.rotate.content import inode_of, is_same_file, open_regular
from standpipe.rotate.plan import Seen

if TYPE_CHECKING:
    from standpipe.rotate.names import Places
    from standpipe.rotate.state import Generation, State


class Look:
    """Descriptors and facts of one moment; whoever has it closes it. Raises OSError, SourceError."""

    __slots__ = ("live", "live_status", "other", "other_path", "seen")

    def __init__(self, places: Places, state: State) -> None:
        """Look."""
        self.live = open_regular(places.live)
        self.other: int | None = None
        self.other_path = ""
        try:
            self.live_status = None if self.live is None else os.fstat(self.live)
            self.seen = self._see(places, state)
        except BaseException:
            self.close()
            raise

    def _see(self, places: Places, state: State) -> Seen:
        status = self.live_status
        if status is not None and status.st_nlink > 1 and state.reopen is None:
            raise SourceError(
                f"{places.live} has {status.st_nlink} hard links: what one name gives back is gone under the others",
                "Remove the other names; `find -samefile` shows them",
            )
        named = state.pending or state.reopen
        known = True
        if state.file is not None and named is None:
            known = self.live is not None and is_same_file(self.live, state.file)
            if not known:
                self._find_elsewhere(places, state.file)
        return Seen(
            live=None if status is None else status.st_ino,
            live_size=0 if status is None else status.st_size,
            known=known,
            elsewhere=self.other is not None,
            temporary=inode_of(places.temporary),
            named=None if named is None else inode_of(places.beside(named.name)),
        )

    def _find_elsewhere(self, places: Places, known: Generation) -> None:
        """Find the file that we know under another name: renamed, or copied before a truncation.

        Names that begin as the live file's are looked at, and the file with the same inode number, whatever its name.
        """
        stem = places.name.partition(".")[0]
        with os.scandir(places.directory) as entries:
            candidates = [
                (entry.inode() != known.inode, entry.path)
                for entry in entries
                if entry.name != places.name
                and not entry.name.startswith(".")
                and names.parse(places.name, entry.name) is None
                and (entry.inode() == known.inode or entry.name.startswith(stem))
                and entry.is_file(follow_symlinks=False)
            ]
        for _, path in sorted(candidates):
            descriptor = open_regular(path)
            if descriptor is None:
                continue
            if os.fstat(descriptor).st_size >= known.archived_to and is_same_file(descriptor, known):
                self.other, self.other_path = descriptor, path
                return
            os.close(descriptor)

    def close(self) -> None:
        """Close what is open."""
        for descriptor in (self.live, self.other):
            if descriptor is not None:
                os.close(descriptor)
        self.live = self.other = None
