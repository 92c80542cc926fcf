"""What keep cannot do at the moment: said once, recorded as soon as the disk takes it, tried again later.

Nothing here ends the process. A step that fails is tried again after RETRY_SECONDS_MIN, then after twice as long each
time up to RETRY_SECONDS_MAX; the log says once that it fails and once that it works again.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from standpipe.journal import incidents, kinds
from standpipe.journal.key_files import KeyFileError

if TYPE_CHECKING:
    from standpipe.errors import StandpipeError
    from standpipe.observe.log import Log

RETRY_SECONDS_MIN = 0.25  # keep's tick
RETRY_SECONDS_MAX = 5.0  # a full volume often gets room suddenly, and then Vault may be waiting for keep
INCIDENTS_MAX = 64  # waiting for a disk that takes them; each is another step or another error

FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT)


def incident_kind(error: Exception) -> str:
    """Return the kind of incident that an error is."""
    if isinstance(error, OSError):
        return kinds.DISK_FULL if error.errno in FULL_ERRORS else kinds.KEEP_ERROR
    return kinds.KEEP_ERROR if isinstance(error, KeyFileError) else kinds.DAMAGED


def describe(error: Exception) -> str:
    """Return an error in words, with the path where there is one."""
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
    return str(error)


class Troubles:
    """The steps that fail at the moment."""

    def __init__(self, incidents_path: str, log: Log) -> None:
        self._path = incidents_path
        self._log = log
        self._failing: dict[str, str] = {}  # step → reason
        self._delays: dict[str, tuple[float, float]] = {}  # step → (not before, delay in seconds)
        self._waiting: list[tuple[str, int | None, dict[str, object], float]] = []

    def __bool__(self) -> bool:
        """Tell whether anything fails."""
        return bool(self._failing)

    def may_try(self, step: str, clock: float) -> bool:
        """Tell whether it is time to try the step (again)."""
        return clock >= self._delays.get(step, (0.0, 0.0))[0]

    def failed(self, step: str, error: OSError | StandpipeError, offset: int | None, now: float, clock: float) -> None:
        """Note that a step failed. now: Unix time; clock: monotonic."""
        delay = min(2 * self._delays.get(step, (0.0, RETRY_SECONDS_MIN / 2))[1], RETRY_SECONDS_MAX)
        self._delays[step] = (clock + delay, delay)
        reason = describe(error)
        if self._failing.get(step) == reason:
            return
        self._failing[step] = reason
        self._log.error(f"cannot {step}; it will be tried again", reason=reason, offset=offset)
        if len(self._waiting) < INCIDENTS_MAX:
            detail: dict[str, object] = {"role": "keep", "step": step, "reason": reason}
            self._waiting.append((incident_kind(error), offset, detail, now))

    def worked(self, step: str) -> None:
        """Note that a step works."""
        if step in self._failing:
            del self._failing[step]
            self._log.info(f"can {step} again")
        self._delays.pop(step, None)

    def flush(self) -> None:
        """Write the incidents that wait, as far as the disk takes them."""
        while self._waiting:
            kind, offset, detail, now = self._waiting[0]
            try:
                incidents.append(self._path, kind, offset, None, detail, now)
            except OSError:
                return  # the next flush tries again
            del self._waiting[0]
