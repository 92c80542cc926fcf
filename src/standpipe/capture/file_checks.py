"""The pre-flight checks of a file as the source: its room, how the room is given back, who else writes to it."""

from __future__ import annotations

import os
import stat

from standpipe.capture.file_system import BLOCK_SHARING, name_of
from standpipe.capture.reclaim_plan import NONE, PUNCH, REOPEN, choose_way, is_near_limit
from standpipe.capture.volume import free_bytes, real_size, why_not_punch
from standpipe.preflight import Result, failed, ok, size_words, warning
from standpipe.vault.process import Reloader, holders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from standpipe.config_source import ReclaimConfig

PUNCH_REMEDY = "For punch: a volume with ext4, XFS, btrfs, tmpfs or overlay"
REOPEN_REMEDY = "For reopen: Vault's PID namespace, the right to signal it, and source.reclaim.pid_file where needed"


def _regular(path: str) -> os.stat_result | None:
    """Return a file's status; None where there is none, or something else: the check of the source tells of it."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, PermissionError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _existing(path: str) -> str:
    """Return the nearest part of a path that is there: its volume is the one that the path will be on."""
    while not os.path.exists(path) and path != "/":
        path = os.path.dirname(path)
    return path


def look_at_size(path: str, reclaim: ReclaimConfig) -> list[Result]:
    """Say how long a file is, what it takes, and what its volume has left. Raises OSError."""
    status = _regular(path)
    if status is None:
        return []
    free = free_bytes(path)
    found = (
        f"{size_words(status.st_size)} long, {size_words(real_size(status))} on the disk;"
        f" {size_words(free)} free on its volume ({name_of(path)})"
    )
    if reclaim.way != NONE and is_near_limit(status.st_size, reclaim.max_apparent_size_bytes):
        return [
            warning(
                "source-size",
                f"{found}; that is near source.reclaim.max_apparent_size,"
                f" {size_words(reclaim.max_apparent_size_bytes)}",
                "Let SIGHUP reach Vault, which then begins a new file, or rotate it yourself",
            )
        ]
    if reclaim.way != NONE and free < reclaim.at_bytes:
        return [
            warning(
                "source-size",
                f"{found}; that is less than source.reclaim.at, {size_words(reclaim.at_bytes)}, what reclaim waits for",
                "Make room on the volume, or lower source.reclaim.at",
            )
        ]
    return [ok("source-size", found)]


def look_at_reclaim(path: str, reclaim: ReclaimConfig) -> list[Result]:
    """Try which ways of giving space back work here. Raises OSError."""
    if reclaim.way == NONE:
        return [ok("reclaim", "none, as asked for: the file is only read, and somebody else gives its space back")]
    status = _regular(path)
    if status is None and (os.path.lexists(path) or not os.path.isdir(os.path.dirname(path))):
        return []
    reloader = Reloader(None, reclaim.pid_file)
    links = status.st_nlink if status is not None else 1
    return [reclaim_result(reclaim.way, why_not_punch(path), reloader.why_not(), links)]


def reclaim_result(wish: str, why_not_punch: str, why_not_reopen: str, links: int) -> Result:
    """Say which way is taken, and why; an empty why_not means that it can be done. Pure."""
    punch, reopen = (reason.rstrip(".") or "works here" for reason in (why_not_punch, why_not_reopen))
    way, _ = choose_way(wish, why_not_punch, why_not_reopen)
    asked = f"{wish} was asked for" if wish != "auto" else f"auto takes {way}"
    if links > 1:
        return failed(
            "reclaim",
            f"its space is never given back: the file has {links} names (hard links), and a reader of the other name"
            " would lose bytes",
            "Remove the other name (find -samefile), or give Vault a file of its own",
        )
    if way == NONE or (way == REOPEN and why_not_reopen):
        asked = f"{asked}. " if wish != "auto" else ""
        return failed(
            "reclaim",
            f"no way that may be taken works: the file will fill its volume. {asked}punch: {punch}. reopen: {reopen}",
            f"{PUNCH_REMEDY}. {REOPEN_REMEDY}",
        )
    other = f"reopen: {reopen}" if way == PUNCH else f"punch: {punch}"
    reason = "the volume can punch holes" if way == PUNCH else "SIGHUP reaches Vault"
    return ok("reclaim", f"{asked}: {reason}. {other}")


def look_at_writers(path: str, pause: Callable[[], None]) -> list[Result]:
    """Look who has the file open for writing; where it is more than one, look once more after a pause.

    A server may open its file twice for a moment at its start, and our own capture opens it while it punches. Raises
    OSError.
    """
    status = _regular(path)
    if status is None:
        return []
    first = holders(status.st_dev, status.st_ino)
    writers, complete = first.writers, first.complete
    if len(writers) > 1:
        pause()
        second = holders(status.st_dev, status.st_ino)
        writers = _in_both(writers, second.writers)
        complete = complete and second.complete
    return [writers_result(writers, complete=complete)]


def _in_both(one: list[int], other: list[int]) -> list[int]:
    """Return each process as often as it is in both."""
    return [pid for pid in sorted(set(one)) for _ in range(min(one.count(pid), other.count(pid)))]


def writers_result(writers: list[int], *, complete: bool) -> Result:
    """Say who writes; a process stands there once for each descriptor. Pure."""
    scope = "" if complete else ", among the processes that we may look into"
    if not writers:
        return ok("writers", f"nobody has it open for writing{scope}")
    if len(writers) == 1:
        return ok("writers", f"process {writers[0]} alone has it open for writing{scope}")
    pids = sorted(set(writers))
    if len(pids) == 1:
        return warning(
            "writers",
            f"process {pids[0]} has it open for writing {len(writers)} times: two audit devices on one path, or a"
            " server that has just started",
            "`vault audit list -detailed`: give each device a path of its own. If there is but one, check again later",
        )
    return warning(
        "writers",
        f"{len(pids)} processes have it open for writing: {', '.join(map(str, pids))}{scope}",
        "Only one server may write to it: its records and the others' would be mixed",
    )


def look_at_shared_volume(path: str, journal: str) -> list[Result]:
    """Say what follows where source and journal are on one volume. Raises OSError."""
    source, journal = _existing(path), _existing(journal)
    if os.stat(source).st_dev != os.stat(journal).st_dev:
        return [ok("shared-volume", "source and journal are on different volumes")]
    return [shared_volume_result(name_of(source))]


def shared_volume_result(file_system: str) -> Result:
    """Say what follows from one volume of this kind. Pure."""
    sharing = ""
    if file_system in BLOCK_SHARING:
        sharing = (
            f" {file_system} can share blocks between files; standpipe copies without sharing any, so a punch frees at"
            " once, but for what a snapshot or somebody's reflinked copy still holds."
        )
    return warning(
        "shared-volume",
        f"source and journal are on one volume: where it is full, Vault's writes fail as well.{sharing}",
        "Give the journal a volume of its own, or keep journal.max_size well below what this one has",
    )
