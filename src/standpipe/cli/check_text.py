"""What `standpipe check` says: results as JSON members, and as lines for a person. Pure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from standpipe.preflight import FAILED, OK, SEVERITY, UNKNOWN, WARNING, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from standpipe.preflight import Result

WORDS = {OK: "ok", WARNING: "warning", FAILED: "FAILED", UNKNOWN: "unknown"}
STATE_WIDTH = max(map(len, WORDS.values()))
GAP = "  "
ARROW = "→ "
MIN_TEXT_WIDTH = 30  # columns; on a narrower terminal the lines run over


def as_json(results: Sequence[Result]) -> dict[str, object]:
    """Return the members of `check --json`."""
    checks = [
        {"name": result.name, "state": result.state, "found": result.found, "remedy": result.remedy}
        for result in results
    ]
    return {"verdict": verdict(results), "checks": checks}


def summary(results: Sequence[Result]) -> str:
    """Return one line: how many there are of each state, the worst first."""
    counts = ((state, sum(result.state == state for result in results)) for state in reversed(SEVERITY))
    return ", ".join(
        f"{count} {state}{'s' if state == WARNING and count > 1 else ''}" for state, count in counts if count
    )


def as_lines(results: Sequence[Result], width: int | None = None) -> list[tuple[str, str]]:
    """Return (state, line) pairs: state, name and finding, below it what to do, and the summary at the end.

    ``width``: columns to which the text is filled; None: one line each. The summary has the worst state.
    """
    name_width = max((len(result.name) for result in results), default=0)
    lines: list[tuple[str, str]] = []
    for result in results:
        head = f"{WORDS[result.state]:<{STATE_WIDTH}}{GAP}{result.name:<{name_width}}{GAP}"
        lines.extend((result.state, line) for line in _filled(head, result, width))
    return [*lines, (OK, ""), (verdict(results), summary(results))]


def _filled(head: str, result: Result, width: int | None) -> Iterator[str]:
    blank = " " * len(head)
    yield from _wrapped(head, blank, result.found, width)
    if result.remedy:
        yield from _wrapped(blank + ARROW, blank + " " * len(ARROW), result.remedy, width)


def _wrapped(first: str, rest: str, text: str, width: int | None) -> list[str]:
    if width is None or width < len(rest) + MIN_TEXT_WIDTH:
        return [first + text]
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
