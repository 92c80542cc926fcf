"""`standpipe export`: journals and archives as Parquet files."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from standpipe.analysis.export import export
from standpipe.analysis.locations import Wanted, sources_at
from standpipe.analysis.parquet_place import open_place
from standpipe.cli.endings import cleans_up
from standpipe.cli.progress import TerminalProgress
from standpipe.cli.sources import source_options
from standpipe.observe.log import escape_control

if TYPE_CHECKING:
    from standpipe.cli.sources import Chosen

EPILOG = """\b
Examples:
  standpipe export --parquet /srv/export                             the journal at /var/lib/standpipe
  standpipe export --parquet s3://lake/vault --archive s3://audit-archive/vault --since 2d
  standpipe query --parquet /srv/export --named hot-paths            ask what was exported

\b
Exit status: 0 done; 2 a journal or an archive cannot be read, a file cannot
be written, or a library is missing; 64 the command line is wrong.
The files, and how other engines read them: docs/export.md.
"""


@click.command("export", epilog=EPILOG)
@click.option(
    "--parquet", "target", metavar="DIR|URL", required=True, help="Where to: a directory, s3://, gs:// or az://."
)
@click.option("--json", "json_wanted", is_flag=True, help="Print what was written as one JSON object.")
@source_options
@cleans_up
def command(
    *,
    target: str,
    json_wanted: bool,
    chosen: Chosen,
) -> None:
    """Write the records to Parquet files, partitioned by date and node.

    One file for each segment and date; an export that is done again replaces each by the same. Segments that reach into
    --since and --until are written whole. Works on a live journal; what comes later is in the next export.
    """
    place = open_place(target, create=True)
    wanted = Wanted(chosen.since, chosen.until, chosen.prefix, chosen.archive, stretch_bytes=0)
    progress = TerminalProgress("exporting")
    try:
        sources = sources_at(chosen.locations(), wanted)
        done = export(sources, place, progress=progress, room=chosen.room)
    finally:
        progress.close()
    if json_wanted:
        click.echo(json.dumps(asdict(done)))
        return
    click.echo(escape_control(f"{done.records:,} records in {done.files:,} files, {done.bytes:,} bytes: {target}"))
