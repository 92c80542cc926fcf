"""Ctrl-C and SIGTERM: end the demo at once, but never between a start and knowing the process, nor in the clean-up."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from standpipe.errors import EXIT_SIGNAL_BASE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Turns the first ending signal into SystemExit(128 + n), so that every ``finally`` on the way runs."""

    def __init__(self) -> None:
        """Catch nothing before ``install()``."""
        self._number = 0
        self._holders = 0

    def install(self) -> None:
        """Catch the ending signals from now on; main thread only."""
        for number in ENDING:
            signal.signal(number, self._on_signal)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let a signal wait until the block is done. Raises SystemExit at its end where one came."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
        self._end_if_due()

    def hold_for_good(self) -> None:
        """Do not end on a signal any more: what comes now is short and must be done."""
        self._holders += 1

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if not self._number:  # a second one changes nothing: the first is on its way through the clean-up
            self._number = number
            self._end_if_due()

    def _end_if_due(self) -> None:
        if self._number and not self._holders:
            sys.exit(EXIT_SIGNAL_BASE + self._number)
