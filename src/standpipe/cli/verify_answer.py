"""How `standpipe verify` does its work and prints what came of it, whatever it was that it looked at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol, TypeVar

import click

from standpipe.cli.progress import TerminalProgress
from standpipe.errors import EXIT_NEGATIVE, EXIT_OK, EXIT_UNABLE, StandpipeError
from standpipe.evidence.journal_check import COMPLETE, INCOMPLETE, UNKNOWN
from standpipe.evidence.verdict_text import unknown_as_json
from standpipe.observe.log import escape_control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

STATUS_BY_VERDICT = {COMPLETE: EXIT_OK, INCOMPLETE: EXIT_NEGATIVE, UNKNOWN: EXIT_UNABLE}


class Judged(Protocol):
    """What a verification found."""

    @property
    def verdict(self) -> str:
        """Return COMPLETE, INCOMPLETE or UNKNOWN."""


Found = TypeVar("Found", bound=Judged)


def answer(
    work: Callable[[TerminalProgress], Found],
    as_json: Callable[[Found], Mapping[str, object]],
    as_lines: Callable[[Found], Iterable[str]],
    *,
    json_wanted: bool,
) -> int:
    """Do the work, print its result and return the exit status. Where it cannot be done, --json says so as well.

    Raises what work raises.
    """
    progress = TerminalProgress()
    try:
        found = work(progress)
    except StandpipeError as error:
        if json_wanted:
            click.echo(json.dumps(unknown_as_json(str(error))))
        raise
    finally:
        progress.close()
    if json_wanted:
        click.echo(json.dumps(as_json(found)))
    else:
        for line in as_lines(found):
            click.echo(escape_control(line))
    return STATUS_BY_VERDICT[found.verdict]
