"""What a rotation needs from outside, so that a test can hand in another: the clock, words, progress."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from standpipe.rotate.names import COMPRESSED_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.observe.log import Log
    from standpipe.rotate.content import Progress
    from standpipe.vault.process import Holders


class Clock(Protocol):
    """Time, and the wish to stop."""

    def wall(self) -> float:
        """Return the seconds since 1970."""

    def steady(self) -> float:
        """Return seconds that only grow."""

    def wait(self, seconds: float) -> bool:
        """Sleep, and return whether we were asked to stop before or meanwhile."""


class Signaller(Protocol):
    """How Vault is told to open its file anew; vault.process.Reloader is one."""

    def why_not(self) -> str:
        """Return "" where a signal can be sent, else a sentence."""

    def reload(self) -> str:
        """Send the signal and return "", or return why it was not sent."""


class Words:
    """Whole sentences on stderr: whoever runs a rotator beside his shipper reads them himself."""

    def __init__(self, log: Log) -> None:
        """Speak through our log."""
        self._log = log

    def tell(self, sentence: str) -> None:
        """Tell what happens in a healthy life."""
        self._log.info(sentence)

    def warn(self, sentence: str) -> None:
        """Tell what somebody may have to look at."""
        self._log.warning(sentence)

    def alarm(self, sentence: str) -> None:
        """Tell what somebody has to mend."""
        self._log.error(sentence)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All of it."""

    clock: Clock
    words: Words
    progress: Progress
    signaller: Signaller
    holders: Callable[[int, int], Holders]
    nobody_writes: Callable[[int], bool | None]  # capture.lease


@dataclass(slots=True)
class Rotation:
    """What one rotation did. start and end: the bytes of the live file that the archive holds."""

    way: str
    archive: str
    start: int
    end: int
    compressed: bool = False
    deleted: list[str] = field(default_factory=list)

    @property
    def file_name(self) -> str:
        """Return the archive's name as it is now."""
        return self.archive + (COMPRESSED_SUFFIX if self.compressed else "")

    def as_json(self, time: str, file: str) -> dict[str, object]:
        """Return the object that --json prints."""
        return {
            "time": time,
            "file": file,
            "way": self.way,
            "archive": self.file_name,
            "from": self.start,
            "to": self.end,
            "bytes": self.end - self.start,
            "compressed": self.compressed,
            "deleted": self.deleted,
        }
