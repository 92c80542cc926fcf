"""`standpipe rotate`: a lossless stand-in for logrotate, beside somebody else's shipper."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

import click

from standpipe.capture.lease import nobody_writes
from standpipe.capture.volume import why_not_punch
from standpipe.observe.log import Log, utc_text
from standpipe.processes.keep import StopRequest
from standpipe.rotate import lock
from standpipe.rotate.content import open_regular
from standpipe.rotate.names import Places
from standpipe.rotate.rotator import Rotator, Settings
from standpipe.rotate.surroundings import Rotation, Surroundings, Words
from standpipe.rotate.watching import rotate_once, watch
from standpipe.rotate.way import WAYS, choose_way
from standpipe.units import parse_duration, parse_size
from standpipe.vault.process import Reloader, holders

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRESS_AFTER_SECONDS = 2.0  # shorter waits need no words
PROGRESS_EVERY_SECONDS = 0.5  # on a terminal
MESSAGE_EVERY_SECONDS = 10.0  # in a log
ERASE_LINE = "\r\x1b[K"  # ECMA-48: erase in line

EPILOG = """\b
Examples:
  standpipe rotate --file /vault/audit/audit.log --keep 7 --max-size 100MiB
  standpipe rotate --file /vault/audit/audit.log --watch --compress

\b
Exit status: 0 done, or nothing was due; with --watch, a signal came;
2 it could not be rotated, or another rotator works on the file;
64 the command line is wrong.
How it works, and what it promises: docs/rotate.md.
"""


class SystemClock:
    """The machine's time, and the signals that ask us to stop."""

    def __init__(self) -> None:
        """Take SIGTERM and SIGINT from now on where we wait, never in the middle of a step."""
        self._stop = StopRequest(supervised=False)

    def wall(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def steady(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Sleep, and return whether we were asked to stop."""
        return self._stop.came(seconds)


class Progress:
    """Says how far a step is, once it takes longer than a moment: a line on a terminal, else a message now and then."""

    def __init__(self, words: Words) -> None:
        """Begin with no step."""
        self._words = words
        self._terminal = sys.stderr.isatty()
        self._what = ""
        self._last_done = 0
        self._next_at = 0.0
        self._shown = False

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take note of a step and how much of it is done."""
        now = time.monotonic()
        if what != self._what or done < self._last_done:
            self.close()
            self._what, self._next_at = what, now + PROGRESS_AFTER_SECONDS
        self._last_done = done
        if now < self._next_at:
            return
        self._next_at = now + (PROGRESS_EVERY_SECONDS if self._terminal else MESSAGE_EVERY_SECONDS)
        text = f"{what}: {done * 100 // max(total, 1)} %"
        if self._terminal:
            self._shown = True
            click.echo(f"{ERASE_LINE}{text}", err=True, nl=False)
        else:
            self._words.tell(text)

    def close(self) -> None:
        """Take the line away."""
        if self._shown:
            click.echo(ERASE_LINE, err=True, nl=False)
        self._shown = False


def _parsed(parse: Callable[[str], float]) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    def callback(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
        try:
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


def _positive_size(text: str) -> int:
    size = parse_size(text)
    if size == 0:
        raise ValueError("a size of 0 would rotate for ever")
    return size


@click.command(name="rotate", epilog=EPILOG)
@click.option("--file", "path", metavar="PATH", required=True, help="The file that Vault's audit device writes.")
@click.option(
    "--keep", metavar="N", type=click.IntRange(min=1), default=7, show_default=True, help="How many archives stay."
)
@click.option(
    "--max-size",
    metavar="SIZE",
    default="100MiB",
    show_default=True,
    callback=_parsed(_positive_size),
    help="Rotate when so much is not archived yet. With punch, as much of what is archived stays in the file.",
)
@click.option(
    "--max-age", metavar="TIME", callback=_parsed(parse_duration), help="Delete archives older than this, too."
)
@click.option("--compress", is_flag=True, help="Compress archives with zstd, to PATH.<UTC>.zst.")
@click.option("--watch", "watching", is_flag=True, help="Look every second until SIGTERM, instead of once.")
@click.option(
    "--way",
    metavar="WAY",
    type=click.Choice(WAYS),
    default="auto",
    show_default=True,
    help="punch: no rename, no signal. reopen: rename and SIGHUP. auto: punch where it works, else reopen.",
)
@click.option("--signal-pid", metavar="PID", type=click.IntRange(min=1), help="reopen: the process that gets SIGHUP.")
@click.option("--pid-file", metavar="PATH", help="reopen: a file with that process's id, Vault's pid_file.")
@click.option("--json", "json_wanted", is_flag=True, help="Print a JSON object for each rotation on stdout.")
def command(  # noqa: PLR0913 — one for each option
    *,
    path: str,
    keep: int,
    max_size: int,
    max_age: float | None,
    compress: bool,
    watching: bool,
    way: str,
    signal_pid: int | None,
    pid_file: str | None,
    json_wanted: bool,
) -> int:
    """Rotate a live audit.log without losing a byte, beside a shipper of your own.

    What is in the file is archived beside it, once and whole; then its space is given back. Not for a file that
    `standpipe capture` or `standpipe sidecar` follows: they do this by themselves.
    """
    words = Words(Log("rotate"))
    clock = SystemClock()
    places = Places(os.path.abspath(path))
    held = lock.acquire(places)
    progress = Progress(words)
    try:
        descriptor = open_regular(places.live)  # anything else than a file is refused before anything is tried
        if descriptor is not None:
            os.close(descriptor)
        reloader = Reloader(signal_pid, pid_file)
        chosen, reason = choose_way(way, lambda: why_not_punch(places.live), reloader.why_not)
        words.tell(f"{places.live} is rotated by {chosen}: {reason}")
        around = Surroundings(clock, words, progress, reloader, holders, nobody_writes)
        rotator = Rotator(places, Settings(keep, max_size, max_age, compress, chosen), around)

        def report(rotation: Rotation) -> None:
            if json_wanted:
                click.echo(json.dumps(rotation.as_json(utc_text(time.time()), places.live)))
            else:
                words.tell(
                    f"archived bytes {rotation.start} to {rotation.end} of {places.live} as {rotation.file_name}"
                )

        return (watch if watching else rotate_once)(rotator, around, report)
    finally:
        progress.close()
        os.close(held)
