"""`standpipe whois`: the records of a token accessor, a token, a secret value or a path segment."""

from __future__ import annotations

import json
import os
import re
import sys
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from standpipe.analysis.whois import in_archive, in_journal
from standpipe.analysis.whois_line import as_line, as_object
from standpipe.analysis.whois_match import Needle
from standpipe.archive.location import ArchiveOptions
from standpipe.cli.progress import TerminalProgress
from standpipe.errors import EXIT_NEGATIVE, EXIT_OK, UsageError
from standpipe.journal.layout import DEFAULT_JOURNAL, Layout
from standpipe.observe.log import Log, escape_control
from standpipe.vault.api import HASH_PREFIX, open_api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from standpipe.analysis.whois import Found

HASH = re.compile(re.escape(HASH_PREFIX) + "[0-9a-f]{64}")
STDIN_BYTES_MAX = 1 << 20  # a value; Vault's own limit for one text is 1 MiB

EPILOG = """\b
Examples:
  standpipe whois                              asks for the value; it is not shown
  cat accessor | standpipe whois -             the value from stdin
  standpipe whois 0Xa1b2 --device file/        visible to everyone on this machine, in ps
  standpipe whois hmac-sha256:6470cf4d894d…    a whole HMAC from a record; no server is asked
  cat accessor | standpipe whois - --archive s3://audit/vault --json

\b
Exit status: 0 found; 1 no record holds it; 2 the server, the journal or the
archive cannot be asked; 64 the command line is wrong.
Every word of the output: docs/whois.md.
"""


def _value(given: str | None) -> str:
    """Return the value from the argument, stdin or a prompt. Raises UsageError."""
    if given is None:
        if not sys.stdin.isatty():
            raise UsageError("no value was given, and there is no terminal to ask on", "Give - and the value on stdin")
        return str(click.prompt("Value", hide_input=True, err=True))
    if given == "-":
        given = sys.stdin.buffer.read(STDIN_BYTES_MAX + 1).decode("utf-8", "surrogateescape").removesuffix("\n")
        if len(given) > STDIN_BYTES_MAX:
            raise UsageError("the value on stdin is longer than 1 MiB", "No audited value is so long")
    if not given:
        raise UsageError("the value is empty", "Give a token, an accessor, a secret's value or a path segment")
    return given


def _needle(value: str, device: str) -> Needle:
    """Have the server hash the value, unless it is a hash already. Raises ServerError, UsageError."""
    if value.startswith(HASH_PREFIX):
        if not HASH.fullmatch(value):
            raise UsageError(
                f"that is no whole HMAC: {HASH_PREFIX} and 64 hex digits", "Give all of it, as it is in a record"
            )
        return Needle(value, None)
    api = open_api(os.environ)
    try:
        return Needle(api.audit_hash(device, value), value)
    finally:
        api.close()


@click.command("whois", epilog=EPILOG)
@click.argument("value", required=False, metavar="[VALUE|-]")
@click.option(
    "--device", metavar="PATH", default="file/", show_default=True, help="The audit device that wrote the log."
)
@click.option(
    "--journal", "journals", metavar="DIR", multiple=True, help=f"A journal's directory.  [default: {DEFAULT_JOURNAL}]"
)
@click.option("--archive", "archives", metavar="LOCATION", multiple=True, help="An archive: a directory or a URL.")
@click.option("--endpoint", metavar="URL", help="Of --archive s3://: another server than AWS.")
@click.option("--region", metavar="NAME", help="Of --archive s3://.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object for each record.")
def command(
    *,
    value: str | None,
    device: str,
    journals: tuple[str, ...],
    archives: tuple[str, ...],
    endpoint: str | None,
    region: str | None,
    json_wanted: bool,
) -> int:
    """Find the records of a value that the audit log shows only as an HMAC.

    The server that VAULT_ADDR or BAO_ADDR names is asked for the value's HMAC (sys/audit-hash); the records that hold
    it, or the value in clear, are printed. The value itself never is.
    """
    needle = _needle(_value(value), device)
    progress = TerminalProgress("searching")
    directories = journals or (() if archives else (DEFAULT_JOURNAL,))
    options = ArchiveOptions(region=region, endpoint=endpoint)
    sources: Iterator[Found] = chain(
        chain.from_iterable(in_journal(Layout(os.path.abspath(path)), needle, progress) for path in directories),
        chain.from_iterable(in_archive(location, options, needle, progress) for location in archives),
    )
    if not json_wanted:
        click.echo(f"{needle.hashed}")
    try:
        count, questions = _print(sources, _paint(), progress, json_wanted=json_wanted)
    finally:
        progress.close()
    if questions and not json_wanted:
        click.echo(f"not shown: {questions:,} {'record' if questions == 1 else 'records'} of sys/audit-hash itself")
    if not count:
        asked = {} if needle.value is None else {"device": device}
        Log("whois").warning("no record holds the value", **asked)
    return EXIT_OK if count else EXIT_NEGATIVE


def _print(
    sources: Iterator[Found], paint: Callable[..., str], progress: TerminalProgress, *, json_wanted: bool
) -> tuple[int, int]:
    """Print what is found; return how many records, and how many of sys/audit-hash."""
    count = questions = 0
    for found in sources:
        if found.is_question:
            questions += 1
        else:
            count += 1
        if json_wanted or not found.is_question:
            progress.close()
            click.echo(json.dumps(as_object(found)) if json_wanted else as_line(found, paint))
    return count, questions


def _paint() -> Callable[..., str]:
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def paint(text: str, **style: Any) -> str:  # noqa: ANN401 - click.style's own keywords
        return click.style(escape_control(text), **style) if colours else escape_control(text)

    return paint
