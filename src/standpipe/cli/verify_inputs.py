"""What the arguments of `standpipe verify` are: journals, archives, or files of records."""

from __future__ import annotations

import os
from dataclasses import dataclass

from standpipe.errors import UsageError
from standpipe.journal.layout import Layout

STANDARD_INPUT = "-"
URL_MARK = "://"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The arguments by kind, each in the order given. Where there are copies, there is nothing else."""

    journals: tuple[str, ...] = ()
    """Directories with a journal.json."""
    archives: tuple[str, ...] = ()
    """Other directories, and URLs."""
    copies: tuple[str, ...] = ()
    """Files, and `-` for standard input."""


def sort_inputs(arguments: tuple[str, ...]) -> Inputs:
    """Tell the arguments apart by what is there. Raises UsageError where copies are mixed with journals or archives."""
    journals = tuple(argument for argument in arguments if _is_journal(argument))
    archives = tuple(argument for argument in arguments if argument not in journals and _is_archive(argument))
    copies = tuple(argument for argument in arguments if argument not in journals and argument not in archives)
    if copies and (journals or archives):
        raise UsageError(
            f"cannot verify files ({copies[0]!r}) and directories ({(journals + archives)[0]!r}) in one go",
            "Verify them one after the other",
        )
    return Inputs(journals, archives, copies)


def _is_journal(argument: str) -> bool:
    return argument != STANDARD_INPUT and os.path.lexists(Layout(argument).identity)


def _is_archive(argument: str) -> bool:
    return argument != STANDARD_INPUT and (URL_MARK in argument or os.path.isdir(argument))
