"""The panel below the streaming records: what happens now, and how Vault fares; pure."""

from __future__ import annotations

from dataclasses import dataclass

from standpipe.demo.record_line import BOLD, DIM, GREEN, RESET, YELLOW, fit
from standpipe.demo.result import milliseconds

TITLE_WIDTH, LONGEST_WIDTH = 21, 8
LINES_BESIDE_PHASES = 3  # rule, heading, totals


@dataclass(frozen=True, slots=True)
class PhaseView:
    """One act, as the panel shows it."""

    title: str
    state: str  # ahead | now | done
    longest_seconds: float | None
    note: str


@dataclass(frozen=True, slots=True)
class PanelView:
    """Everything that the panel shows."""

    heading: str
    elapsed_seconds: float
    whole_seconds: float
    phases: tuple[PhaseView, ...]
    requests: int
    captured_bytes: int
    delivered_bytes: int


MARKS = {"ahead": ("·", DIM), "now": ("▸", YELLOW), "done": ("✓", GREEN)}


def _paint(text: str, colour: str, *, colours: bool) -> str:
    return f"{colour}{text}{RESET}" if colours else text


def _phase_line(phase: PhaseView, width: int, *, colours: bool) -> str:
    mark, colour = MARKS[phase.state]
    title = fit(phase.title, TITLE_WIDTH)
    if phase.state == "ahead":
        return _paint(fit(f" {mark} {title}", width), DIM, colours=colours)
    longest = f"longest request {milliseconds(phase.longest_seconds):>{LONGEST_WIDTH}}"
    rest = fit(f" {title} {longest}   {phase.note}", max(0, width - 2))
    return f" {_paint(mark, colour, colours=colours)}{rest}"


def panel_lines(view: PanelView, width: int, *, colours: bool) -> list[str]:
    """Render the panel; every line is at most ``width`` wide."""
    clock = f"{min(view.elapsed_seconds, view.whole_seconds):.0f} s of {view.whole_seconds:.0f} s"
    heading = fit(f" {view.heading}", max(0, width - len(clock) - 1)) + clock
    waiting = max(0, view.captured_bytes - view.delivered_bytes)
    totals = (
        f" {view.requests:,} requests   captured {view.captured_bytes / 1024:,.0f} KiB   "
        f"on stdout {view.delivered_bytes / 1024:,.0f} KiB   waiting in the journal {waiting / 1024:,.0f} KiB"
    )
    lines = [_paint("─" * width, DIM, colours=colours), _paint(heading, BOLD, colours=colours)]
    lines += [_phase_line(phase, width, colours=colours) for phase in view.phases]
    lines.append(fit(totals, width).rstrip())
    return lines
