"""`standpipe sidecar`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from standpipe.cli.supervised import (
    capture_arguments,
    child_commands,
    pipes,
    prepare,
    source_path,
    undelivered_bytes,
)
from standpipe.config_file import load_settings
from standpipe.errors import UsageError
from standpipe.observe.log import Log
from standpipe.processes.sidecar import SidecarSettings, SidecarSupervisor

if TYPE_CHECKING:
    from standpipe.config import Config

EPILOG = """\b
Examples:
  standpipe sidecar --file /vault/audit/audit.log
  standpipe sidecar --file /vault/audit/audit.log --pid-file /vault/run/vault.pid
  standpipe sidecar --fifo /vault/audit/pipe --journal /var/lib/standpipe
  standpipe sidecar --config /etc/standpipe.yaml

\b
Exit status:
  0    stopped in order; what was not delivered is in the journal
  2    not in order: bytes stayed in the pipes, or capture could not finish
  64   the command line or the config is wrong; nothing was touched
  125  standpipe failed before anything was captured
Every key of the config: docs/configuration.md.
"""

TAIL_SECONDS = 2.0  # of the deadline: from the end of capture, for ship to deliver what was captured last
TAIL_DIVISOR = 4  # and at most this part of a short deadline


def capture_deadline_seconds(deadline_seconds: float) -> float:
    """Return how long capture may wait for Vault to go, so that ship has time left for the tail."""
    return deadline_seconds - min(TAIL_SECONDS, deadline_seconds / TAIL_DIVISOR)


def _check_reload_flags(config: Config, signal_pid: int | None, pid_file: str | None) -> None:
    """Raise UsageError for flags of which one would do nothing."""
    if signal_pid is not None and pid_file is not None:
        raise UsageError("--pid-file is given together with --signal-pid", "Keep one of them")
    if config.source.file is None and signal_pid is not None:
        raise UsageError("--signal-pid works with a file only", "Leave it out, or give --file")


@click.command("sidecar", epilog=EPILOG)
@click.option("--fifo", metavar="PATH", help="Vault's audit FIFO; created with mode 0600 where it is missing.")
@click.option("--file", metavar="PATH", help="Vault's audit file, in place of a FIFO.")
@click.option("--journal", metavar="DIR", help="The journal's directory.  [default: the config's; /var/lib/standpipe]")
@click.option("--config", "config_path", metavar="FILE", help="A YAML config. The other options beat what it says.")
@click.option(
    "--signal-pid",
    metavar="PID",
    type=click.IntRange(min=1),
    help="With a file: the process that gets HUP where Vault has to reopen it.",
)
@click.option("--pid-file", metavar="PATH", help="The same, by the file in which Vault writes its process id.")
def command(
    fifo: str | None,
    file: str | None,
    journal: str | None,
    config_path: str | None,
    signal_pid: int | None,
    pid_file: str | None,
) -> None:
    """Put the audit log of a Vault that somebody else runs on stdout, through a journal.

    Starts capture, keep and ship, and starts them again when they die. With --fifo it makes the FIFO and holds it
    open: start it before Vault. With --file it follows the file that Vault writes, and gives its disk space back. HUP
    goes to Vault only where it has to reopen the file for that: to --signal-pid, else to the process that --pid-file
    names, else to the one server that can be seen.

    The first TERM or INT begins the stop: what Vault still writes is captured and delivered until Vault has gone, or
    `shutdown.deadline` (20 s) has nearly passed; capture ends 2 s before it. A second one, or a QUIT at any time, ends
    it at once. What is left undelivered stays in the journal, and is delivered after the next start.

    stdout carries audit records only. Our messages go to stderr.
    """
    config = load_settings(config_path, fifo=fifo, file=file, journal=journal, pid_file=pid_file)
    path = source_path(config)
    _check_reload_flags(config, signal_pid, pid_file)
    prepare(config)
    deadline_seconds = config.shutdown.deadline_seconds
    told = capture_arguments(config, capture_deadline_seconds(deadline_seconds), signal_pid)
    settings = SidecarSettings(path, pipes(config), deadline_seconds)
    children = child_commands(config, config_path, told)
    supervisor = SidecarSupervisor(settings, children, undelivered_bytes(config), Log("sidecar"))
    click.get_current_context().exit(supervisor.run())
