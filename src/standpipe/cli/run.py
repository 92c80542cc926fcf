"""`standpipe run`."""

from __future__ import annotations

import os

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
from standpipe.observe.log import Log
from standpipe.processes.command import CommandSupervisor, RunSettings

EPILOG = """\b
Examples:
  standpipe run --fifo /vault/audit/pipe -- vault server -config=/vault/config
  standpipe run --file /vault/audit/audit.log -- vault server -config=/vault/config
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


@click.command(
    "run", epilog=EPILOG, context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False}
)
@click.option("--fifo", metavar="PATH", help="Vault's audit FIFO; created with mode 0600 where it is missing.")
@click.option("--file", metavar="PATH", help="Vault's audit file, in place of a FIFO.")
@click.option("--journal", metavar="DIR", help="The journal's directory.  [default: the config's; /var/lib/standpipe]")
@click.option("--config", "config_path", metavar="FILE", help="A YAML config. The other options beat what it says.")
@click.argument("command_line", metavar="-- COMMAND…", nargs=-1, type=click.UNPROCESSED, required=True)
def command(
    fifo: str | None, file: str | None, journal: str | None, config_path: str | None, command_line: tuple[str, ...]
) -> None:
    """Supervise COMMAND (Vault), and put its audit log on stdout through a journal.

    Starts capture, keep and ship, starts them again when they die, and then starts COMMAND, which it never starts
    again. With --fifo it makes the FIFO and holds it open: point Vault's file audit device at it, file_path is its
    path. With --file it follows the file that Vault writes, and gives its disk space back; where Vault has to reopen
    the file for that, it gets a HUP.

    While COMMAND lives, TERM, INT, HUP, QUIT, USR1, USR2 and WINCH are forwarded to it. When COMMAND has ended, what
    was captured is delivered, for `shutdown.deadline` (20 s) at most. A first TERM during that time, where none came
    before, only says "stopping already"; a second TERM, or any INT or QUIT, ends delivery at once. What is left
    undelivered stays in the journal, and is delivered after the next start.

    stdout carries audit records only. Our messages go to stderr, and so do COMMAND's stdout and stderr.
    """
    config = load_settings(config_path, fifo=fifo, file=file, journal=journal)
    source_path(config)
    prepare(config)
    deadline_seconds = config.shutdown.deadline_seconds
    # capture signals us, and we forward to COMMAND: only we know its process id, and only while it lives.
    children = child_commands(config, config_path, capture_arguments(config, deadline_seconds, os.getpid()))
    settings = RunSettings(pipes(config), list(command_line), os.environ, deadline_seconds)
    supervisor = CommandSupervisor(settings, children, undelivered_bytes(config), Log("run"))
    click.get_current_context().exit(supervisor.run())
