"""How far a command is, on a terminal."""

from __future__ import annotations

import sys
import time

import click

PROGRESS_AFTER_SECONDS = 2.0  # shorter waits need no words
PROGRESS_EVERY_SECONDS = 0.5
ERASE_LINE = "\r\x1b[K"  # ECMA-48: erase in line


class TerminalProgress:
    """Says on a terminal how far we are, once it takes longer than a moment."""

    def __init__(self, doing: str = "verifying") -> None:
        """Begin to count the time. doing: what it is that takes so long."""
        self._doing = doing
        self._wanted = sys.stderr.isatty()
        self._next_at = time.monotonic() + PROGRESS_AFTER_SECONDS
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        """Take note of the bytes read so far, and in all."""
        if self._wanted and time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + PROGRESS_EVERY_SECONDS
            self._shown = True
            click.echo(f"{ERASE_LINE}{self._doing}: {done * 100 // max(total, 1)} %", err=True, nl=False)

    def close(self) -> None:
        """Take the line away."""
        if self._shown:
            click.echo(ERASE_LINE, err=True, nl=False)
