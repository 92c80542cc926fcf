"""Where the demo shows itself: a live terminal, a plain stream, or nothing but JSON.

The live screen gives the records a scrolling region (DECSTBM) and keeps the panel still below it. One write(2) a tick,
so nothing flickers. All of this runs in the demo's main thread; only ``feed`` is called from the reader's.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Protocol

from standpipe.demo.panel import LINES_BESIDE_PHASES, PanelView, panel_lines
from standpipe.demo.record_line import BOLD, DIM, GREEN, RED, RESET, render

if TYPE_CHECKING:
    from collections.abc import Callable

STDOUT, STDERR = 1, 2
RECORDS_PER_TICK = 12  # at 20 ticks a second nobody reads more; the rest is counted in one line
LINES_LEAST, COLUMNS_LEAST = 20, 60  # a smaller terminal gets the plain stream
RECORD_LINES_LEAST = 6
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
CLEAR_LINE, CLEAR_BELOW, WHOLE_SCREEN_SCROLLS = "\x1b[K", "\x1b[J", "\x1b[r"


class Screen(Protocol):
    """What the demo needs of a screen."""

    def feed(self, piece: bytes) -> None:
        """Take raw bytes of stdout, from the reader's thread."""

    def tick(self, view: PanelView) -> None:
        """Bring everything up to date."""

    def say(self, text: str) -> None:
        """Tell what happens."""

    def close(self) -> None:
        """Leave the terminal as it was; safe to call twice."""


def write_all(fd: int, data: bytes) -> None:
    """Write everything. Raises OSError (BrokenPipeError where the reader has gone)."""
    while data:
        data = data[os.write(fd, data) :]


class Inbox:
    """Pieces from the reader's thread, until the main thread takes them."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = threading.Lock()
        self._pieces: list[bytes] = []

    def put(self, piece: bytes) -> None:
        """Add a piece."""
        with self._lock:
            self._pieces.append(piece)

    def take(self) -> bytes:
        """Take everything."""
        with self._lock:
            pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class PlainScreen:
    """Records as they are on stdout (or none), messages on stderr."""

    def __init__(self, *, records: bool) -> None:
        """Show records only where asked."""
        self._records = records
        self._inbox = Inbox()

    def feed(self, piece: bytes) -> None:
        """Keep a piece for the next tick."""
        if self._records:
            self._inbox.put(piece)

    def tick(self, view: PanelView) -> None:  # noqa: ARG002  there is no panel here
        """Write what has come."""
        write_all(STDOUT, self._inbox.take())

    def say(self, text: str) -> None:
        """Write one line to stderr."""
        write_all(STDERR, text.encode() + b"\n")

    def close(self) -> None:
        """Write what is left."""
        write_all(STDOUT, self._inbox.take())


class LiveScreen:
    """A terminal: short coloured records scroll above, the panel stands below."""

    def __init__(self, panel_height: int, *, colours: bool, size: Callable[[], os.terminal_size]) -> None:
        """Prepare; the terminal is touched at the first tick."""
        self._panel_height = panel_height
        self._colours = colours
        self._get_size = size
        self._inbox = Inbox()
        self._rest = b""
        self._size: os.terminal_size | None = None
        self._said: list[str] = []

    def feed(self, piece: bytes) -> None:
        """Keep a piece for the next tick."""
        self._inbox.put(piece)

    def say(self, text: str) -> None:
        """Show a message among the records at the next tick."""
        self._said.append(text)

    def tick(self, view: PanelView) -> None:
        """Draw new records and the panel with one write."""
        out = [HIDE_CURSOR]
        size = self._get_size()
        if size != self._size:
            out.append(self._lay_out(size))
        out.append(f"\x1b[{self._bottom(size)};1H")
        out += [f"\n\r{line}{CLEAR_LINE}" for line in self._new_lines(size.columns - 1)]
        for number, line in enumerate(panel_lines(view, size.columns - 1, colours=self._colours)):
            out.append(f"\x1b[{self._bottom(size) + 1 + number};1H{line}{CLEAR_LINE}")
        write_all(STDOUT, "".join(out).encode())

    def _bottom(self, size: os.terminal_size) -> int:
        return max(1, size.lines - self._panel_height)

    def _lay_out(self, size: os.terminal_size) -> str:
        first = self._size is None
        self._size = size
        room = "\n" * self._panel_height if first else ""
        bottom = self._bottom(size)
        return f"{room}{WHOLE_SCREEN_SCROLLS}\x1b[{bottom + 1};1H{CLEAR_BELOW}\x1b[1;{bottom}r"

    def _new_lines(self, width: int) -> list[str]:
        said, self._said = self._said, []
        *lines, self._rest = (self._rest + self._inbox.take()).split(b"\n")
        left_out = max(0, len(lines) - RECORDS_PER_TICK)
        shown = [render(line, width, colours=self._colours) for line in lines[left_out:]]
        if left_out:
            text = f"… {left_out:,} more records at once …"
            shown.insert(0, f"{DIM}{text}{RESET}" if self._colours else text)
        return said + shown

    def close(self) -> None:
        """Take the panel away; the records stay, and the cursor is below them."""
        if self._size is None:
            return
        bottom = self._bottom(self._size)
        write_all(STDOUT, f"{WHOLE_SCREEN_SCROLLS}\x1b[{bottom + 1};1H{CLEAR_BELOW}{SHOW_CURSOR}".encode())
        self._size = None


def panel_height(phases: int) -> int:
    """Return how many lines the panel needs."""
    return phases + LINES_BESIDE_PHASES


def terminal_size() -> os.terminal_size:
    """Return the size of the terminal at stdout. Raises OSError."""
    return os.get_terminal_size(STDOUT)


def colours_wanted() -> bool:
    """Whether nobody asked for a terminal without colours (no-color.org)."""
    return not os.environ.get("NO_COLOR")


def emphasise(text: str, *, good: bool) -> str:
    """Make the last word of the demo stand out on a terminal."""
    return f"{BOLD}{GREEN if good else RED}{text}{RESET}" if colours_wanted() else text


def choose_screen(phases: int, *, raw: bool, as_json: bool) -> Screen:
    """Return the screen that fits: live on a terminal that is large enough, else plain."""
    if as_json:
        return PlainScreen(records=False)
    if raw or not os.isatty(STDOUT):
        return PlainScreen(records=True)
    size = terminal_size()
    height = panel_height(phases)
    if size.columns < COLUMNS_LEAST or size.lines < max(LINES_LEAST, height + RECORD_LINES_LEAST):
        return PlainScreen(records=True)
    return LiveScreen(height, colours=colours_wanted(), size=terminal_size)
