"""`standpipe run`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click

from standpipe.config_file import load_settings
from standpipe.errors import StandpipeError, UsageError
from standpipe.journal import identity
from standpipe.journal.cursor import read_cursor
from standpipe.journal.layout import Layout
from standpipe.journal.reader import JournalReader
from standpipe.observe.log import Log
from standpipe.processes.spawn import READY_DESCRIPTOR, bare_python, full_python
from standpipe.processes.supervise import Child, RunSettings, Supervisor
from standpipe.sinks.stdout import check_open

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.config import Config

EPILOG = """\b
Examples:
  standpipe run --fifo /vault/audit/pipe -- vault server -config=/vault/config
  standpipe run --config /etc/standpipe.yaml -- bao server -config=/openbao/config
  exec standpipe run --fifo p -- vault server -dev    as the last line of an entrypoint

\b
Exit status:
  N    COMMAND's own, or 128+n where signal n ended it
  64   the command line or the config is wrong; nothing was touched
  125  standpipe failed before COMMAND was started
  126  COMMAND was found and cannot be executed
  127  COMMAND was not found
COMMAND may end with 64 or 125 itself: our own failures are told by a message
on stderr too. Every key of the config: docs/configuration.md.
"""

LOCK_WAIT_SECONDS = "10"  # a predecessor that was killed may still be inside a write to a slow disk


def child_commands(config: Config, config_path: str | None) -> list[Child]:
    """Return our three children with everything they need to be told."""
    journal = config.journal
    common = ["--journal", journal.path, "--lock-wait", LOCK_WAIT_SECONDS]
    common += ["--ready-fd", str(READY_DESCRIPTOR), "--parent-pid", str(os.getpid())]
    file = ["--config", config_path] if config_path else []
    capture = ["--fifo", str(config.source.fifo), "--on-full", journal.on_full]
    capture += ["--segment-size", str(journal.segment_size_bytes), "--max-size", str(journal.max_size_bytes)]
    capture += ["--fsync", f"{int(journal.fsync_seconds * 1000)}ms"]
    capture += ["--seal-every", f"{int(journal.seal_every_seconds * 1000)}ms"]
    capture += ["--deadline", f"{int(config.shutdown.deadline_seconds * 1000)}ms"]
    return [
        Child("capture", bare_python(["capture", *capture, *common])),
        Child("keep", full_python(["keep", *file, "--max-size", str(journal.max_size_bytes), *common])),
        Child("ship", full_python(["ship", *file, *common])),
    ]


def undelivered_bytes(config: Config) -> Callable[[], int | None]:
    """Return a function that says how much the slowest sink has not acknowledged; None where that cannot be told."""
    layout = Layout(config.journal.path)
    reader = JournalReader(layout)

    def lag(sink: str) -> int:
        cursor = read_cursor(layout.cursor(sink))
        return reader.end - (cursor.offset if cursor else reader.base)

    def count() -> int | None:
        try:
            return max(0, *(lag(sink.name) for sink in config.sinks)) if config.sinks else 0
        except (OSError, StandpipeError):
            return None

    return count


@click.command(
    "run", epilog=EPILOG, context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False}
)
@click.option("--fifo", metavar="PATH", help="Vault's audit FIFO; created with mode 0600 where it is missing.")
@click.option("--journal", metavar="DIR", help="The journal's directory.  [default: the config's; /var/lib/standpipe]")
@click.option("--config", "config_path", metavar="FILE", help="A YAML config. --fifo and --journal beat what it says.")
@click.argument("command_line", metavar="-- COMMAND…", nargs=-1, type=click.UNPROCESSED, required=True)
def command(fifo: str | None, journal: str | None, config_path: str | None, command_line: tuple[str, ...]) -> None:
    """Supervise COMMAND (Vault), and put its audit log on stdout through a journal.

    Makes the FIFO and holds it open, starts capture, keep and ship, starts them again when they die, and then starts
    COMMAND, which it never starts again. Point Vault's file audit device at the FIFO: file_path is its path.

    While COMMAND lives, TERM, INT, HUP, QUIT, USR1, USR2 and WINCH are forwarded to it. When COMMAND has ended, what
    was captured is delivered, for `shutdown.deadline` (20 s) at most. A first TERM during that time, where none came
    before, only says "stopping already"; a second TERM, or any INT or QUIT, ends delivery at once. What is left
    undelivered stays in the journal, and is delivered after the next start.

    stdout carries audit records only. Our messages go to stderr, and so do COMMAND's stdout and stderr.
    """
    config = load_settings(config_path, fifo=fifo, journal=journal)
    if config.source.fifo is None:
        raise UsageError("no FIFO was named", "Give --fifo PATH, or source.fifo in the config")
    if config.sinks:
        check_open()
    log = Log("run")
    layout = Layout(config.journal.path)
    identity.open_or_create(layout, os.uname().nodename, time.time())
    settings = RunSettings(
        config.source.fifo, layout.reserve, list(command_line), os.environ, config.shutdown.deadline_seconds
    )
    supervisor = Supervisor(settings, child_commands(config, config_path), undelivered_bytes(config), log)
    click.get_current_context().exit(supervisor.run())
