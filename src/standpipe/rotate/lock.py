"""One rotator a file: flock(2) on a dot file beside it, with the holder's process id inside."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from standpipe.errors import JournalError, LockHeldError, SourceError
from standpipe.journal import lock

if TYPE_CHECKING:
    from standpipe.rotate.names import Places


def acquire(places: Places) -> int:
    """Take the lock and return the descriptor that holds it, until it is closed or we die.

    Raises LockHeldError where another rotator has it, SourceError where no lock file can be made.
    """
    try:
        return lock.acquire(places.lock, "rotate")
    except LockHeldError as error:
        raise LockHeldError(
            f"another standpipe rotate (process {lock.holder(places.lock) or 'unknown'}) works on {places.live}:"
            f" it holds {places.lock}",
            "Only one may rotate a file; stop the other one",
        ) from error
    except JournalError as error:
        reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else error.message
        raise SourceError(
            f"cannot make {places.lock}: {reason}",
            f"Rotating needs to write to {places.directory}: its archives stand there"
            if os.path.isdir(places.directory)
            else f"Make the directory {places.directory} before Vault enables its audit device",
        ) from error
