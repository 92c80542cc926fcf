"""The front door of every command that may import libraries: lazy, and the one place where an error becomes a status.

A command's module is imported when the command is asked for, never for ``--help``: `run` must not pay for `demo`.
relay, hold and capture are dispatched before click is imported (standpipe.cli.plain); they stand here for the list.
"""

from __future__ import annotations

import os
import sys
import traceback
from difflib import get_close_matches
from importlib import import_module
from signal import SIGINT, SIGPIPE
from typing import TYPE_CHECKING, NamedTuple

import click

from standpipe import __version__
from standpipe.errors import (
    EXIT_OK,
    EXIT_RUN_FAILED,
    EXIT_SIGNAL_BASE,
    EXIT_UNABLE,
    EXIT_USAGE,
    StandpipeError,
)
from standpipe.observe.log import Log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROGRAM = "standpipe"
HELP_WIDTH = 100  # columns
STDOUT = 1
EXIT_INTERRUPTED = EXIT_SIGNAL_BASE + SIGINT
EXIT_READER_GONE = EXIT_SIGNAL_BASE + SIGPIPE
EXPECTED_ERRORS = (click.ClickException, StandpipeError, OSError)  # they tell enough without a traceback


class Entry(NamedTuple):
    """A command that is known without being imported."""

    target: str  # "module:attribute"; empty for a command that is dispatched before this module
    summary: str
    unable_status: int = EXIT_UNABLE  # what EXIT_UNABLE becomes where nothing was started yet: see `run`, `sidecar`


COMMANDS: dict[str, Entry] = {
    "relay": Entry("", "Copy a FIFO to stdout, without a journal: the safe `cat <>`."),
    "run": Entry("standpipe.cli.run:command", "Supervise Vault, with its audit log on stdout.", EXIT_RUN_FAILED),
    "sidecar": Entry(
        "standpipe.cli.sidecar:command", "Do the same beside a Vault that somebody else runs.", EXIT_RUN_FAILED
    ),
    "hold": Entry("", "Keep pipes open, so that nothing in them is lost."),
    "capture": Entry("", "Move a FIFO's bytes into the journal (a child of run)."),
    "keep": Entry("standpipe.cli.keep:command", "Seal, compress and retain segments (a child of run)."),
    "ship": Entry("standpipe.cli.ship:command", "Deliver the journal to the sinks (a child of run)."),
    "replay": Entry("standpipe.cli.replay:command", "Send a part of the journal to a sink again, with the same ids."),
    "status": Entry("standpipe.cli.status:command", "Show what is captured, delivered and retained."),
    "verify": Entry("standpipe.cli.verify:command", "Prove that nothing is missing or altered."),
    "keygen": Entry("standpipe.cli.keygen:command", "Make a key pair that signs seals."),
    "tail": Entry("standpipe.cli.tail:command", "Show requests as they go by, one readable line each."),
    "whois": Entry("standpipe.cli.whois:command", "Find the records of a value that the log shows only as an HMAC."),
    "query": Entry("standpipe.cli.query:command", "Ask journals, archives and exports in SQL."),
    "export": Entry("standpipe.cli.export:command", "Write the records to Parquet files, for larger engines."),
    "report": Entry("standpipe.cli.report:command", "Write one HTML page: is it complete, what happened, who did it."),
    "rotate": Entry("standpipe.cli.rotate:command", "Rotate a live audit.log without loss, beside another shipper."),
    "check": Entry("standpipe.cli.check:command", "Tell what will not work, before it does not."),
    "demo": Entry("standpipe.cli.demo:command", "Show it all on a real server, in half a minute."),
}

EPILOG = """\b
Examples:
  standpipe run --fifo /vault/audit/pipe -- vault server -config /vault/config
  standpipe sidecar --fifo /vault/audit/pipe
  standpipe relay /vault/audit/pipe
  standpipe status --journal /var/lib/standpipe --json
  standpipe verify --journal /var/lib/standpipe

\b
Exit status: 0 done, 1 a negative verdict, 2 could not tell or could not do,
64 usage or config. `run` ends with COMMAND's own status, or 125 where it
failed before COMMAND. All of them: docs/exit-status.md.
"""


