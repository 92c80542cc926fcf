"""The pre-flight checks of the journal: whether it can be used, is ours, has room, and who works on it."""

from __future__ import annotations

import os

from standpipe.errors import JournalError
from standpipe.journal import identity, key_files, lock
from standpipe.journal.layout import HARD_LIMIT_FACTOR, ROLES, Layout
from standpipe.preflight import Check, Result, failed, ok, size_words, warning

DIRECTORY_REMEDY = "It must be a directory that this user may read and write, on a volume that outlives the container"
ROOM_REMEDY = "Lower journal.max_size, or give the journal a larger volume"


class Limits:
    """What the settings and the volume say, in bytes."""

    __slots__ = ("free", "max_size", "own", "segment_size")

    def __init__(self, max_size: int, segment_size: int, free: int, own: int) -> None:
        self.max_size = max_size
        self.segment_size = segment_size
        self.free = free  # on the journal's volume
        self.own = own  # what the journal takes of it already


def journal_checks(layout: Layout, limits: Limits, sign_key: str | None = None) -> list[Check]:
    """Return the checks of a journal, which need not exist yet. Nothing is made, and no lock is kept.

    sign_key: the file of the key that signs seals, None where they are not signed.
    """
    signing = [] if sign_key is None else [Check("sign-key", lambda: [sign_key_result(sign_key)])]
    return [
        Check("journal", lambda: [directory_result(layout.root)]),
        Check("journal-format", lambda: look_at_format(layout)),
        Check("journal-lock", lambda: look_at_locks(layout)),
        Check("journal-space", lambda: [space_result(limits)]),
        *signing,
    ]


def directory_result(root: str) -> Result:
    """Say whether a directory can be used, or made."""
    if not os.path.lexists(root):
        parent = os.path.dirname(root) or "."
        while not os.path.lexists(parent) and parent != "/":
            parent = os.path.dirname(parent) or "."
        if os.path.isdir(parent) and os.access(parent, os.W_OK | os.X_OK, effective_ids=True):
            return ok("journal", f"{root} is not there yet; it will be made")
        reason = (
            f"uid {os.geteuid()} may not write to {parent}" if os.path.isdir(parent) else f"{parent} is no directory"
        )
        return failed("journal", f"{root} is not there, and cannot be made: {reason}", DIRECTORY_REMEDY)
    if not os.path.isdir(root):
        return failed("journal", f"{root} is no directory", DIRECTORY_REMEDY)
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        return failed("journal", f"{root} is closed to uid {os.geteuid()}, or read-only", DIRECTORY_REMEDY)
    return ok("journal", f"{root}, a directory that we may write to")


def look_at_format(layout: Layout) -> list[Result]:
    """Say whether the journal is in our format; nothing where there is none yet. Raises OSError."""
    if not os.path.lexists(layout.identity):
        if os.path.isdir(layout.segments) and os.listdir(layout.segments):
            return [
                failed(
                    "journal-format",
                    f"{layout.segments} holds files but {layout.identity} is missing",
                    "Restore journal.json from a copy, or name an empty directory with --journal",
                )
            ]
        return []
    try:
        who = identity.read(layout)
    except JournalError as error:
        return [failed("journal-format", error.message, error.remedy)]
    return [ok("journal-format", f"format {who.format_version}, id {who.journal_id}, made {who.created} on {who.node}")]


def look_at_locks(layout: Layout) -> list[Result]:
    """Say who works on the journal. Raises OSError."""
    holders = {role: lock.holder(layout.lock(role)) for role in ROLES}
    return [lock_result({role: pid for role, pid in holders.items() if pid is not None})]


def lock_result(holders: dict[str, int]) -> Result:
    """Say who holds a lock, by role; a process id of 0 is unknown."""
    if not holders:
        return ok("journal-lock", "nobody works on it")
    who = ", ".join(f"{role} (process {pid or 'unknown'})" for role, pid in holders.items())
    return warning(
        "journal-lock",
        f"a standpipe works on it: {who}",
        "Right if that is the one you mean; a second one is refused",
    )


def sign_key_result(path: str) -> Result:
    """Say whether a key can sign. Raises OSError."""
    try:
        signer = key_files.read_signer(path)
    except JournalError as error:
        return failed("sign-key", f"{error.message}: nothing would be sealed", error.remedy)
    if key_files.is_exposed(path):
        found = f"{path}, key {signer.key_id}, can be read or changed by every user"
        return warning("sign-key", found, "Take the rights of others away: chmod o= (in Kubernetes: defaultMode 0440)")
    return ok("sign-key", f"{path}, key {signer.key_id}")


def space_result(limits: Limits) -> Result:
    """Say whether the cap fits the volume."""
    room = limits.free + limits.own
    found = (
        f"cap {size_words(limits.max_size)}, of which {size_words(limits.own)} are used;"
        f" {size_words(limits.free)} free on its volume"
    )
    if room < HARD_LIMIT_FACTOR * limits.segment_size:
        return failed("journal-space", f"{found}: not even room for one segment", ROOM_REMEDY)
    if room < limits.max_size:
        return warning("journal-space", f"{found}: the volume is full before the cap is reached", ROOM_REMEDY)
    return ok("journal-space", found)
