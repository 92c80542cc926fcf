"""One pass, or a look every second until we are asked to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.errors import EXIT_OK, EXIT_UNABLE, JournalError, SourceError
from standpipe.rotate.rotator import MissingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.rotate.rotator import Rotator
    from standpipe.rotate.surroundings import Rotation, Surroundings

POLL_SECONDS = 1.0  # how late --max-size may be noticed
RETRY_SECONDS = 60.0  # after a failure other than a missing file: no signal storm, no message storm


def rotate_once(rotator: Rotator, around: Surroundings, report: Callable[[Rotation], None]) -> int:
    """Rotate if it is due, and say what was done; return the exit status. Raises OSError, SourceError, JournalError."""
    try:
        rotator.pass_over(wait=True)
        rotator.flush()
    finally:
        rotations = rotator.take_rotations()
        for rotation in rotations:
            report(rotation)
    if around.clock.wait(0):
        around.words.warn("stopped before it was done; the next start goes on")
        return EXIT_UNABLE
    if not rotations:
        around.words.tell(
            f"nothing to rotate: {rotator.unarchived_bytes} bytes of {rotator.places.live} are not archived,"
            f" --max-size is {rotator.settings.max_size_bytes}"
        )
    return EXIT_OK


def watch(rotator: Rotator, around: Surroundings, report: Callable[[Rotation], None]) -> int:
    """Look every second until we are asked to stop; a failure is said once and tried again later."""
    told = ""
    while True:
        pause = POLL_SECONDS
        try:
            rotator.pass_over(wait=False)
            told = ""
        except (OSError, SourceError, JournalError) as error:
            text = _text(error)
            if text != told:
                around.words.alarm(text)
            told = text
            if not isinstance(error, MissingError):
                pause = RETRY_SECONDS
        finally:
            for rotation in rotator.take_rotations():
                report(rotation)
        if around.clock.wait(pause):
            rotator.flush()
            return EXIT_OK


def _text(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}; tried again"
    return str(error)
