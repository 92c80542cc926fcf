"""Records with values in clear text, for a person: one line for each stretch of them without a gap. Pure.

With ``log_raw`` every record has some, and a line for each would hide all else that there is to read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from standpipe.evidence.wording import LINES_MAX, count_text, range_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class ClearRange(Protocol):
    """A record with values in clear text: its addresses, and the dotted names of the members."""

    @property
    def start(self) -> int:
        """Its first address."""

    @property
    def end(self) -> int:
        """The address after its last."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names."""


@dataclass(slots=True)
class _Stretch:
    start: int
    end: int
    fields: list[str]
    records: int = 1

    def line(self) -> str:
        counted = "" if self.records == 1 else f", {count_text(self.records, 'record')}"
        return f"clear text: {range_text(self.start, self.end)}{counted}: {', '.join(self.fields)}"


def clear_lines(examples: Iterable[ClearRange], total: int) -> Iterator[str]:
    """Yield a line for each stretch, LINES_MAX at most, and how many records are in none of them.

    total: of all such records; the examples are the first ones.
    """
    stretches: list[_Stretch] = []
    for record in examples:
        last = stretches[-1] if stretches else None
        if last is not None and last.end == record.start:
            last.end = record.end
            last.records += 1
            last.fields.extend(name for name in record.fields if name not in last.fields)
        else:
            stretches.append(_Stretch(record.start, record.end, list(record.fields)))
    shown = stretches[:LINES_MAX]
    yield from (stretch.line() for stretch in shown)
    rest = total - sum(stretch.records for stretch in shown)
    if rest:
        yield f"… and {count_text(rest, 'more record')} with clear text; --json lists the first of them"
