"""`standpipe verify`: tells whether every byte of a journal is there, and as it was sealed."""

from __future__ import annotations

import json
import os
import sys
import time

import click

from standpipe.errors import EXIT_NEGATIVE, EXIT_OK, EXIT_UNABLE, StandpipeError, UsageError
from standpipe.evidence.journal_check import COMPLETE, INCOMPLETE, UNKNOWN
from standpipe.evidence.verdict_text import as_json, as_lines, unknown_as_json
from standpipe.evidence.verify import verify_journal
from standpipe.journal.layout import DEFAULT_JOURNAL, Layout
from standpipe.observe.log import escape_control

PROGRESS_AFTER_SECONDS = 2.0  # shorter waits need no words
PROGRESS_EVERY_SECONDS = 0.5
STATUS_BY_VERDICT = {COMPLETE: EXIT_OK, INCOMPLETE: EXIT_NEGATIVE, UNKNOWN: EXIT_UNABLE}
ERASE_LINE = "\r\x1b[K"  # ECMA-48: erase in line

EPILOG = """\b
Examples:
  standpipe verify                                              the journal at /var/lib/standpipe
  standpipe verify --journal /srv/audit --json | jq .verdict    for a script
  standpipe verify --accept-recorded                            known gaps do not count

\b
Exit status: 0 complete and intact (what retention removed and the unsealed
tail do not count against it); 1 damage, a hole, or a recorded gap that lost
bytes or may have; 2 it could not be told; 64 the command line is wrong.
Every word of the output: docs/verify.md.
"""


class TerminalProgress:
    """Says on a terminal how far we are, once it takes longer than a moment."""

    def __init__(self) -> None:
        """Begin to count the time."""
        self._wanted = sys.stderr.isatty()
        self._next_at = time.monotonic() + PROGRESS_AFTER_SECONDS
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        """Take note of the bytes read so far, and in all."""
        if self._wanted and time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + PROGRESS_EVERY_SECONDS
            self._shown = True
            click.echo(f"{ERASE_LINE}verifying: {done * 100 // max(total, 1)} %", err=True, nl=False)

    def close(self) -> None:
        """Take the line away."""
        if self._shown:
            click.echo(ERASE_LINE, err=True, nl=False)


@click.command(epilog=EPILOG)
@click.argument("copies", nargs=-1, metavar="")
@click.option("--journal", metavar="DIR", default=DEFAULT_JOURNAL, show_default=True, help="The journal's directory.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object instead of words.")
@click.option("--accept-recorded", is_flag=True, help="Do not count gaps that were recorded when they came to be.")
def command(*, copies: tuple[str, ...], journal: str, json_wanted: bool, accept_recorded: bool) -> int:
    """Prove that nothing is missing from a journal, or altered.

    Every sealed byte is read and compared with its seal, every seal with the one before it, and every address from the
    first to the last must be there. Works on a live journal; takes no lock and writes nothing.
    """
    if copies:
        raise UsageError(
            f"cannot verify {copies[0]!r}: verifying an archive or a copy is not in this release",
            "Name a journal's directory with --journal",
        )
    progress = TerminalProgress()
    try:
        findings = verify_journal(Layout(os.path.abspath(journal)), accept_recorded=accept_recorded, progress=progress)
    except StandpipeError as error:
        if json_wanted:
            click.echo(json.dumps(unknown_as_json(str(error))))
        raise
    finally:
        progress.close()
    if json_wanted:
        click.echo(json.dumps(as_json(findings)))
    else:
        for line in as_lines(findings, accept_recorded=accept_recorded):
            click.echo(escape_control(line))
    return STATUS_BY_VERDICT[findings.verdict]
