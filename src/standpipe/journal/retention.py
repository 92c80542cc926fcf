"""Which segments may go, oldest first. Pure.

Three reasons delete a delivered segment: it is older than the age limit, the delivered ones together are larger than
the size limit, or the journal needs room (*pressure*). Undelivered segments go only under pressure, and only with
``drop-oldest``; each such drop is an incident and is named in the next seal. Only sealed segments go, in order, so what
remains is always one contiguous run; the newest seal stays, because the next one links to it.

An idle seal goes when it is older than the age limit, when the journal needs room, or together with the segment after
it. So silence at the journal's head stays proven as long as a segment there would have stayed. The last one before a
segment goes with that segment only: what a journal's first segment links to is known then, so a foreign one is found.

**Room.** The journal can never take more than its cap, nor more than the volume's free space and what it takes already.
Pressure begins HEADROOM before that, because capture goes on writing between two of our looks and must not meet the cap
while there is something that could be deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

# Headroom = max(segment_size, room / 8), at most room / 2. A segment, because retention works in whole segments and the
# one being written cannot go. An eighth of the room: with the default cap of 10 GiB capture needs 1.3 s at 1 GB/s
# to fill it, and keep looks every 0.25 s. Not over a half: a tiny journal should still hold something.
HEADROOM_DIVISOR = 8
HEADROOM_PART_MAX = 2

DROP_OLDEST = "drop-oldest"

Reason = Literal["age", "size", "room", "leftover", "neighbour"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A segment that is not the last one, or an idle seal. sealed_at is in seconds since 1970, None while not sealed.

    idle: the number of an idle seal; taken: every sink that gets seals has it.
    """

    base: int
    end: int
    disk_bytes: int
    sealed_at: float | None
    has_data: bool = True
    newest_seal: bool = False
    idle: int | None = None
    taken: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """What the config says. None: no limit of that kind."""

    age_seconds: float | None
    size_bytes: int | None
    cap_bytes: int
    segment_size_bytes: int
    on_full: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a delivered segment: its data, and its seal unless that must stay."""

    base: int
    end: int
    reason: Reason
    keep_seal: bool


@dataclass(frozen=True, slots=True)
class Drop:
    """Delete a segment that not every sink has taken. An incident first."""

    base: int
    end: int
    keep_seal: bool


@dataclass(frozen=True, slots=True)
class DeleteIdle:
    """Delete an idle seal."""

    base: int
    number: int
    reason: Reason


Action = Delete | Drop | DeleteIdle


def headroom_bytes(room_bytes: int, segment_size_bytes: int) -> int:
    """Return how much room should always be left; see HEADROOM_DIVISOR."""
    return min(max(segment_size_bytes, room_bytes // HEADROOM_DIVISOR), room_bytes // HEADROOM_PART_MAX)


def excess_bytes(limits: Limits, used_bytes: int, free_bytes: int) -> int:
    """Return how many bytes should go to restore the headroom; 0 or less where there is room."""
    room = min(limits.cap_bytes, used_bytes + free_bytes)
    return used_bytes - (room - headroom_bytes(room, limits.segment_size_bytes))


def plan(
    candidates: Sequence[Candidate],
    durable_offset: int | None,
    now: float,
    limits: Limits,
    used_bytes: int,
    free_bytes: int,
) -> list[Action]:
    """Return what to delete, in order. candidates: every segment but the last, and the idle seals, as they are chained.

    durable_offset is the smallest of all sinks' durable cursors, None where no sink is configured (everything
    counts as delivered). used_bytes are all the journal's, free_bytes the volume's.
    """
    excess = excess_bytes(limits, used_bytes, free_bytes)
    delivered_bytes = sum(c.disk_bytes for c in candidates if c.idle is None and _is_delivered(c, durable_offset))
    actions: list[Action] = []
    waiting: list[Action] = []  # idle seals that go with the segment after them
    for candidate, following in zip(candidates, [*candidates[1:], None], strict=False):
        if candidate.sealed_at is None:
            break
        if candidate.idle is not None:
            if candidate.newest_seal or not _may_go(candidate, limits, excess):
                break
            gone = _idle_action(candidate, following, now, limits, excess)
            waiting.append(gone)
            if gone.reason != "neighbour":
                actions, waiting = [*actions, *waiting], []
                excess -= candidate.disk_bytes
            continue
        if not candidate.has_data:
            if not candidate.newest_seal:
                actions += [*waiting, Delete(candidate.base, candidate.end, "leftover", keep_seal=False)]
                waiting = []
            continue
        delivered = _is_delivered(candidate, durable_offset)
        reason = _reason(candidate, now, limits, delivered_bytes, excess) if delivered else None
        if reason is not None:
            actions += [*waiting, Delete(candidate.base, candidate.end, reason, candidate.newest_seal)]
            delivered_bytes -= candidate.disk_bytes
        elif not delivered and limits.on_full == DROP_OLDEST and excess > 0:
            actions += [*waiting, Drop(candidate.base, candidate.end, candidate.newest_seal)]
        else:
            break
        waiting = []
        excess -= candidate.disk_bytes
    return actions


def _may_go(idle: Candidate, limits: Limits, excess: int) -> bool:
    return idle.taken or (limits.on_full == DROP_OLDEST and excess > 0)


def _idle_action(idle: Candidate, following: Candidate | None, now: float, limits: Limits, excess: int) -> DeleteIdle:
    reason: Reason = "neighbour"
    if following is not None and following.idle is None:
        pass
    elif excess > 0:
        reason = "room"
    elif limits.age_seconds is not None and idle.sealed_at is not None and now - idle.sealed_at > limits.age_seconds:
        reason = "age"
    return DeleteIdle(idle.base, idle.idle or 0, reason)


def _is_delivered(candidate: Candidate, durable_offset: int | None) -> bool:
    return durable_offset is None or candidate.end <= durable_offset


def _reason(candidate: Candidate, now: float, limits: Limits, delivered_bytes: int, excess: int) -> Reason | None:
    if excess > 0:
        return "room"
    if limits.size_bytes is not None and delivered_bytes > limits.size_bytes:
        return "size"
    sealed_at = candidate.sealed_at
    if limits.age_seconds is not None and sealed_at is not None and now - sealed_at > limits.age_seconds:
        return "age"
    return None
