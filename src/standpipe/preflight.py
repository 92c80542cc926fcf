"""What a pre-flight check finds: each room looks at its own things, and `standpipe check` lists what they say.

Pure but for the look itself, which is the room's. Imports nothing but our errors, because capture's room uses it.
"""

from __future__ import annotations

from standpipe.errors import StandpipeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

OK = "ok"
WARNING = "warning"  # it will work, and somebody should know
FAILED = "failed"  # it will not work, or not as it was asked for
UNKNOWN = "unknown"  # it could not be looked at
STATES = (OK, WARNING, FAILED, UNKNOWN)
SEVERITY = (OK, WARNING, UNKNOWN, FAILED)  # from the best to the worst: a proven failure outweighs what nobody saw


class Result:
    """What one check found, and what to do about it where there is anything to do."""

    __slots__ = ("found", "name", "remedy", "state")

    def __init__(self, name: str, state: str, found: str, remedy: str = "") -> None:
        self.name = name
        self.state = state
        self.found = found
        self.remedy = remedy

    def __repr__(self) -> str:
        """Return all four, for whoever debugs a test."""
        return f"Result({self.name!r}, {self.state!r}, {self.found!r}, {self.remedy!r})"


class Check:
    """One check of a room. ``look`` may raise OSError or StandpipeError: then it could not be told."""

    __slots__ = ("look", "name")

    def __init__(self, name: str, look: Callable[[], Sequence[Result]]) -> None:
        self.name = name
        self.look = look


def ok(name: str, found: str) -> Result:
    """Return a good result."""
    return Result(name, OK, found)


def warning(name: str, found: str, remedy: str) -> Result:
    """Return one that somebody should know of."""
    return Result(name, WARNING, found, remedy)


def failed(name: str, found: str, remedy: str) -> Result:
    """Return one that has to be mended."""
    return Result(name, FAILED, found, remedy)


def perform(checks: Iterable[Check]) -> list[Result]:
    """Do all checks, one after the other; one that cannot be done says so and stops nothing."""
    found: list[Result] = []
    for check in checks:
        try:
            found.extend(check.look())
        except StandpipeError as error:
            found.append(Result(check.name, UNKNOWN, f"could not be checked: {error.message}", error.remedy))
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            reason = f"could not be checked: {error.strerror or error}{where}"
            found.append(Result(check.name, UNKNOWN, reason, "Run the check as the user that standpipe runs as"))
    return found


def verdict(results: Iterable[Result]) -> str:
    """Return the worst state of all; ok where there is none."""
    return max((result.state for result in results), key=SEVERITY.index, default=OK)


def size_words(count: int) -> str:
    """Return bytes as a person says them: ``512 B``, ``3.1 MiB``, ``1,024.0 TiB``."""
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:  # noqa: PLR2004 — the step between two units
            break
        size, unit = size / 1024, larger
    return f"{count} B" if unit == "B" else f"{size:,.1f} {unit}"
