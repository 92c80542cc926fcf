"""`standpipe verify FILE…`: copies from downstream."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING

import click

from standpipe.cli.verify_answer import answer
from standpipe.evidence.copies import CopiesOptions, verify_copies
from standpipe.evidence.copies_json import copies_as_json
from standpipe.evidence.copies_text import copies_as_lines
from standpipe.evidence.copy_reference import read_seals
from standpipe.evidence.trusted_keys import trusted_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.cli.verify_options import VerifyOptions


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
    return answer(
        lambda progress: verify_copies(copies, _as_options(options, own), progress),
        copies_as_json,
        lambda found: copies_as_lines(found, accept_recorded=options.accept_recorded),
        json_wanted=options.json_wanted,
    )


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
