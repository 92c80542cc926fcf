"""An archive of whole segments in a store of objects: each segment and its seal exactly once.

A segment's name depends on it alone (sinks.objects_key), and objects are only ever created, never replaced. So a
second try finds what the first one left: the segment's object alone where it was killed between the two, or both. What
is there is believed only if it is ours: the data must unpack to what the seal says, the seal must be the same to the
byte. The seal is created last; where it is, its segment is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.errors import JournalError, SinkError, UsageError
from standpipe.journal.seal import Seal, parse_seal
from standpipe.preflight import Check
from standpipe.sink_keys.objects_url import parse_url
from standpipe.sinks.base import Delivered, Retry
from standpipe.sinks.objects_checks import CREATE_ONLY, PLACE, look, probe
from standpipe.sinks.objects_content import content_of, is_as_sealed
from standpipe.sinks.objects_contract import ObjectStore, StoreError
from standpipe.sinks.objects_directory import DirectoryStore
from standpipe.sinks.objects_key import NAME_BYTES_MAX, Keys, archive_root, keys_of, safe_name
from standpipe.sinks.objects_store import credentials, open_cloud
from standpipe.sinks.tls import FileMark, file_marks, tls_options

if TYPE_CHECKING:
    from standpipe.config_sinks import SinkConfig
    from standpipe.sinks.base import Context, SealedSegment

OBJECT_BYTES_MAX = 5000 << 20  # what one request creates: Azure's Put Blob takes 5,000 MiB, S3's PutObject 5 GiB

OpenedWith = tuple[dict[str, str], tuple[FileMark, ...]]


def open_sink(config: SinkConfig, context: Context) -> ObjectsSink:
    """Make the sink; connects to nothing. Raises UsageError."""
    return ObjectsSink(config, context)


class ObjectsSink:
    """See the module's docstring, and sinks.base.ArchiveSink."""

    def __init__(self, config: SinkConfig, context: Context) -> None:
        self._config = config
        self._journal_id = context.journal_id
        try:
            self._place = parse_url(config.text("url") or "")
        except ValueError as error:
            raise UsageError(f"sinks.{config.name}.url: {error}", "Correct it in the config") from error
        names = {"cluster": config.text("cluster") or "", "node": config.text("node") or context.node}
        for option, name in names.items():
            if not name or len(safe_name(name)) > NAME_BYTES_MAX:
                raise UsageError(
                    f"sinks.{config.name}.{option}: {name!r} cannot be a part of an object's name",
                    f"Give a name that is not empty and, escaped, not longer than {NAME_BYTES_MAX} bytes",
                )
        self._root = archive_root(names["cluster"], names["node"])
        self._store: ObjectStore | None = None
        self._opened_with: OpenedWith | None = None

    def put(self, segment: SealedSegment) -> Delivered | Retry:
        """Store a segment and its seal, or find that they are there already; see sinks.base.ArchiveSink."""
        try:
            if segment.idle:
                return _store_seal(self._open(), keys_of(self._root, self._seal_of(segment)).seal, segment.seal)
            seal, content = self._prepare(segment)
            return _store_both(self._open(), keys_of(self._root, seal), content, seal, segment.seal)
        except StoreError as error:
            return error.retry
        except (JournalError, SinkError) as error:
            return Retry(str(error), config_fault=True)

    def _prepare(self, segment: SealedSegment) -> tuple[Seal, list[bytes]]:
        """Return the seal and the object's content. Raises JournalError, and StoreError where the file has gone."""
        try:
            seal = self._seal_of(segment)
            content = content_of(segment, seal)
        except FileNotFoundError as error:
            raise StoreError(Retry(f"{segment.path} is gone: keep has compressed or deleted it")) from error
        except OSError as error:
            why = f"{segment.path} cannot be read: {error.strerror}"
            raise StoreError(Retry(why, config_fault=True)) from error
        if sum(map(len, content)) > OBJECT_BYTES_MAX:
            raise JournalError(
                f"{segment.path} is larger than the {OBJECT_BYTES_MAX >> 20} MiB that one request creates",
                "Make journal.segment_size smaller",
            )
        return seal, content

    def _seal_of(self, segment: SealedSegment) -> Seal:
        seal = parse_seal(segment.seal, f"the seal of {segment.path}")
        wanted = (segment.base, segment.end, segment.idle, self._journal_id)
        if (seal.base, seal.end, seal.idle or 0, seal.journal) != wanted:
            raise JournalError(
                f"the seal of {segment.path} is that of [{seal.base}, {seal.end}) of journal {seal.journal}",
                "Restore the file from a copy; `standpipe verify` says what it covered",
            )
        return seal

    def _open(self) -> ObjectStore:
        """Return the store, made anew where credentials have changed. Raises SinkError, StoreError."""
        if self._place.scheme == "file":
            if self._store is None:
                self._store = DirectoryStore(self._place.prefix, safe_name(self._journal_id))
            return self._store
        wanted = (credentials(self._config), file_marks(tls_options(self._config)))
        if self._store is None or self._opened_with != wanted:
            self._store = open_cloud(self._config, self._place, wanted[0])
            self._opened_with = wanted
        return self._store

    def checks(self) -> list[Check]:
        """See sinks.base.Sink; one small object is left behind, see sinks.objects_checks."""
        return [
            Check(PLACE, lambda: look(self._open)),
            Check(CREATE_ONLY, lambda: probe(self._open, self._root)),
        ]

    def close(self) -> None:
        """Let go of the store and its connections."""
        self._store = self._opened_with = None


def _store_both(
    store: ObjectStore, keys: Keys, content: list[bytes], seal: Seal, seal_bytes: bytes
) -> Delivered | Retry:
    """Create the data, then the seal, or see that they are there. Raises StoreError."""
    if not store.create(keys.data, content) and not is_as_sealed(store.blocks(keys.data), seal):
        return _another(store, keys.data)
    return _store_seal(store, keys.seal, seal_bytes)


def _store_seal(store: ObjectStore, key: str, seal_bytes: bytes) -> Delivered | Retry:
    """Create a seal, or see that it is there. Raises StoreError."""
    if not store.create(key, [seal_bytes]) and not _is_same(store, key, seal_bytes):
        return _another(store, key)
    return Delivered()


def _is_same(store: ObjectStore, key: str, content: bytes) -> bool:
    found = b""
    for piece in store.blocks(key):
        found += piece
        if len(found) > len(content):
            return False
    return found == content


def _another(store: ObjectStore, key: str) -> Retry:
    why = (
        f"another object is there: {store.where}/{key} is not this journal's segment; "
        "give this journal another cluster or node, or move the object away"
    )
    return Retry(why, config_fault=True)
