"""One audit record as one short line for a terminal; pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

RESET = "\x1b[0m"
DIM, BOLD, RED, GREEN, YELLOW, BLUE, CYAN = (f"\x1b[{code}m" for code in ("2", "1", "31", "32", "33", "34", "36"))
OPERATION_COLOURS = {"create": GREEN, "update": YELLOW, "read": CYAN, "list": BLUE, "delete": RED}

CLOCK_START, CLOCK_END = 11, 23  # hh:mm:ss.mmm within an RFC 3339 time
TYPE_WIDTH, OPERATION_WIDTH, WHO_WIDTH = 8, 6, 22
GAPS_WIDTH = 8  # two blanks after each column but the last
OTHERS_WIDTH = CLOCK_END - CLOCK_START + TYPE_WIDTH + OPERATION_WIDTH + WHO_WIDTH + GAPS_WIDTH
PATH_WIDTH_LEAST = 20


@dataclass(frozen=True, slots=True)
class ShortRecord:
    """What a person wants to see of a record."""

    clock: str
    kind: str
    operation: str
    path: str
    who: str
    error: str


def visible(text: str) -> str:
    """Make control characters visible, so that no record can drive the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _text(value: object) -> str:
    return visible(value) if isinstance(value, str) else ""


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def shorten(line: bytes) -> ShortRecord | None:
    """Read one raw line; None where it is no JSON object."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    request = record.get("request")
    error = record.get("error")
    words = error.split("* ")[-1].strip() if isinstance(error, str) else ""
    return ShortRecord(
        clock=_text(record.get("time"))[CLOCK_START:CLOCK_END].rstrip("Z"),
        kind=_text(record.get("type")),
        operation=_text(_member(request, "operation")),
        path=_text(_member(request, "path")),
        who=_text(_member(record.get("auth"), "display_name")),
        error=visible(words),
    )


def fit(text: str, width: int) -> str:
    """Cut or pad text to a width; a cut shows as an ellipsis."""
    return text.ljust(width) if len(text) <= width else text[: max(0, width - 1)] + "…"


def _paint(text: str, colour: str, *, colours: bool) -> str:
    return f"{colour}{text}{RESET}" if colours and colour else text


def render(line: bytes, width: int, *, colours: bool) -> str:
    """Return the line for a terminal of this width: time, type, operation, path, who, error."""
    record = shorten(line)
    if record is None:
        return _paint(fit("not a whole record: " + visible(line.decode(errors="replace")), width), RED, colours=colours)
    path_width = max(PATH_WIDTH_LEAST, width - OTHERS_WIDTH)
    last = record.error or record.who
    last_colour = RED if record.error else ""
    columns = (
        _paint(fit(record.clock, CLOCK_END - CLOCK_START), DIM, colours=colours),
        _paint(fit(record.kind, TYPE_WIDTH), DIM if record.kind == "request" else "", colours=colours),
        _paint(fit(record.operation, OPERATION_WIDTH), OPERATION_COLOURS.get(record.operation, ""), colours=colours),
        fit(record.path, path_width),
        _paint(fit(last, WHO_WIDTH).rstrip(), last_colour, colours=colours),
    )
    return "  ".join(columns)
