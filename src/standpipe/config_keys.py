"""Every key of the config, declared once: path, kind, default, bounds, meaning.

Validation, docs/configuration.md and the list of unknown keys' near names all come from this table. What only one type
of sink has stands in sink_keys.<type>, and is read only where that type is configured. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from standpipe.journal.layout import DEFAULT_JOURNAL

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(Enum):
    """What a key's value is; the text is what a person reads."""

    TEXT = "text"
    PATH = "path"
    SIZE = "size"
    DURATION = "time"
    CHOICE = "choice"
    LABELS = "map of text to text"
    BOOLEAN = "true or false"
    INTEGER = "whole number"
    TEXTS = "list of texts"
    SECRET = "`{file: …}` or `{env: …}`"  # noqa: S105 - none is here


@dataclass(frozen=True, slots=True)
class Key:
    """One key. Defaults and bounds are written as a person would write them in the file; a list's as ``a, b``.

    A sink type's own key has the path below the sink, such as ``tls.ca``. `choices` hold for CHOICE, and for each text
    of TEXTS.
    """

    path: str
    kind: Kind
    meaning: str
    default: str | None = None
    default_text: str = ""  # says the default where it is not a fixed value
    choices: tuple[str, ...] = ()
    minimum: str = ""
    maximum: str = ""
    required: bool = False


MAX_SIZE_TEXT = "1024TiB"  # 1 PiB: far beyond any volume, far below off_t, so that sums cannot overflow
MIN_SEGMENT_TEXT = "4KiB"  # one page: a smaller file takes as much room
MIN_FSYNC_TEXT = "10ms"  # below it the disk would do nothing but sync
MAX_FSYNC_TEXT = "1h"  # a power loss costs up to this much
MIN_SEAL_TEXT = "1s"  # each seal is a file that stays as long as its segment
MAX_SEAL_TEXT = "366d"
MAX_AGE_TEXT = "36600d"  # a hundred years; more would overflow the kernel's timers
MAX_DEADLINE_TEXT = "1d"
MIN_RECLAIM_TEXT = "64KiB"  # each step costs an fdatasync; below this the disk would do little else

MIN_BATCH_TEXT = "1KiB"  # smaller than a usual record: each would be sent alone
MAX_BATCH_TEXT = "64MiB"  # it is held in memory, once for each batch in flight
MAX_BATCH_RECORDS_TEXT = "1000000"
MAX_BATCH_AGE_TEXT = "1h"  # nothing is acknowledged, and so nothing deleted, before it
MAX_IN_FLIGHT_TEXT = "64"  # each takes a thread, a connection and a batch's memory

SINK = "sinks.<name>"
"""How paths name any sink."""

SINK_TYPES = ("stdout", "gcp", "fluent", "otlp", "kafka", "objects", "syslog", "http", "file")

