"""What the demo writes to a terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from standpipe.demo.panel import PanelView, PhaseView, panel_lines
from standpipe.demo.screen import STDOUT, LiveScreen, panel_height

if TYPE_CHECKING:
    import pytest

VIEW = PanelView(
    heading="OpenBao 1.2.3",
    elapsed_seconds=4.2,
    whole_seconds=25.0,
    phases=(
        PhaseView("calm", "done", 0.0041, ""),
        PhaseView("kill -9 ship", "now", 0.0052, "process 1 → 2"),
        PhaseView("calm again", "ahead", None, ""),
    ),
    requests=162,
    captured_bytes=4096,
    delivered_bytes=1024,
)


def test_panel() -> None:
    """The panel says what was, is and will be, and what waits in the journal."""
    assert [
        "─" * 90,
        " OpenBao 1.2.3" + " " * 64 + "4 s of 25 s",
        " ✓ calm                  longest request     4 ms",
        " ▸ kill -9 ship          longest request     5 ms   process 1 → 2",
        " · calm again",
        " 162 requests   captured 4 KiB   on stdout 1 KiB   waiting in the journal 3 KiB",
    ] == [line.rstrip() for line in panel_lines(VIEW, 90, colours=False)]
    assert panel_height(3) == len(panel_lines(VIEW, 90, colours=False))


def test_live_screen(capfd: pytest.CaptureFixture[str]) -> None:
    """Records go into the scrolling region, a burst is cut short with a count, and the end restores the terminal."""
    screen = LiveScreen(panel_height(3), colours=False, size=lambda: os.terminal_size((80, 24)))
    screen.feed(b"".join(b'{"type":"request","time":"%d"}\n' % number for number in range(20)) + b'{"half')
    screen.say("hello")
    screen.tick(VIEW)
    text = capfd.readouterr().out
    assert "\x1b[1;18r" in text
    assert ["hello", "… 8 more records at once …"] == [line.partition("\x1b")[0] for line in text.split("\n\r")[1:3]]
    assert 12 == text.count("\x1b[K\n\r", text.index("at once"))
    assert "half" not in text
    screen.feed(b'":1}\n')
    screen.tick(VIEW)
    assert "\x1b[18;1H\n\r" in capfd.readouterr().out
    screen.close()
    screen.close()
    assert "\x1b[r\x1b[19;1H\x1b[J\x1b[?25h" == capfd.readouterr().out
    assert 1 == STDOUT
