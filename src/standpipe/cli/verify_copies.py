"""`standpipe verify FILE…`: copies from downstream."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING

import click

from standpipe.cli.progress import TerminalProgress
from standpipe.errors import EXIT_NEGATIVE, EXIT_OK, EXIT_UNABLE, StandpipeError
from standpipe.evidence.copies import CopiesOptions, verify_copies
from standpipe.evidence.copies_json import copies_as_json
from standpipe.evidence.copies_text import copies_as_lines
from standpipe.evidence.copy_reference import read_seals
from standpipe.evidence.journal_check import COMPLETE, INCOMPLETE, UNKNOWN
from standpipe.evidence.trusted_keys import trusted_keys
from standpipe.evidence.verdict_text import unknown_as_json
from standpipe.observe.log import escape_control

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.cli.verify_options import VerifyOptions

STATUS_BY_VERDICT = {COMPLETE: EXIT_OK, INCOMPLETE: EXIT_NEGATIVE, UNKNOWN: EXIT_UNABLE}


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """The options of `standpipe verify` for copies alone."""

    seals: tuple[str, ...] = ()
    first: int | None = None
    last: int | None = None
    spill_directory: str | None = None


def copy_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options for copies; they arrive as one argument, `copy_options`."""

    @wraps(command)
    def with_options(
        *,
        seals: tuple[str, ...],
        first: int | None,
        last: int | None,
        spill_dir: str | None,
        **rest: object,
    ) -> int:
        return command(copy_options=CopyOptions(seals, first, last, spill_dir), **rest)

    decorated: Callable[..., int] = with_options
    for option in (
        click.option("--spill-dir", metavar="DIR", help="Copies: where to sort what is more than memory should hold."),
        click.option("--to", "last", metavar="OFFSET", type=click.IntRange(0), help="Copies: where they must end."),
        click.option(
            "--from", "first", metavar="OFFSET", type=click.IntRange(0), help="Copies: where they must begin."
        ),
        click.option("--seals", metavar="DIR", multiple=True, help="Copies: a journal or archive with the seals."),
    ):
        decorated = option(decorated)
    return decorated


def verify_copied_files(copies: tuple[str, ...], options: VerifyOptions, own: CopyOptions) -> int:
    """Verify files of records, `-` among them; print the verdict and return the exit status."""
    progress = TerminalProgress()
    try:
        result = verify_copies(copies, _as_options(options, own), progress)
    except StandpipeError as error:
        if options.json_wanted:
            click.echo(json.dumps(unknown_as_json(str(error))))
        raise
    finally:
        progress.close()
    if options.json_wanted:
        click.echo(json.dumps(copies_as_json(result)))
    else:
        for line in copies_as_lines(result, accept_recorded=options.accept_recorded):
            click.echo(escape_control(line))
    return STATUS_BY_VERDICT[result.verdict]


def _as_options(options: VerifyOptions, own: CopyOptions) -> CopiesOptions:
    given = read_seals(own.seals)
    return CopiesOptions(
        accept_recorded=options.accept_recorded,
        require_pairs=options.require_pairs,
        checks=options.checks,
        seals=given.seals,
        recorded=given.recorded,
        first=own.first,
        last=own.last,
        prefix=options.prefix or b"",
        spill_directory=own.spill_directory,
        keys=trusted_keys(options.public_keys),
    )
