"""`standpipe report`: one HTML page for people who want to see what happened, and whether that is all."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from standpipe.analysis.report import write_report
from standpipe.analysis.report_sources import Sources
from standpipe.cli.endings import cleans_up
from standpipe.cli.progress import TerminalProgress
from standpipe.cli.sources import source_options
from standpipe.evidence.trusted_keys import trusted_keys
from standpipe.observe.log import escape_control

if TYPE_CHECKING:
    from standpipe.analysis.report import Written
    from standpipe.cli.sources import Chosen

TITLE = "Vault audit report"

EPILOG = """\b
Examples:
  standpipe report --output audit.html                          the journal at /var/lib/standpipe
  standpipe report --since 7d --output week.html --title 'Week 32'
  standpipe report --journal /srv/a --journal /srv/b --public-key seals.pub --output both.html

\b
Exit status: 0 the page was written, whatever its verdict; 2 a source cannot
be read, the page cannot be written, or a library is missing; 64 the command
line is wrong.
What the page shows, and how to read it: docs/report.md.
"""


@click.command("report", epilog=EPILOG)
@click.option("--output", metavar="FILE", required=True, help="The HTML file to write.")
@click.option("--title", metavar="TEXT", default=TITLE, show_default=True, help="The page's heading.")
@click.option("--parquet", "exports", metavar="LOCATION", multiple=True, help="What `standpipe export` wrote.")
@click.option("--public-key", "public_keys", metavar="FILE", multiple=True, help="As for `standpipe verify`.")
@click.option("--accept-recorded", is_flag=True, help="As for `standpipe verify`.")
@click.option("--json", "json_wanted", is_flag=True, help="Say what was written as one JSON object.")
@source_options
@cleans_up
def command(
    *,
    output: str,
    title: str,
    exports: tuple[str, ...],
    public_keys: tuple[str, ...],
    accept_recorded: bool,
    json_wanted: bool,
    chosen: Chosen,
) -> None:
    """Write one HTML page: is it complete, what happened, who did it.

    The page needs no network and no script; light, dark and paper. Each figure names the query that computed it. The
    verdict is on all that a source holds; --since and --until limit the figures.
    """
    sources = Sources(
        journals=chosen.journals_beside(exports),
        archives=chosen.archives,
        exports=exports,
        since=chosen.since,
        until=chosen.until,
        prefix=chosen.prefix,
        archive=chosen.archive,
        room=chosen.room,
        keys=trusted_keys(public_keys),
        key_files=public_keys,
        accept_recorded=accept_recorded,
    )
    verifying, reading = TerminalProgress(), TerminalProgress("reading")
    try:
        written = write_report(
            sources, output, title=title, now=datetime.now(UTC), verifying=verifying, reading=reading
        )
    finally:
        verifying.close()
        reading.close()
    click.echo(json.dumps(asdict(written)) if json_wanted else escape_control(_words(written)))


def _words(written: Written) -> str:
    return f"{written.output}: {written.bytes:,} bytes, on {written.records:,} records: {written.verdict}"
