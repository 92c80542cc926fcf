"""`standpipe sidecar`: the supervisor beside Vault, which somebody else starts and stops.

The first SIGTERM or SIGINT begins the drain, and Vault may still write then: capture and ship both go on until Vault
has gone, or nearly to the deadline. A second one, or SIGQUIT at any time, ends it now.
"""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from standpipe.errors import EXIT_OK, EXIT_UNABLE
from standpipe.observe.log import Log
from standpipe.processes.children import Child
from standpipe.processes.drain import HURRY_BESIDE_VAULT, STOP_BESIDE_VAULT
from standpipe.processes.supervise import STOPPING, Supervisor


@dataclass(frozen=True, slots=True)
class SidecarSettings:
    """What `sidecar` was told. ``pipes`` are the FIFO and the reserve; there are none where the source is a file."""

    source: str
    pipes: tuple[str, ...]
    deadline_seconds: float


class SidecarSupervisor(Supervisor):
    """One life of a sidecar."""

    drain_signals = (STOP_BESIDE_VAULT, HURRY_BESIDE_VAULT)

    def __init__(
        self, settings: SidecarSettings, children: Sequence[Child], undelivered: Callable[[], int | None], log: Log
    ) -> None:
        """Make and hold the pipes. Raises SourceError."""
        super().__init__(settings.pipes, settings.deadline_seconds, children, undelivered, log)
        self._settings = settings

    def _on_capture_ready(self) -> None:
        self._running = True
        self._exit_status = EXIT_OK
        if self._settings.pipes:
            self._log.info("started", fifo=self._settings.source)
        else:
            self._log.info("started", file=self._settings.source)

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._have_config_read(number)
        elif number not in STOPPING:
            return
        elif self._drain:
            self._end_drain_now(number)
        else:
            self._stop(number)

    def _stop(self, number: int) -> None:
        name = signal.Signals(number).name
        self._exit_status = EXIT_OK
        self._log.info("stopping: what Vault still writes is captured and delivered", signal=name)
        self._begin_drain()
        if number == signal.SIGQUIT:
            self._end_drain_now(number)

    def _final_status(self) -> int:
        """Return 2 where the stop was not in order."""
        finished = self._drain is not None and self._drain.capture_status == EXIT_OK
        if self._exit_status != EXIT_OK or not self._running or (finished and not self._bytes_left_in_pipes):
            return self._exit_status
        return EXIT_UNABLE
