"""Rows of the result, what was aimed at, and the table in three forms. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

AT_LEAST, AT_MOST = "≥", "≤"
MET, MISSED = "met", "MISSED"
HEADINGS = ("what", "measured", "aim", "verdict", "in figures")


@dataclass(frozen=True, slots=True)
class Aim:
    """A bound on a measured value, in its unit."""

    sense: str
    bound: float

    def is_met(self, value: float) -> bool:
        """Whether a value, as it is printed, keeps the bound."""
        return value >= self.bound if self.sense == AT_LEAST else value <= self.bound


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. unit: "×" for a ratio; digits after the point are printed and judged, no more."""

    what: str
    value: float
    unit: str
    figures: str
    aim: Aim | None = None
    digits: int = 2

    @property
    def verdict(self) -> str:
        """Return met, MISSED, or nothing where nothing was aimed at."""
        if self.aim is None:
            return ""
        return MET if self.aim.is_met(round(self.value, self.digits)) else MISSED

    def cells(self) -> tuple[str, ...]:
        """Return the row's texts in the order of HEADINGS."""
        aim = f"{self.aim.sense} {self._text(self.aim.bound)}" if self.aim else ""
        return (self.what, self._text(self.value), aim, self.verdict, self.figures)

    def _text(self, value: float) -> str:
        return f"{value:,.{self.digits}f}{'' if self.unit == '×' else ' '}{self.unit}"


def as_text(rows: list[Row]) -> str:
    """Return a table for a terminal."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )


def as_markdown(rows: list[Row]) -> str:
    """Return a table for docs/benchmarks.md."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(row.cells() for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_json(rows: list[Row], machine: str) -> str:
    """Return everything for a program."""
    return json.dumps(
        {"machine": machine, "rows": [{**asdict(row), "verdict": row.verdict} for row in rows]}, ensure_ascii=False
    )
