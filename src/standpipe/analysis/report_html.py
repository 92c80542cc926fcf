"""Small pieces of HTML: text that came from anywhere, escaped, in tables and cells. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from standpipe.analysis.report_time import time_text

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXT_CHARACTERS_MAX = 300  # of one cell: a path or an error may be as long as a request; the query has it whole


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the query's name for it, its heading, and how its cells are shown.

    ``shape``: text, code, name (words that may be broken), long (code that may be), number, bar (a number with its
    share of the largest one), time, outcome.
    """

    name: str
    heading: str
    shape: str = "text"


def visible(text: str) -> str:
    """Return text as HTML: markup has no effect, and what cannot be seen, or turns the line round, is spelt out."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return escape(shown)


def cut(text: str) -> str:
    """Return visible text of a bounded length."""
    return visible(text) if len(text) <= TEXT_CHARACTERS_MAX else visible(text[:TEXT_CHARACTERS_MAX]) + "…"


def number_text(value: object) -> str:
    """Return 12,345 or 0.123; an en dash for no value."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".") if value < 100 else f"{value:,.0f}"  # noqa: PLR2004 — three digits tell enough
    return f"{value:,}" if isinstance(value, int) else cut(str(value))


def cell(value: object, shape: str, largest: float) -> str:
    """Return one table cell."""
    if shape in ("number", "bar"):
        bar = ""
        if shape == "bar" and isinstance(value, int | float) and largest > 0:
            bar = f'<span class="bar" style="width:{value / largest * 100:.1f}%"></span>'
        return f'<td class="{shape}">{bar}<span>{number_text(value)}</span></td>'
    if isinstance(value, datetime):
        return f'<td class="time">{time_text(value)}</td>'
    if value is None or value == "":
        return f'<td class="{shape}">–</td>'
    if shape == "outcome":
        return f'<td><span class="outcome outcome-{visible(str(value))}">{visible(str(value))}</span></td>'
    text = cut(str(value))
    return f'<td class="{shape}">{f"<code>{text}</code>" if shape in ("code", "long") else text}</td>'


def table(columns: Sequence[Column], names: Sequence[str], rows: Sequence[Sequence[object]], caption: str) -> str:
    """Return a table of a query's rows, in the order of ``columns``; nothing for no rows.

    ``names``: what the query called its columns.
    """
    if not rows:
        return ""
    places = [names.index(column.name) for column in columns]
    picked = [[row[place] for place in places] for row in rows]
    largest = [
        max((float(value) for value in values if isinstance(value, int | float)), default=0.0)
        for values in zip(*picked, strict=True)
    ]
    head = "".join(f'<th scope="col" class="{column.shape}">{visible(column.heading)}</th>' for column in columns)
    body = "\n".join(
        "<tr>" + "".join(cell(v, column.shape, m) for v, column, m in zip(row, columns, largest, strict=True)) + "</tr>"
        for row in picked
    )
    return (
        f'<div class="scroll"><table><caption class="unseen">{visible(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )
