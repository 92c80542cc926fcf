"""`standpipe status`: how a journal is at this moment."""

from __future__ import annotations

import json
import os
import time

import click

from standpipe.journal.layout import DEFAULT_JOURNAL, Layout
from standpipe.observe.log import escape_control
from standpipe.observe.status import gather_status
from standpipe.observe.status_text import as_json, as_lines

EPILOG = """\b
Examples:
  standpipe status                                            the journal at /var/lib/standpipe
  standpipe status --journal /srv/audit --json | jq .sinks    for a script

\b
Exit status: 0 the journal was read, whatever its state; 2 there is no
journal, or it cannot be read; 64 the command line is wrong.
Every word of the output: docs/status.md.
"""


@click.command(epilog=EPILOG)
@click.option("--journal", metavar="DIR", default=DEFAULT_JOURNAL, show_default=True, help="The journal's directory.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object instead of words.")
def command(*, journal: str, json_wanted: bool) -> None:
    """Show what is captured, delivered and retained.

    What needs somebody's care comes first. Works on a live journal and on one at rest; writes nothing.
    """
    status = gather_status(Layout(os.path.abspath(journal)), time.time())
    if json_wanted:
        click.echo(json.dumps(as_json(status)))
        return
    for line in as_lines(status):
        click.echo(escape_control(line))
