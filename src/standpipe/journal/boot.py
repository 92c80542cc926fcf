"""boot.json: whether capture stopped cleanly, and under which boot of the kernel it was writing.

The kernel's boot id changes with each boot, so another id together with ``clean: false`` means that the
page cache under the journal may have been lost: see "Power loss" in journal.layout. A missing or unreadable file
counts as unclean, under another boot.

``settings`` is what capture was told, for `standpipe status`; nothing decides by it but ``segment_hard_limit``.
"""

from __future__ import annotations

import json

from standpipe.journal.atomic import atomic_write

BOOT_ID_PATH = "/proc/sys/kernel/random/boot_id"  # random(4)


class Boot:
    """What boot.json says."""

    __slots__ = ("boot_id", "clean", "segment_hard_limit", "settings")

    def __init__(self, boot_id: str, segment_hard_limit: int, settings: dict[str, object], *, clean: bool) -> None:
        self.boot_id = boot_id
        self.clean = clean
        self.segment_hard_limit = segment_hard_limit
        self.settings = settings

    def write(self, path: str) -> None:
        """Write boot.json durably. Raises OSError."""
        entry: dict[str, object] = {
            "boot_id": self.boot_id,
            "clean": self.clean,
            "segment_hard_limit": self.segment_hard_limit,
        }
        entry.update(self.settings)
        atomic_write(path, json.dumps(entry).encode() + b"\n")


def current_boot_id() -> str:
    """Return the running kernel's boot id."""
    with open(BOOT_ID_PATH, encoding="ascii") as file:
        return file.read().strip()


def read(path: str) -> Boot | None:
    """Read boot.json; None where it is missing or not ours. Raises OSError for I/O trouble."""
    try:
        with open(path, "rb") as file:
            entry = json.loads(file.read())
        boot_id, clean, limit = entry.pop("boot_id"), entry.pop("clean"), entry.pop("segment_hard_limit")
    except (FileNotFoundError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    if not isinstance(limit, int) or limit <= 0:
        return None
    return Boot(str(boot_id), limit, entry, clean=clean is True)
