"""When a file's disk space may be given back, and which bytes. Pure.

Punching frees bytes that are in the journal and on disk there, and leaves the newest KEPT_BYTES of these alone: they
prove that the file is the one that we know (capture.proof).
"""

from __future__ import annotations

from standpipe.capture.source_map import KEPT_BYTES

BLOCK_BYTES = 4096  # the usual block; a range that ends inside a larger one frees less, and the next punch the rest
NEAR_LIMIT = 7 / 8  # of max_apparent_size: early enough to act, late enough to be rare

NONE, PUNCH, REOPEN = "none", "punch", "reopen"


def choose_way(wish: str, why_not_punch: str, why_not_reopen: str) -> tuple[str, str]:
    """Return (way, reason in words). wish: auto, punch, reopen or none; an empty why_not means that it can be done."""
    if wish == NONE:
        return NONE, "reclaim.way is none"
    if wish == PUNCH:
        return (NONE, why_not_punch) if why_not_punch else (PUNCH, "asked for")
    if wish == REOPEN:  # Vault may not have started yet: who asked for reopen is told when it cannot be done
        return REOPEN, why_not_reopen or "asked for"
    if not why_not_punch:
        return PUNCH, "the volume can punch holes"
    if not why_not_reopen:
        return REOPEN, why_not_punch
    return NONE, f"{why_not_punch}; {why_not_reopen}"


def punch_end(safe: int) -> int:
    """Return the source offset up to which may be punched, when everything before `safe` is on the journal's disk."""
    end = max(0, safe - KEPT_BYTES)
    return end - end % BLOCK_BYTES


def is_near_limit(apparent_size: int, max_apparent_size: int) -> bool:
    """Tell whether a file's size, which punching never makes smaller, nears its limit."""
    return apparent_size >= max_apparent_size * NEAR_LIMIT


# ---- Reopen: rename, SIGHUP, wait for the new file, finish the old one, unlink it. One step a state.

QUIET, RENAMED, SIGNALLED = "quiet", "renamed", "signalled"
RENAME, SIGNAL, RENAME_BACK, WAIT, SETTLE = "rename", "signal", "rename-back", "wait", "settle"

REAPPEAR_SECONDS = 10.0  # Vault handles SIGHUP in milliseconds, when it handles it at all
RETRY_SECONDS = 600.0  # after a reopen that failed: each try costs records' latency and a rename
UNUSED_SECONDS = 60.0  # without growth, where not every process can be seen


def reopen_step(state: str, *, path_is_there: bool, due: bool, ends_line: bool, since_seconds: float) -> str:
    """Return the next step.

    state: QUIET (the path leads to the file that is followed, or to a newer one), RENAMED (our name is on it and
    nobody was told), SIGNALLED. since_seconds: how long the state lasts. due: enough bytes wait to be given back.
    """
    if state == QUIET:
        return RENAME if due and path_is_there and ends_line else WAIT
    if path_is_there:
        return SETTLE
    if since_seconds >= REAPPEAR_SECONDS:
        return RENAME_BACK
    return SIGNAL if state == RENAMED else WAIT


def may_unlink(*, captured: bool, safe: bool, path_is_another: bool, unused: bool, rests_seconds: float) -> bool:
    """Tell whether a file that we renamed may go: all of it is on the journal's disk, and nobody writes to it."""
    return captured and safe and path_is_another and (unused or rests_seconds >= UNUSED_SECONDS)
