"""`standpipe check`: what will not work, before it does not. Lists the checks; each room has its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

import click

from standpipe.capture.checks import source_checks
from standpipe.cli.check_text import STATE_WIDTH, as_json, as_lines
from standpipe.config import apply_flags, default_config
from standpipe.config_file import load_config, load_settings, volume_bytes
from standpipe.config_problem import ConfigError, show_file
from standpipe.config_sinks import STDOUT
from standpipe.errors import EXIT_NEGATIVE, EXIT_OK, EXIT_UNABLE, EXIT_USAGE, JournalError, UsageError
from standpipe.journal import identity
from standpipe.journal.checks import Limits, journal_checks
from standpipe.journal.layout import Layout
from standpipe.observe.log import escape_control
from standpipe.preflight import FAILED, OK, UNKNOWN, WARNING, Check, Result, failed, ok, perform, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.config import Config

STATUS_BY_VERDICT = {OK: EXIT_OK, WARNING: EXIT_OK, FAILED: EXIT_NEGATIVE, UNKNOWN: EXIT_UNABLE}
COLOURS = {OK: "green", WARNING: "yellow", FAILED: "red", UNKNOWN: "magenta"}  # of the first word, on a terminal
NO_SOURCE = failed(
    "config",
    "neither a FIFO nor a file was named",
    "Give --fifo PATH or --file PATH, or source.fifo or source.file in the config",
)
NO_JOURNAL_ID = "00000000-0000-0000-0000-000000000000"  # RFC 9562's nil: nothing is delivered under it

EPILOG = """\b
Examples:
  standpipe check --file /vault/audit/audit.log
  standpipe check --config /etc/standpipe.yaml --json | jq .verdict
  standpipe check --config /etc/standpipe.yaml --print-config

\b
Exit status: 0 all is well, or there are warnings only; 1 at least one check
failed; 2 something could not be checked; 64 the command line or the config
is wrong. Every check: docs/check.md.
"""


@click.command("check", epilog=EPILOG)
@click.option("--config", "config_path", metavar="FILE", help="A YAML config. The other options beat what it says.")
@click.option("--fifo", metavar="PATH", help="Vault's audit FIFO.")
@click.option("--file", metavar="PATH", help="Vault's audit file, in place of a FIFO.")
@click.option("--journal", metavar="DIR", help="The journal's directory.  [default: the config's; /var/lib/standpipe]")
@click.option("--print-config", is_flag=True, help="Check nothing; print the complete settings as YAML.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object instead of words.")
def command(
    *,
    config_path: str | None,
    fifo: str | None,
    file: str | None,
    journal: str | None,
    print_config: bool,
    json_wanted: bool,
) -> int:
    """Tell what will not work, before it does not, and how to mend it.

    Run it where `run` or `sidecar` will run: as their user, with the same volumes. It works before the first start, and
    beside a Vault and a standpipe that run. Nothing is made or changed but a scratch file beside Vault's file, for a
    moment, to see whether holes can be punched. The sinks' destinations are asked; no record is delivered.
    """
    flags = {"fifo": fifo, "file": file, "journal": journal}
    if print_config:
        if json_wanted:
            raise UsageError("--json is given together with --print-config", "Keep one of them")
        from standpipe.config_print import as_yaml  # noqa: PLC0415 — a check without a file pays for no YAML library

        click.echo(as_yaml(load_settings(config_path, **flags)), nl=False)
        return EXIT_OK
    try:
        results = check_all(config_path, **flags)
        status = EXIT_USAGE if NO_SOURCE in results else STATUS_BY_VERDICT[verdict(results)]
    except ConfigError as error:
        results = config_results(error)
        status = EXIT_USAGE
    if json_wanted:
        click.echo(json.dumps(as_json(results)))
    else:
        _show(results)
    return status


def config_results(error: ConfigError) -> list[Result]:
    """Return one result for each thing that is wrong with a config."""
    where = f"{show_file(error.where)}: " if error.where else ""
    return [
        failed(
            "config",
            f"{where}{problem.path}: {problem.value}{' ' if problem.value else ''}{problem.message}",
            problem.remedy,
        )
        for problem in error.problems
    ]


def check_all(config_path: str | None, *, fifo: str | None, file: str | None, journal: str | None) -> list[Result]:
    """Perform every check there is. Raises ConfigError: without settings there is nothing to check."""
    flags = {"fifo": fifo, "file": file, "journal": journal}
    try:
        config = load_settings(config_path, **flags)
        of_the_journal = _journal_checks(config)
    except JournalError as error:  # its volume cannot be looked at: the settings stay incomplete, the source is there
        config = apply_flags(default_config() if config_path is None else load_config(config_path), **flags)
        unusable = failed("journal", error.message, error.remedy)
        of_the_journal = [Check("journal", lambda: [unusable])]
    of_the_source = source_checks(config.source, config.journal.path)
    checks = [*of_the_source, *of_the_journal, *_sink_checks(config)]
    return [_config_result(config, config_path), *perform(checks)]


def _config_result(config: Config, config_path: str | None) -> Result:
    if config.source.path is None:
        return NO_SOURCE
    return ok("config", "no file; the defaults" if config_path is None else f"{config_path}, every key is right")


def _journal_checks(config: Config) -> list[Check]:
    """Return the checks of the journal. Raises JournalError where its volume cannot be looked at."""
    journal = config.journal
    free_bytes, own_bytes = volume_bytes(journal.path)
    limits = Limits(journal.max_size_bytes or 0, journal.segment_size_bytes or 0, free_bytes, own_bytes)
    return journal_checks(Layout(os.path.abspath(journal.path)), limits, journal.sign_key)


def _sink_checks(config: Config) -> list[Check]:
    """Return the checks of the sinks; stdout has none. Before the first start the journal has no id yet."""
    if all(sink.type == STDOUT for sink in config.sinks):
        return []
    from standpipe.sinks.base import Context  # noqa: PLC0415 - with stdout alone, a check pays for no sink
    from standpipe.sinks.registry import sink_checks  # noqa: PLC0415

    node = os.uname().nodename
    try:
        known = identity.read(Layout(config.journal.path))
    except JournalError:
        return sink_checks(config.sinks, Context(NO_JOURNAL_ID, node))
    return sink_checks(config.sinks, Context(known.journal_id, known.node))


def _show(results: Sequence[Result]) -> None:
    """Print what a person reads: filled to a terminal's width and with colours there, a line each elsewhere."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for state, line in as_lines(results, width):
        if not line or line.startswith(" "):  # the rest of a text
            click.echo(escape_control(line))
            continue
        word, rest = (line, "") if line[0].isdigit() else (line[:STATE_WIDTH], line[STATE_WIDTH:])
        click.echo(click.style(word, fg=COLOURS[state], bold=True) + escape_control(rest))
