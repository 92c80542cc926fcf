"""`standpipe replay`: sends a stretch of the journal to a sink again."""

from __future__ import annotations

import json
import sys
import time

import click

from standpipe.config_file import load_settings
from standpipe.errors import EXIT_NEGATIVE, EXIT_OK, UsageError
from standpipe.observe.log import Log
from standpipe.processes.replay import run_replay

PROGRESS_SECONDS = 2.0  # between two words on how far it is

EPILOG = """\b
Examples:
  standpipe replay --config F --sink cloud --from 2026-11-01T00:00:00Z --to 2026-11-02T00:00:00Z
  standpipe replay --config F --sink cloud --from 1048576 --to 2097152     offsets, as verify names them
  standpipe replay --sink stdout --from 0 > again.log                      without a config: raw, to stdout

\b
Exit status: 0 all of it was delivered; 1 some records are dead letters, or a
part of the range is lost in the journal itself; 2 the journal or the sink
cannot be used; 64 usage or config.
"""


class Told:
    """Says on stderr how far the replay is, now and then."""

    def __init__(self, log: Log) -> None:
        """Begin to count the time."""
        self._log = log
        self._next_at = time.monotonic() + PROGRESS_SECONDS

    def __call__(self, done: int, total: int) -> None:
        """Take note of the bytes that are done, and of all."""
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + PROGRESS_SECONDS
            self._log.info("replaying", done_bytes=done, total_bytes=total)


@click.command("replay", epilog=EPILOG)
@click.option("--sink", "sink_name", metavar="NAME", required=True, help="The sink of the config to send to.")
@click.option("--from", "start", metavar="OFFSET|TIME", required=True, help="The first record to send.")
@click.option("--to", "end", metavar="OFFSET|TIME", help="Send what begins before this.  [default: the journal's end]")
@click.option("--journal", metavar="DIR", help="The journal's directory.  [default: the config's; /var/lib/standpipe]")
@click.option(
    "--config", "config_path", metavar="FILE", help="A YAML config, for its sinks.  [default: one sink, stdout, raw]"
)
@click.option("--json", "json_wanted", is_flag=True, help="Say on stderr what was sent as one JSON object.")
def command(
    *, sink_name: str, start: str, end: str | None, journal: str | None, config_path: str | None, json_wanted: bool
) -> int:
    """Send what a sink was sent already again, record by record, with the same ids.

    The sink's own cursor does not move, and ship may be running: a destination that removes duplicates keeps one of
    each. `select`, `drop_fields` and everything else of the sink's config holds. Offsets are those of the journal;
    times are RFC 3339, and the record that is nearest after one counts.
    """
    config = load_settings(config_path, journal=journal)
    sink = next((sink for sink in config.sinks if sink.name == sink_name), None)
    if sink is None:
        names = ", ".join(sink.name for sink in config.sinks) or "none"
        raise UsageError(f"there is no sink {sink_name!r}", f"The config has: {names}")
    log = Log("replay")
    done = run_replay(config, sink, start, end, log, Told(log))
    facts = {
        "sink": sink_name,
        "from": done.start,
        "to": done.end,
        "delivered": done.delivered,
        "filtered": done.filtered,
        "dead_letters": done.dead_letters,
        "lost_bytes": done.lost_bytes,
    }
    if json_wanted:
        sys.stderr.write(json.dumps(facts) + "\n")
    else:
        log.info("sent again", **facts)
    return EXIT_NEGATIVE if done.dead_letters or done.lost_bytes else EXIT_OK
