"""An archive, open for reading.

::

    archive = open_archive("s3://audit-archive/vault")
    for node in archive.nodes():
        for segment in node.segments():
            for block in node.blocks(segment):
                ...

Nothing is written, and nothing is believed: what a seal says of the bytes is for evidence to check.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING

from standpipe.archive.arrange import ArchivedSegment, Listing, NodeListing, arrange, in_order, with_seal
from standpipe.archive.location import FILE, ArchiveOptions, place_of
from standpipe.config_sinks import OBJECTS, SinkConfig
from standpipe.errors import ArchiveError, JournalError, SinkError
from standpipe.journal.seal import SEAL_BYTES_MAX
from standpipe.sinks.objects_content import unpacked
from standpipe.sinks.objects_contract import GoneError, ObjectStore, StoreError
from standpipe.sinks.objects_directory import DirectoryStore

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.sink_keys.objects_url import Place

SEALS_AT_ONCE = 16  # requests under way: a seal is 500 bytes, so the time of a round trip is all that it takes

DAMAGED_REMEDY = "Restore the object from a copy; its seal says which records it held"
REMEDY = "Check the location, the credentials in the environment, and that they may list and read"


class ObjectGoneError(ArchiveError):
    """An object that was listed is no longer there."""


class UndecodableError(JournalError):
    """An object's bytes are not what a compressed segment may hold."""


class ArchivedNode:
    """One node of an archive, as one listing showed it."""

    def __init__(self, archive: Archive, listing: NodeListing) -> None:
        self._archive = archive
        self.listing = listing
        self.cluster = listing.cluster
        self.node = listing.node

    @property
    def where(self) -> str:
        """Return how a person knows the node's place."""
        return f"{self._archive.where}/{self.listing.root}".rstrip("/")

    @cached_property
    def _segments(self) -> tuple[ArchivedSegment, ...]:
        with ThreadPoolExecutor(SEALS_AT_ONCE) as pool:
            return in_order(pool.map(self._archive.read_seal, self.listing.segments))

    def segments(self) -> tuple[ArchivedSegment, ...]:
        """Return the segments in order, journal after journal; the first call reads every seal. Raises ArchiveError."""
        return self._segments

    def blocks(self, segment: ArchivedSegment) -> Iterator[bytes]:
        """Yield a segment's raw bytes, in blocks of at most 1 MiB; see Archive.blocks."""
        return self._archive.blocks(segment)


class Archive:
    """See the module's docstring. where: how a person knows it."""

    def __init__(self, store: ObjectStore, location: tuple[str, ...]) -> None:
        self.where = store.where
        self._store = store
        self._location = location

    def list(self) -> Listing:
        """Look what is there. Raises ArchiveError."""
        try:
            return arrange(self._store.names(), self._location)
        except StoreError as error:
            raise _archive_error(error) from error

    def nodes(self) -> tuple[ArchivedNode, ...]:
        """Look what is there, and return the nodes by cluster and name. Raises ArchiveError."""
        return self.nodes_of(self.list())

    def nodes_of(self, listing: Listing) -> tuple[ArchivedNode, ...]:
        """Return the nodes of a listing."""
        return tuple(ArchivedNode(self, node) for node in listing.nodes)

    def read_seal(self, segment: ArchivedSegment) -> ArchivedSegment:
        """Return the segment with its seal, where there is one. Raises ArchiveError."""
        if not segment.seal_key:
            return segment
        data = bytearray()
        try:
            for piece in self._store.blocks(segment.seal_key):
                data += piece
                if len(data) > SEAL_BYTES_MAX:
                    break  # parse_seal says that it is too large
        except StoreError as error:
            raise _archive_error(error) from error
        return with_seal(segment, bytes(data))

    def blocks(self, segment: ArchivedSegment) -> Iterator[bytes]:
        """Yield a segment's raw bytes, in blocks of at most 1 MiB.

        Raises ObjectGoneError where the data is not there, UndecodableError where it cannot be unpacked, ArchiveError
        where it cannot be read. Damage may be found after some bytes were yielded.
        """
        if not segment.data_key:
            raise ObjectGoneError(f"{self.where} has no data of [{segment.base}, {segment.end})", DAMAGED_REMEDY)
        try:
            yield from unpacked(self._store.blocks(segment.data_key))
        except StoreError as error:
            raise _archive_error(error) from error
        except (zstd.ZstdError, EOFError) as error:
            why = str(error) or "its last frame is cut"
            raise UndecodableError(f"{segment.data_key} cannot be unpacked: {why}", DAMAGED_REMEDY) from error


def _archive_error(error: StoreError) -> ArchiveError:
    kind = ObjectGoneError if isinstance(error, GoneError) else ArchiveError
    return kind(error.retry.why, REMEDY)


def open_archive(location: str, options: ArchiveOptions | None = None) -> Archive:
    """Open an archive: a directory's path, or the objects sink's url. Connects to nothing.

    Raises UsageError where the location is none, ArchiveError where the options or the library cannot be used.
    """
    place = place_of(location, os.getcwd())
    parts = tuple(part for part in place.prefix.split("/") if part)
    if place.scheme == FILE:
        return Archive(DirectoryStore(place.prefix, ""), parts)
    return Archive(_open_cloud(place, options or ArchiveOptions()), parts)


def _open_cloud(place: Place, options: ArchiveOptions) -> ObjectStore:
    try:
        from standpipe.sinks.objects_store import READ_RETRIES, open_cloud  # noqa: PLC0415 - a library of an extra
    except ImportError as error:
        raise ArchiveError(
            f"reading {place.scheme}:// needs a library that cannot be loaded: {error}",
            "Run: pip install 'standpipe[objects]'",
        ) from error
    config = SinkConfig(
        "archive",
        OBJECTS,
        options={
            "region": options.region,
            "endpoint": options.endpoint,
            "account_name": options.account_name,
            "timeout": options.timeout_seconds,
            "tls.ca": options.ca,
        },
    )
    try:
        return open_cloud(config, place, {}, READ_RETRIES)
    except StoreError as error:
        raise _archive_error(error) from error
    except SinkError as error:
        raise ArchiveError(error.message, error.remedy) from error
