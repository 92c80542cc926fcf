"""Whether one input has its records in the journal's order. Pure.

A record that comes again (sent twice) stands behind later ones, and that is no disorder; one that was passed over
before and comes now is. No fault in itself: a destination may keep no order. In one that should (a file, a topic's
partition) it means that something moved records.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PASSED_MAX = 1000  # stretches that were passed over and may still come, of one journal in one input
EXAMPLES_MAX = 20


@dataclass(slots=True)
class _Run:
    end: int  # of the record that reaches furthest
    passed: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class Order:
    """One input. late: how many records came after later ones; examples: line, journal, offset, length of the first."""

    late: int = 0
    examples: list[tuple[int, str, int, int]] = field(default_factory=list)
    _runs: dict[str, _Run] = field(default_factory=dict)

    def take(self, journal: str, offset: int, end: int, after: int, line: int) -> None:
        """Take the next record, or part of one."""
        run = self._runs.get(journal)
        if run is None:
            self._runs[journal] = _Run(end, [(0, after)] if after else [])
            return
        if offset >= run.end:
            if after > run.end and len(run.passed) < PASSED_MAX:
                run.passed.append((run.end, after))
            run.end = end
            return
        for number, (start, stop) in enumerate(run.passed):
            if start <= offset < stop:
                run.passed[number : number + 1] = [
                    left for left in ((start, min(offset, after)), (end, stop)) if left[0] < left[1]
                ]
                self.late += 1
                if len(self.examples) < EXAMPLES_MAX:
                    self.examples.append((line, journal, offset, end - offset))
                return