KEYS: tuple[Key, ...] = (
    Key(
        "source.fifo",
        Kind.PATH,
        "The FIFO that Vault's audit device writes to.",
        default_text="none; `--fifo` gives it",
    ),
    Key(
        "source.file",
        Kind.PATH,
        "The file that Vault's audit device writes to.",
        default_text="none; `--file` gives it",
    ),
    Key("source.prefix", Kind.TEXT, "Vault's `prefix` option: kept in raw, stripped for parsing.", default=""),
    Key(
        "source.reclaim.way",
        Kind.CHOICE,
        "How the file's disk space is given back: holes are punched, or Vault reopens its file; auto takes what works.",
        default="auto",
        choices=("auto", "punch", "reopen", "none"),
    ),
    Key(
        "source.reclaim.at",
        Kind.SIZE,
        "How many captured bytes the file may take on the disk before they are given back.",
        default="8MiB",
        minimum=MIN_RECLAIM_TEXT,
        maximum=MAX_SIZE_TEXT,
    ),
    Key(
        "source.reclaim.max_apparent_size",
        Kind.SIZE,
        "Punched holes leave the file's length as it is; at this length Vault reopens its file, if it can be told to.",
        default="1TiB",
        maximum=MAX_SIZE_TEXT,
    ),
    Key(
        "source.reclaim.pid_file",
        Kind.PATH,
        "Where Vault writes its process id, so that SIGHUP reaches it.",
        default_text="none; Vault is looked for among the processes",
    ),
    Key("journal.path", Kind.PATH, "The journal's directory.", default=DEFAULT_JOURNAL),
    Key(
        "journal.segment_size",
        Kind.SIZE,
        "A segment is closed at the first record's end at or beyond this size.",
        default_text="max_size / 8, at least 64KiB, at most 64MiB",
        minimum=MIN_SEGMENT_TEXT,
        maximum=MAX_SIZE_TEXT,
    ),
    Key(
        "journal.max_size",
        Kind.SIZE,
        "The cap on the journal's bytes on disk.",
        default_text="10GiB, or half of what is free if that is less",
        maximum=MAX_SIZE_TEXT,
    ),
    Key(
        "journal.on_full",
        Kind.CHOICE,
        "What happens at the cap: Vault waits, or the oldest segment goes.",
        default="block",
        choices=("block", "drop-oldest"),
    ),
    Key(
        "journal.fsync",
        Kind.DURATION,
        "How long captured bytes may wait for the disk; a power loss costs at most this and the pipes.",
        default="1s",
        minimum=MIN_FSYNC_TEXT,
        maximum=MAX_FSYNC_TEXT,
    ),
    Key(
        "journal.seal_every",
        Kind.DURATION,
        "A segment with bytes in it is closed and sealed once capture opened it longer ago than this; while nothing "
        "comes, that is sealed as often.",
        default="1h",
        minimum=MIN_SEAL_TEXT,
        maximum=MAX_SEAL_TEXT,
    ),
    Key(
        "journal.sign_key",
        Kind.PATH,
        "The Ed25519 private key, in a PEM file, that signs each seal.",
        default_text="none; seals are not signed",
    ),
    Key(
        "journal.retain.age",
        Kind.DURATION,
        "Delivered segments are kept this long.",
        default="7d",
        maximum=MAX_AGE_TEXT,
    ),
    Key(
        "journal.retain.size",
        Kind.SIZE,
        "Delivered segments are kept up to this many bytes in all; never more than max_size.",
        default="5GiB",
        maximum=MAX_SIZE_TEXT,
    ),
    Key("sinks.<name>.type", Kind.CHOICE, "The kind of destination.", default_text="must be given", choices=SINK_TYPES),
    Key(
        "sinks.<name>.start",
        Kind.CHOICE,
        "Where a sink without a cursor begins: before the first record that the journal holds, or after the last.",
        default_text="earliest at the journal's very first start; latest where it delivers to other sinks already",
        choices=("earliest", "latest"),
    ),
    Key(
        "sinks.<name>.select.operations",
        Kind.TEXTS,
        "Only records with one of these `request.operation`.",
        default_text="every record",
    ),
    Key(
        "sinks.<name>.select.paths",
        Kind.TEXTS,
        "Only records whose `request.path`, with or without its namespace in front, begins with one of these.",
        default_text="every record",
    ),
    Key(
        "sinks.<name>.select.mount_types",
        Kind.TEXTS,
        "Only records whose request or response has one of these `mount_type`.",
        default_text="every record",
    ),
    Key(
        "sinks.<name>.select.namespaces",
        Kind.TEXTS,
        "Only records with one of these `request.namespace.path`; `root` stands for the namespace without a path.",
        default_text="every record",
    ),
    Key(
        "sinks.<name>.select.types",
        Kind.TEXTS,
        "Only records of these types.",
        default_text="every record",
        choices=("request", "response"),
    ),
    Key("sinks.<name>.select.errors", Kind.BOOLEAN, "Only records that have an `error`.", default="false"),
    Key(
        "sinks.<name>.drop_fields",
        Kind.TEXTS,
        "Members that are cut out of each record, such as `request.data`.",
        default_text="none",
    ),
    Key("sinks.<name>.add", Kind.LABELS, "Labels put on every record.", default_text="none"),
    Key(
        "sinks.<name>.deliver_seals",
        Kind.BOOLEAN,
        "Whether the journal's seals are delivered as well, as records of their own kind.",
        default_text="the type's: `false` for stdout",
    ),
    Key(
        "sinks.<name>.batch.size",
        Kind.SIZE,
        "The most bytes that are sent at once.",
        default_text="the type's",
        minimum=MIN_BATCH_TEXT,
        maximum=MAX_BATCH_TEXT,
    ),
    Key(
        "sinks.<name>.batch.records",
        Kind.INTEGER,
        "The most records that are sent at once.",
        default_text="the type's",
        minimum="1",
        maximum=MAX_BATCH_RECORDS_TEXT,
    ),
    Key(
        "sinks.<name>.batch.age",
        Kind.DURATION,
        "How long an incomplete batch may wait for more records.",
        default_text="the type's",
        maximum=MAX_BATCH_AGE_TEXT,
    ),
    Key(
        "sinks.<name>.batch.in_flight",
        Kind.INTEGER,
        "How many batches may be under way at the same time.",
        default_text="the type's",
        minimum="1",
        maximum=MAX_IN_FLIGHT_TEXT,
    ),
    Key(
        "shutdown.deadline",
        Kind.DURATION,
        "How long delivery may go on after Vault has ended.",
        default="20s",
        maximum=MAX_DEADLINE_TEXT,
    ),
)

NOT_IN_THIS_RELEASE: frozenset[str] = frozenset({"observe"})
"""Keys of later releases: known by name, and refused. A release that brings one deletes its line."""

SINK_TYPES_NOT_IN_THIS_RELEASE: frozenset[str] = frozenset({"cloudwatch", "elasticsearch", "loki", "s3", "splunk"})
"""Sink types of later releases: known by name, and refused."""


@dataclass(frozen=True, slots=True)
class Table:
    """The keys by their path, and those that are known and refused, each with what is wrong and the remedy."""

    keys: Mapping[str, Key]
    refused: Mapping[str, tuple[str, str]]

    def child_names(self, template: str) -> tuple[str, ...]:
        """Return the names that may stand directly below a section, in the table's order; '' is the whole file.

        Names that are refused come last: they are known, and reported in their own words.
        """
        start = f"{template}." if template else ""
        paths = (*self.keys, *sorted(self.refused))
        return tuple(dict.fromkeys(path[len(start) :].split(".")[0] for path in paths if path.startswith(start)))


TABLE = Table(
    {key.path: key for key in KEYS},
    dict.fromkeys(NOT_IN_THIS_RELEASE, ("is not in this release", "Delete the key")),
)
"""The whole config but the keys that only one type of sink has."""
