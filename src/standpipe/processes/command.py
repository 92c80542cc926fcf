"""`standpipe run`: the supervisor around Vault. COMMAND is started once capture is ready, and never again.

So Vault finds a reader. While COMMAND lives every signal is forwarded to it; when it has gone the drain begins. COMMAND
inherits no descriptor of ours, because Vault's plugins would inherit it from Vault, and could read or forge records.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from standpipe.errors import EXIT_COMMAND_NOT_EXECUTABLE, EXIT_COMMAND_NOT_FOUND, EXIT_SIGNAL_BASE
from standpipe.observe.log import Log
from standpipe.processes.children import Child, send_signal
from standpipe.processes.drain import HURRY_AFTER_COMMAND, STOP_AFTER_COMMAND
from standpipe.processes.spawn import give_terminal, spawn_command, take_terminal_back
from standpipe.processes.supervise import STOPPING, Supervisor


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What `run` was told. ``pipes`` are the FIFO and the reserve; there are none where the source is a file."""

    pipes: tuple[str, ...]
    command: list[str]
    environment: Mapping[str, str]
    deadline_seconds: float


class CommandSupervisor(Supervisor):
    """One run of COMMAND."""

    could_not_start = "capture could not start, so COMMAND was not started"
    drain_signals = (STOP_AFTER_COMMAND, HURRY_AFTER_COMMAND)

    def __init__(
        self, settings: RunSettings, children: Sequence[Child], undelivered: Callable[[], int | None], log: Log
    ) -> None:
        """Make and hold the pipes. Raises SourceError."""
        super().__init__(settings.pipes, settings.deadline_seconds, children, undelivered, log)
        self._settings = settings
        self._command_pid = 0
        self._stop_signal = 0  # that came before COMMAND was started
        self._terminated = False

    def _on_signal(self, number: int) -> None:
        first_term = number == signal.SIGTERM and not self._terminated
        self._terminated = self._terminated or first_term
        if self._command_pid:
            send_signal(self._command_pid, number)
            if number == signal.SIGHUP:
                self._have_config_read(number)
        elif number in STOPPING and not self._drain:
            self._stop_signal = number
        elif first_term:
            # COMMAND ended by itself, and now the container is stopped, in order: the deadline is for that.
            self._log.info("stopping already: delivering what was captured", signal="SIGTERM")
        elif number in STOPPING:
            self._end_drain_now(number)

    def _advance(self, now: float) -> None:
        if self._stop_signal and not self._drain:
            self._exit_status = EXIT_SIGNAL_BASE + self._stop_signal
            self._begin_drain()
        super()._advance(now)

    def _on_capture_ready(self) -> None:
        command = self._settings.command
        try:
            self._command_pid = spawn_command(command, self._settings.environment)
        except OSError as error:
            not_found = isinstance(error, (FileNotFoundError, NotADirectoryError))
            self._exit_status = EXIT_COMMAND_NOT_FOUND if not_found else EXIT_COMMAND_NOT_EXECUTABLE
            self._log.error(f"cannot start COMMAND {command[0]}: {error.strerror}")
            self._begin_drain()
            return
        self._running = True
        self._others[self._command_pid] = self._on_command_end
        give_terminal(self._command_pid)
        self._log.info("started", command=command[0], pid=self._command_pid)

    def _on_command_end(self, status: int) -> None:
        take_terminal_back(self._command_pid)
        self._command_pid = 0
        self._exit_status = status if status >= 0 else EXIT_SIGNAL_BASE - status
        self._log.info("COMMAND ended; delivering what was captured", exit_status=self._exit_status)
        self._begin_drain()
