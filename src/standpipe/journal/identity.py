"""journal.json: who this journal is, and in which format. The first file read and the first one written.

A record's id carries the journal's id, so two journals can never give one id to two records. A journal that is created
anew gets a new id.
"""

from __future__ import annotations

import json
import os

from standpipe.errors import JournalError
from standpipe.journal.atomic import atomic_write, fsync_directory
from standpipe.journal.layout import DIRECTORY_MODE, FORMAT_VERSION, Layout
from standpipe.observe.log import utc_text

UUID_SOURCE = "/proc/sys/kernel/random/uuid"  # random(4): a new version 4 UUID at each read; importing uuid costs 1 MB


class Identity:
    """What journal.json says."""

    __slots__ = ("created", "format_version", "journal_id", "node", "predecessor")

    def __init__(self, journal_id: str, node: str, created: str, predecessor: str | None) -> None:
        self.format_version = FORMAT_VERSION
        self.journal_id = journal_id
        self.node = node
        self.created = created
        self.predecessor = predecessor

    def to_bytes(self) -> bytes:
        """Render journal.json."""
        entry = {
            "format": self.format_version,
            "journal": self.journal_id,
            "node": self.node,
            "created": self.created,
            "predecessor": self.predecessor,
        }
        return json.dumps(entry).encode() + b"\n"


def _parse(path: str, data: bytes) -> Identity:
    try:
        entry = json.loads(data)
        version = entry["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(
            f"{path} is not a journal's identity: {error}",
            "Restore the file from a copy; its `journal` member is the first part of every id in seals and sinks",
        ) from error
    if version != FORMAT_VERSION:
        raise JournalError(
            f"{path} says format {version!r}; this standpipe reads and writes format {FORMAT_VERSION};"
            " nothing was touched",
            "Install the version that wrote the journal, or a newer one (docs/format-versions.md)",
        )
    try:
        return Identity(entry["journal"], entry["node"], entry["created"], entry["predecessor"])
    except KeyError as error:
        raise JournalError(f"{path} has no member {error}", "Restore the file from a copy") from error


def read(layout: Layout) -> Identity:
    """Read journal.json. Raises JournalError where there is no journal, or none that we understand."""
    try:
        with open(layout.identity, "rb") as file:
            data = file.read()
    except OSError as error:
        raise JournalError(
            f"no journal at {layout.root}: {error.strerror}: {layout.identity}",
            "Name the journal's directory with --journal; `standpipe run` creates one",
        ) from error
    return _parse(layout.identity, data)


def _new_uuid() -> str:
    with open(UUID_SOURCE, encoding="ascii") as file:
        return file.read().strip()


def _make_directory(path: str) -> None:
    try:
        os.mkdir(path, DIRECTORY_MODE)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
        return
    fsync_directory(os.path.dirname(path) or ".")


def open_or_create(layout: Layout, node: str, now: float) -> Identity:
    """Return the journal's identity; create the journal where the directory is missing or empty.

    Raises JournalError where the directory holds segments but no journal.json, or cannot be used.
    """
    try:
        os.makedirs(os.path.dirname(layout.root) or "/", exist_ok=True)
        _make_directory(layout.root)
        if not os.path.exists(layout.identity):
            if os.path.isdir(layout.segments) and os.listdir(layout.segments):
                raise JournalError(
                    f"{layout.segments} holds files but {layout.identity} is missing",
                    "Restore journal.json from a copy, or name an empty directory with --journal",
                )
            atomic_write(layout.identity, Identity(_new_uuid(), node, utc_text(now), None).to_bytes())
        identity = read(layout)  # before anything else is touched: it may be a format that we do not know
        for directory in (layout.segments, layout.cursors, layout.deadletter):
            _make_directory(directory)
    except OSError as error:
        raise JournalError(
            f"cannot create the journal at {layout.root}: {error.strerror}: {error.filename}",
            "The directory must be writable by this user, on a volume of its own that outlives the container",
        ) from error
    return identity
