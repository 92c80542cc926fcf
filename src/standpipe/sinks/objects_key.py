"""Where a segment stands in an archive of objects: names that depend on the segment and the configuration alone. Pure.

::

    <prefix>/<cluster>/<node>/<date>/<base>-<end>.log.zst      the raw bytes, in the journal's frames (journal.frames)
    <prefix>/<cluster>/<node>/<date>/<base>-<end>.seal.json    its seal, to the byte as it is in the journal
    <prefix>/<cluster>/<node>/<date>/<base>-<end>.<n>.seal.json    an idle seal, which has no data: end is base
    <prefix>/<cluster>/<node>/standpipe-check                  left by `standpipe check` (sinks.objects_checks)

base and end are journal offsets with OFFSET_DIGITS digits, so names sort as records do. date is the UTC date of the
segment's first record; where no record in it has a time, that of sealing. Both stand in the seal, so a second try finds
the same name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from standpipe.journal.layout import COMPRESSED_SUFFIX, IDLE_DIGITS, OFFSET_DIGITS, SEAL_SUFFIX

if TYPE_CHECKING:
    from standpipe.journal.seal import Seal

PROBE_NAME = "standpipe-check"
NAME_BYTES_MAX = 200  # of an escaped name: file names have 255, a whole key 1,024 (S3)

ESCAPED = re.compile(rb"=([0-9A-F]{2})")
PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of one segment's two objects. An idle seal has no data: the name is empty."""

    data: str
    seal: str


def safe_name(name: str) -> str:
    """Return a name that is one part of a key and one file name everywhere, different for different names.

    Letters, digits, ``-``, ``_`` and ``.`` stay; every other byte of the UTF-8 becomes ``=XX`` (as in quoted-printable,
    RFC 2045: ``%`` would be escaped once more in URLs). A leading dot is escaped: ``.`` and ``..`` are no names.
    """
    data = name.encode("utf-8", "surrogateescape")
    escaped = "".join(chr(byte) if byte in PLAIN else f"={byte:02X}" for byte in data)
    return f"=2E{escaped[1:]}" if escaped.startswith(".") else escaped


def plain_name(safe: str) -> str:
    """Return the name of which `safe_name` made this; a text that it never makes is returned as it is."""
    try:
        name = ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), safe.encode()).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return safe
    return name if safe_name(name) == safe else safe


def utc_date(first_time: str | None, sealed_at: str) -> str:
    """Return ``YYYY-MM-DD`` in UTC of the first that is a time; a time without an offset is taken to be UTC."""
    for text in (first_time, sealed_at):
        try:
            moment = datetime.fromisoformat(text or "")
            moment = moment.astimezone(UTC) if moment.tzinfo else moment
        except (ValueError, OverflowError):
            continue
        return moment.date().isoformat()
    raise ValueError(f"sealed_at {sealed_at!r} is no time")


def archive_root(cluster: str, node: str) -> str:
    """Return what stands before the date; the store's own prefix is not part of it."""
    return "/".join(safe_name(name) for name in (cluster, node))


def keys_of(root: str, seal: Seal) -> Keys:
    """Return the names of a segment's data and seal, below the store's prefix."""
    date = utc_date(seal.first_time, seal.sealed_at)
    stem = f"{root}/{date}/{seal.base:0{OFFSET_DIGITS}d}-{seal.end:0{OFFSET_DIGITS}d}"
    if seal.idle is not None:
        return Keys("", f"{stem}.{seal.idle:0{IDLE_DIGITS}d}{SEAL_SUFFIX}")
    return Keys(stem + COMPRESSED_SUFFIX, stem + SEAL_SUFFIX)
