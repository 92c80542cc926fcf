"""The names beside a live file. Pure.

``<name>.<UTC>`` is an archive, ``<name>.<UTC>.zst`` a compressed one, with UTC as ``20261123T113223Z``; a second one
within one second has ``-1`` after it, and so on. A dot name is nothing that Vault or a shipper takes for an audit log::

    audit.log.20261123T113223Z          an archive
    audit.log.20261123T113223Z-1.zst    the second one of that second, compressed
    .audit.log.standpipe-rotate         how far we are (rotate.state)
    .audit.log.standpipe-rotate.lock    who works here
    .audit.log.standpipe-rotate.new     an archive that is not finished
    .audit.log.standpipe-rotate.zst     a compressed archive that is not finished
"""

from __future__ import annotations

import re
from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

STAMP_FORMAT = "%Y%m%dT%H%M%SZ"  # UTC, and sorts as text
COMPRESSED_SUFFIX = ".zst"
STAMP = re.compile(r"([0-9]{8}T[0-9]{6}Z)(?:-([1-9][0-9]{0,5}))?(\.zst)?")
NUMBER_MAX = 999_999  # archives within one second: the pattern's six digits


@dataclass(frozen=True, slots=True, order=True)
class Archive:
    """One archive, in the order of age. stamp: seconds since 1970; number: which one of that second."""

    stamp: int
    number: int
    name: str  # without .zst: a raw archive and its compressed form are one


def parse(live_name: str, name: str) -> tuple[Archive, bool] | None:
    """Return an archive of a live file, and whether the name is that of the compressed form; None for strangers."""
    if not name.startswith(live_name + "."):
        return None
    match = STAMP.fullmatch(name[len(live_name) + 1 :])
    if match is None:
        return None
    try:
        moment = datetime.strptime(match[1], STAMP_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None  # a 13th month: no name of ours
    archive = Archive(timegm(moment.timetuple()), int(match[2] or 0), name.removesuffix(COMPRESSED_SUFFIX))
    return archive, match[3] is not None


def archives(live_name: str, names: Iterable[str]) -> list[Archive]:
    """Return the archives among the names of a directory, the oldest first."""
    return sorted({found[0] for name in names if (found := parse(live_name, name)) is not None})


def free_name(live_name: str, stamp: int, taken: Collection[str]) -> str:
    """Return the name of the next archive: younger than every archive in taken, a directory's names.

    A clock that was set back must not make the newest archive the oldest one.
    """
    known = archives(live_name, taken)
    newest = known[-1] if known else None
    number = 0
    if newest is not None and stamp <= newest.stamp:
        stamp, number = newest.stamp, newest.number + 1
    if number > NUMBER_MAX:
        stamp, number = stamp + 1, 0
    text = datetime.fromtimestamp(stamp, UTC).strftime(STAMP_FORMAT)
    return f"{live_name}.{text}" + (f"-{number}" if number else "")


class Places:
    """The paths beside one live file; nothing here touches the disk."""

    __slots__ = ("compressing", "directory", "live", "lock", "name", "state", "temporary")

    def __init__(self, live: str) -> None:
        self.live = live
        head, _, self.name = live.rpartition("/")
        self.directory = head or "/"
        dot = f"{self.directory.rstrip('/')}/.{self.name}.standpipe-rotate"
        self.state = dot
        self.lock = dot + ".lock"
        self.temporary = dot + ".new"
        self.compressing = dot + COMPRESSED_SUFFIX

    def beside(self, name: str) -> str:
        """Return the path of a name in the live file's directory."""
        return f"{self.directory.rstrip('/')}/{name}"
