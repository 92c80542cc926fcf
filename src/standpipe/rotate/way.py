"""Which way a file is rotated, and why. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.rotate.plan import Way

WAYS = ("auto", "punch", "reopen")


def choose_way(asked: str, why_not_punch: Callable[[], str], why_not_reopen: Callable[[], str]) -> tuple[Way, str]:
    """Return the way and the reason for it. Raises SourceError where there is none.

    asked: one of WAYS. The other two return "" where that way works, else a sentence.
    """
    if asked == "reopen":
        return "reopen", "asked for"  # whether a signal can be sent is seen when one has to be
    no_punch = why_not_punch()
    if not no_punch:
        return "punch", "asked for" if asked == "punch" else "holes can be punched into it"
    if asked == "punch":
        raise SourceError(f"punch does not work here: {no_punch}", "Try --way auto, which says whether reopen does")
    no_reopen = why_not_reopen()
    if no_reopen:
        raise SourceError(
            f"there is no way to rotate without loss. punch: {no_punch}. reopen: {no_reopen}",
            "Put the file on ext4, XFS, btrfs or tmpfs, or let us signal Vault (docs/rotate.md)",
        )
    return "reopen", no_punch
