"""The demo as a whole: set the stage, play, stop, count, tell.

The steps are separate methods, so that a test can do something behind the demo's back between two of them.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from standpipe.demo.client import VaultClient
from standpipe.demo.count import count
from standpipe.demo.journal_bytes import journal_length
from standpipe.demo.panel import PanelView, PhaseView
from standpipe.demo.phases import Play, all_phases
from standpipe.demo.result import table
from standpipe.demo.screen import STDOUT, PlainScreen, Screen, emphasise, write_all
from standpipe.demo.stage import Stage
from standpipe.errors import EXIT_NEGATIVE, EXIT_OK, StandpipeError

if TYPE_CHECKING:
    from pathlib import Path

    from standpipe.demo.interrupts import Interrupts
    from standpipe.demo.phases import Phase
    from standpipe.demo.result import Result

REQUESTS_PER_SECOND = 40.0  # a small Vault's life; its records stream by at twice that pace


class Demo:
    """One run of the demo in a directory that exists and is empty."""

    def __init__(self, directory: Path, seconds: float, screen: Screen, interrupts: Interrupts) -> None:
        """Prepare; nothing runs before ``perform()``."""
        self.stage = Stage(directory, screen.feed, interrupts)
        self._interrupts = interrupts
        self._screen = screen
        self._seconds = seconds
        self._client: VaultClient | None = None
        self._play: Play | None = None
        self._began = 0.0
        self._run_status = 0

    @property
    def client(self) -> VaultClient:
        """The vault-client. Raises StandpipeError before ``perform()``."""
        if self._client is None:
            raise StandpipeError("the demo has not been performed", "This is a bug in the demo; please report it")
        return self._client

    def perform(self) -> None:
        """Start the server, let the client work, and do all the harm. Raises StandpipeError."""
        self._screen.say("Starting a real OpenBao under `standpipe run` …")
        self.stage.start()
        self._screen.say(f"OpenBao {self.stage.server_version} is ready; the client begins.")
        self._client = VaultClient(self.stage.port, REQUESTS_PER_SECOND)
        self._play = Play(self.stage, self._client, self._seconds, self._tick, self._announce)
        self._began = time.monotonic()
        self._client.start()
        self._play.perform()

    def stop(self) -> None:
        """Stop the client and the server, and wait until everything is delivered. Raises StandpipeError."""
        self._screen.say("The client stops; OpenBao stops; standpipe delivers what is left.")
        self.client.stop()
        self._run_status = self.stage.stop()
        left = self.stage.left_running()
        if left:
            raise StandpipeError(f"processes {left} still run after `standpipe run` has ended", self.stage.log_tail())
        self._tick()

    def count(self) -> Result:
        """Count and judge. Raises OSError where the files cannot be read."""
        if self._play is None:
            raise StandpipeError("the demo has not been performed", "This is a bug in the demo; please report it")
        return count(self.stage, self.client, self._play, self._run_status)

    def clean_up(self) -> None:
        """Leave nothing running and the terminal as it was. From here on the demo cannot be interrupted."""
        self._interrupts.hold_for_good()
        if self._client is not None and self._client.alive:
            self._client.give_up()
        self.stage.clean_up()
        with suppress(BrokenPipeError):
            self._screen.close()

    def _announce(self, phase: Phase) -> None:
        if isinstance(self._screen, PlainScreen):
            self._screen.say(f"{time.monotonic() - self._began:5.1f} s  {phase.title}")

    def _tick(self) -> None:
        self.stage.running()
        self._screen.tick(self._view())

    def _view(self) -> PanelView:
        return PanelView(
            heading=f"OpenBao {self.stage.server_version}: its audit log, through standpipe, on stdout",
            elapsed_seconds=time.monotonic() - self._began,
            whole_seconds=self._seconds,
            phases=tuple(map(self._phase_view, self._play.phases if self._play else all_phases())),
            requests=self.client.made,
            captured_bytes=journal_length(self.stage.journal),
            delivered_bytes=self.stage.consumer.bytes_read,
        )

    def _phase_view(self, phase: Phase) -> PhaseView:
        state = "ahead" if phase.began is None else "now" if phase.ended is None else "done"
        longest = self._play.longest_seconds(phase) if self._play else None
        return PhaseView(phase.title, state, longest, phase.note)


def present(demo: Demo, screen: Screen, *, as_json: bool) -> int:
    """Run a demo from its beginning to its table, and return the exit status: 0, or 1 where a count is wrong.

    Raises StandpipeError where it could not be done, and OSError; in every case nothing is left running.
    """
    try:
        demo.perform()
        demo.stop()
        screen.say("Counting, and `standpipe verify` …")
        result = demo.count()
    finally:
        demo.clean_up()
    if as_json:
        write_all(STDOUT, json.dumps(result.as_json(), indent=2, ensure_ascii=False).encode() + b"\n")
    elif isinstance(screen, PlainScreen):
        screen.say("\n".join(["", *table(result)]))
    else:
        *lines, last = table(result)
        write_all(STDOUT, "\n".join(["", *lines, emphasise(last, good=not result.wrong), ""]).encode())
    return EXIT_NEGATIVE if result.wrong else EXIT_OK
