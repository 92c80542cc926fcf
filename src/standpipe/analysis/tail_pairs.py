"""Requests and their responses, brought together as they come by. Pure: the time is an argument.

A request waits for its response. One that waits longer than a person wants to is told of while it waits, and told
again when its response comes. One whose response has not come after GIVE_UP_SECONDS of the records' own time has none:
Vault cancels a request after ``max_request_duration``, 90 s (a stream such as ``sys/monitor`` may last longer; its
late response is told as a request of its own line again, with its duration).

Memory is bounded: beyond OPEN_MAX requests the oldest one counts as without a response.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.analysis.tail_half import Half

WAIT_SECONDS: Final = 2.0  # of the reader's time: nearly every response comes within milliseconds
GIVE_UP_SECONDS: Final = 100  # of the records' time: max_request_duration, and a little for the clock and the order
OPEN_MAX: Final = 50_000  # requests, some 1 KiB each: what a server has under way is a few hundred

OK: Final = "ok"
DENIED: Final = "denied"
ERROR: Final = "error"
WAITING: Final = "waiting"
NO_RESPONSE: Final = "no-response"
RESPONSE_ONLY: Final = "response-only"

# Written before the server acts, and never answered in the log (OpenBao vault/core.go, ha.go; the device's own test).
ONE_WAY_PATHS: Final = frozenset({"sys/audit/test", "sys/seal", "sys/step-down"})

_DENIED_WORDS: Final = "permission denied"  # logical.ErrPermissionDenied, in Vault and OpenBao
_NANOSECONDS_IN_MILLISECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what is known of its response. At least one half is there."""

    request: Half | None
    response: Half | None
    waits: bool = False

    @property
    def half(self) -> Half:
        """The half that says more: a response repeats all of its request."""
        found = self.response or self.request
        assert found is not None  # noqa: S101 - of the class's promise
        return found

    @property
    def first(self) -> Half:
        """The half that came first."""
        return self.request or self.half

    @property
    def outcome(self) -> str:
        """How it ended: an error counts whatever else is missing."""
        error = self.error
        if error:
            return DENIED if _DENIED_WORDS in error else ERROR
        if self.response is None:
            return WAITING if self.waits else NO_RESPONSE
        if self.response.has_error_answer:
            return ERROR
        return OK if self.request is not None else RESPONSE_ONLY

    @property
    def is_fault(self) -> bool:
        """Whether it was denied, failed, or lacks a half that it should have."""
        return self.outcome not in (OK, WAITING) and not (self.outcome == NO_RESPONSE and self.is_one_way)

    @property
    def is_one_way(self) -> bool:
        """Whether it is a request that never has a response."""
        return self.response is None and self.half.path in ONE_WAY_PATHS and not self.half.error

    @property
    def error(self) -> str:
        """The error's text; empty where there is none."""
        return (self.response.error if self.response else "") or (self.request.error if self.request else "")

    @property
    def duration_ms(self) -> float | None:
        """Milliseconds between the two records' times; None where one of them is unknown."""
        if self.request is None or self.response is None:
            return None
        begun, ended = self.request.nanoseconds, self.response.nanoseconds
        return None if begun is None or ended is None else (ended - begun) / _NANOSECONDS_IN_MILLISECOND


@dataclass(slots=True)
class _Open:
    request: Half
    came_at: float
    told: bool = False


_Key = tuple[str, str]


class Pairs:
    """Brings halves together; see the module's docstring."""

    def __init__(self, *, open_max: int = OPEN_MAX) -> None:
        """Begin with nothing open."""
        self._open: dict[_Key, _Open] = {}  # in the order in which they came
        self._open_max = open_max
        self._newest = 0  # nanoseconds, of all records so far

    def take(self, half: Half, now: float) -> Iterator[Exchange]:
        """Yield what a half completes. now: the reader's time, in seconds."""
        self._newest = max(self._newest, half.nanoseconds or 0)
        key = _key(half)
        if half.is_request:
            if half.path in ONE_WAY_PATHS and not half.error:
                yield Exchange(half, None)
                return
            yield from self._end(key)  # the same id again: the first one will have no response of its own
            if len(self._open) >= self._open_max:
                yield from self._end(next(iter(self._open)))
            self._open[key] = _Open(half, now)
            return
        found = self._open.pop(key, None)
        yield Exchange(found.request if found else None, half)

    def overdue(self, now: float | None) -> Iterator[Exchange]:
        """Yield the requests that have waited long enough to be told of: each once.

        now: the reader's time, where somebody looks on; None where all records are there already.
        """
        limit = self._newest - GIVE_UP_SECONDS * 10**9
        for waiting in self._open.values():
            begun = waiting.request.nanoseconds
            is_over = begun is not None and begun < limit
            if not is_over and (now is None or now - waiting.came_at < WAIT_SECONDS):
                return
            if not waiting.told:
                waiting.told = True
                yield Exchange(waiting.request, None, waits=not is_over)

    def next_seconds(self, now: float) -> float | None:
        """Return in how many seconds `overdue` may have something; None where nothing waits."""
        ends = (waiting.came_at + WAIT_SECONDS for waiting in self._open.values() if not waiting.told)
        end = next(ends, None)
        return None if end is None else max(0.0, end - now)

    def finish(self) -> Iterator[Exchange]:
        """Yield what waited in vain: nothing will follow."""
        for key in list(self._open):
            yield from self._end(key)

    def _end(self, key: _Key) -> Iterator[Exchange]:
        found = self._open.pop(key, None)
        if found is not None and not found.told:
            yield Exchange(found.request, None)


def _key(half: Half) -> _Key:
    """Return what a response shares with its request; some versions leave out the id of a help request."""
    if half.request_id:
        return half.journal, half.request_id
    return half.journal, f" {half.operation} {half.namespace_path} {half.path}"