class LazyGroup(click.Group):
    """A group whose commands are a table of module names; commands that were added the usual way work too."""

    def __init__(self, entries: Mapping[str, Entry], **settings: object) -> None:
        """Take the table; ``settings`` are those of click.Group."""
        super().__init__(**settings)  # type: ignore[arg-type] # passed on as they are
        self.entries = dict(entries)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order, which is the order in which a person meets them."""
        return [*self.entries, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        if not entry.target:
            message = f"{cmd_name} must be the first argument."
            raise click.UsageError(message, ctx)
        module, _, attribute = entry.target.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            message = f"{entry.target} is not a click command"
            raise TypeError(message)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which names are near."""
        names = self.list_commands(ctx)
        if args[0] not in names:
            near = get_close_matches(args[0], names)
            message = f"{args[0]!r} is not a command."
            raise click.UsageError(message + (f" Did you mean {' or '.join(near)}?" if near else ""), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 — click's
        """Write the list without importing anything."""
        rows = [(name, entry.summary) for name, entry in self.entries.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


cli = LazyGroup(
    COMMANDS,
    name=PROGRAM,
    help="Every Vault audit record leaves the pod, in order, provably; and while the journal has room, Vault never "
    "waits for it.",
    epilog=EPILOG,
    no_args_is_help=False,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": HELP_WIDTH},
)
click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")(cli)


def main(argv: Sequence[str]) -> int:
    """Run one command line, without the program's name, and return the exit status."""
    return run_group(cli, argv)


def run_group(group: LazyGroup, argv: Sequence[str]) -> int:
    """Run a command line; say every failure in one line on stderr (a config's problems: one line each).

    A command returns its status, or None for 0. SystemExit passes.
    """
    entry = group.entries.get(argv[0]) if argv else None
    try:
        return _invoke(group, argv)
    except (KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _settle_stdout()
        return EXIT_READER_GONE
    except Exception as error:  # noqa: BLE001 — Python's own status for it is 1, which would read as a verdict
        status, text = _explain(error)
        fields = {} if isinstance(error, EXPECTED_ERRORS) else {"traceback": traceback.format_exc()}
    messages = Log(argv[0] if entry else "cli")
    for line in text.split("\n"):
        messages.error(line, **fields)
    _settle_stdout()
    return entry.unable_status if entry and status == EXIT_UNABLE else status


def _explain(error: Exception) -> tuple[int, str]:
    """Return an error's exit status and what to say about it."""
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else PROGRAM
        return EXIT_USAGE, f'{_one_line(error.format_message())} See "{path} --help".'
    if isinstance(error, click.ClickException):
        return EXIT_UNABLE, _one_line(error.format_message())
    if isinstance(error, StandpipeError):
        return error.exit_status, str(error)
    if isinstance(error, OSError):
        return EXIT_UNABLE, f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
    return EXIT_UNABLE, f"a fault of {PROGRAM} itself: {_one_line(repr(error))}. Please report it."


def _invoke(group: LazyGroup, argv: Sequence[str]) -> int:
    try:
        with group.make_context(PROGRAM, list(argv)) as context:
            result = group.invoke(context)
    except click.exceptions.Exit as exit_:
        result = exit_.exit_code
    _flush_stdout()  # here a full disk or a reader that left still becomes a status
    return result if isinstance(result, int) else EXIT_OK


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _flush_stdout() -> None:
    if sys.stdout is not None:  # it is where descriptor 1 was closed before we started
        sys.stdout.flush()


def _settle_stdout() -> None:
    """Write out what is left; where that fails, point stdout at nothing.

    Else the interpreter's last flush would complain once more and change the status to 120.
    """
    try:
        _flush_stdout()
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, STDOUT)
        os.close(nothing)
