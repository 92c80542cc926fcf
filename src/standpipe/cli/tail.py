"""`standpipe tail`: the requests as they go by, one readable line each."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from standpipe.analysis.tail import TailSettings, tail_journal, tail_stream
from standpipe.analysis.tail_filter import Wish
from standpipe.analysis.tail_line import WIDE_COLUMNS, as_line, as_object, date_of
from standpipe.analysis.tail_notice import notice_as_object, notice_as_text
from standpipe.analysis.tail_pairs import Exchange
from standpipe.cli.progress import TerminalProgress
from standpipe.delivery.edges import parse_time
from standpipe.journal.layout import DEFAULT_JOURNAL, Layout
from standpipe.observe.log import Log, escape_control
from standpipe.units import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from standpipe.analysis.tail import Shown

STDIN = 0
NANOSECONDS = 10**9

EPILOG = """\b
Examples:
  standpipe tail                                       the last ten requests, and what comes
  standpipe tail --errors --since 1h                   what failed in the last hour, and what fails now
  standpipe tail --path 'secret/data/prod/*' --who bob --no-follow
  kubectl logs -f vault-0 | standpipe tail -           a stream, raw or with an envelope
  standpipe tail --no-follow --json | jq .duration_ms  for a script

\b
Exit status: 0 the end was reached; 2 the journal or the stream cannot be read;
64 the command line is wrong.
Every column: docs/tail.md.
"""


def _since(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    """Read a time, or how long ago, as Unix nanoseconds; a callback of click. Raises BadParameter."""
    if value is None:
        return None
    moment = parse_time(value)
    if moment is not None:
        return int(moment.timestamp() * NANOSECONDS)
    try:
        return int((time.time() - parse_duration(value)) * NANOSECONDS)
    except ValueError as error:
        message = f"{value!r} is neither a time, as 2026-01-31T12:00:00Z, nor how long ago, as 15m, 2h or 7d."
        raise click.BadParameter(message) from error


def _painted(text: str, **style: Any) -> str:  # noqa: ANN401 - click.style's own keywords
    return click.style(escape_control(text), **style)


def _plain(text: str, **_style: object) -> str:
    return escape_control(text)


class Screen:
    """Writes what is shown to stdout."""

    def __init__(self, *, json_wanted: bool, colours: bool) -> None:
        """Look at what stdout is."""
        self._json = json_wanted
        self._is_terminal = sys.stdout.isatty()
        self._paint = _painted if colours else _plain
        self._is_narrow = self._is_terminal and shutil.get_terminal_size().columns < WIDE_COLUMNS
        self._date = ""
        self.foreign = 0
        self.progress = TerminalProgress("reading")

    def show(self, items: Iterable[Shown]) -> None:
        """Write lines, and let them go out."""
        lines = [line for item in items for line in self._lines(item)]
        if lines:
            self.progress.close()
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()

    def _lines(self, item: Shown) -> list[str]:
        if isinstance(item, Exchange):
            if self._json:
                return [json.dumps(as_object(item))]
            date = date_of(item) if self._is_terminal else ""
            is_new, self._date = date != self._date, date
            head = [self._paint(f"── {date} (UTC)", dim=True)] if is_new and date else []
            return [*head, as_line(item, self._paint, with_date=not self._is_terminal, narrow=self._is_narrow)]
        if not item.journal:  # a server's own messages in the same stream
            self.foreign += 1
            return []
        if self._json:
            return [json.dumps(notice_as_object(item))]
        return [self._paint(notice_as_text(item), fg="magenta", bold=True)]


@click.command("tail", epilog=EPILOG)
@click.argument("stream", required=False, metavar="[-]", type=click.Choice(["-"]))
@click.option("--journal", metavar="DIR", default=DEFAULT_JOURNAL, show_default=True, help="The journal's directory.")
@click.option("--path", "paths", metavar="GLOB", multiple=True, help="Only these paths; `*` matches slashes too.")
@click.option("--who", metavar="TEXT", multiple=True, help="Only who has this in a name, id, policy or address.")
@click.option("--op", "operations", metavar="OP", multiple=True, help="Only this operation: read, list and so on.")
@click.option("--errors", is_flag=True, help="Only what was denied, failed, or has no response.")
@click.option("--since", metavar="TIME", callback=_since, help="Begin at a time, or so long ago: 15m.")
@click.option("--no-follow", is_flag=True, help="Show what is there and stop; without --since, all of it.")
@click.option("--prefix", metavar="TEXT", help="The audit device's `prefix`, where it has one.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object for each request.")
@click.option("--no-color", is_flag=True, help="No colours on a terminal. NO_COLOR in the environment does the same.")
def command(  # noqa: PLR0913 - one for each option
    *,
    stream: str | None,
    journal: str,
    paths: tuple[str, ...],
    who: tuple[str, ...],
    operations: tuple[str, ...],
    errors: bool,
    since: int | None,
    no_follow: bool,
    prefix: str | None,
    json_wanted: bool,
    no_color: bool,
) -> None:
    """Show requests as they go by: one line each, request and response together.

    Follows a live journal, or reads lines from stdin for `-`. Options that are given more than once are alternatives.
    """
    settings = TailSettings(Wish(paths, who, operations, errors, since), not no_follow, (prefix or "").encode())
    colours = sys.stdout.isatty() and not no_color and not os.environ.get("NO_COLOR")
    screen = Screen(json_wanted=json_wanted, colours=colours)
    try:
        if stream is None:
            tail_journal(Layout(os.path.abspath(journal)), settings, screen.show, screen.progress)
        else:
            tail_stream(STDIN, settings, screen.show)
    finally:
        screen.progress.close()
    if screen.foreign:
        Log("tail").warning("some lines are no audit records; they were passed over", lines=screen.foreign)
