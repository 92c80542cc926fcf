"""What an answer of a sink means for the batch that was sent. Pure.

A request that was refused as a whole is halved until one record is left: that one is refused. But a wrong address
refuses everything in the same way, and then nothing may be given up: so a lone record that only its request's refusal
condemns is *doubtful* unless something was delivered a short while ago: `trust` says how many records may still be
given up so, and the pump counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from standpipe.sinks.base import Delivered, Poison, Retry, Split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standpipe.sinks.base import Batch, Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do. The batches of `again` together with `dead` and what was delivered are the batch that was sent.

    again: to be sent, in order; after `retry` says, at once where it is None. dead: index in the batch and reason.
    delivered: something in it was taken. doubtful: see the module's docstring.
    """

    again: tuple[Batch, ...] = ()
    dead: tuple[tuple[int, str], ...] = ()
    retry: Retry | None = None
    delivered: bool = False
    doubtful: bool = False


@dataclass(slots=True)
class _Parts:
    dead: list[tuple[int, str]] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    retry: Retry | None = None


def judge(outcome: Outcome, batch: Batch, *, trust: int) -> Verdict:
    """Return what to do after an attempt to send a batch."""
    if isinstance(outcome, Delivered):
        return Verdict(delivered=True)
    if isinstance(outcome, Retry):
        return Verdict(again=(batch,), retry=outcome)
    if isinstance(outcome, Split | Poison):
        certain = isinstance(outcome, Poison) and outcome.certain
        if len(batch) > 1 and not certain:
            return Verdict(again=batch.halves())
        if certain or trust > 0:
            return Verdict(dead=tuple((index, outcome.why) for index in range(len(batch))))
        why = f"a record is refused, and nothing else has been taken yet: {outcome.why}"
        return Verdict(again=(batch,), retry=Retry(why, config_fault=True), doubtful=True)
    return _judge_records(outcome.faults, batch, trust)


def _judge_records(faults: Mapping[int, Retry | Poison], batch: Batch, trust: int) -> Verdict:
    parts = _Parts()
    delivered = len(faults) < len(batch)
    doubtful = False
    for index, fault in sorted(faults.items()):
        if isinstance(fault, Retry):
            parts.again.append(index)
            parts.retry = worse(parts.retry, fault)
        elif fault.certain or delivered or trust > 0:
            parts.dead.append((index, fault.why))
            trust -= 0 if fault.certain else 1
        else:
            parts.again.append(index)
            doubtful = True
            parts.retry = worse(parts.retry, Retry(fault.why, config_fault=True))
    again = (batch.pick(parts.again),) if parts.again else ()
    return Verdict(again, tuple(parts.dead), parts.retry, delivered, doubtful)


def worse(one: Retry | None, other: Retry) -> Retry:
    """Return the answer that asks for more patience, or for a person."""
    if one is None:
        return other
    if one.config_fault != other.config_fault:
        return one if one.config_fault else other
    return one if (one.after_seconds or 0.0) >= (other.after_seconds or 0.0) else other
