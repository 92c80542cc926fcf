"""Every key of the config, declared once: path, kind, default, bounds, meaning.

Validation, docs/configuration.md and the list of unknown keys' near names all come from this table. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from standpipe.journal.layout import DEFAULT_JOURNAL


class Kind(Enum):
    """What a key's value is; the text is what a person reads."""

    TEXT = "text"
    PATH = "path"
    SIZE = "size"
    DURATION = "time"
    CHOICE = "choice"
    LABELS = "map of text to text"


@dataclass(frozen=True, slots=True)
class Key:
    """One key. Defaults and bounds are written as a person would write them in the file."""

    path: str
    kind: Kind
    meaning: str
    default: str | None = None
    default_text: str = ""  # says the default where it is not a fixed value
    choices: tuple[str, ...] = ()
    minimum: str = ""
    maximum: str = ""


MAX_SIZE_TEXT = "1024TiB"  # 1 PiB: far beyond any volume, far below off_t, so that sums cannot overflow
MIN_SEGMENT_TEXT = "4KiB"  # one page: a smaller file takes as much room
MIN_FSYNC_TEXT = "10ms"  # below it the disk would do nothing but sync
MAX_FSYNC_TEXT = "1h"  # a power loss costs up to this much
MIN_SEAL_TEXT = "1s"  # each seal is a file that stays as long as its segment
MAX_SEAL_TEXT = "366d"
MAX_AGE_TEXT = "36600d"  # a hundred years; more would overflow the kernel's timers
MAX_DEADLINE_TEXT = "1d"
MIN_RECLAIM_TEXT = "64KiB"  # each step costs an fdatasync; below this the disk would do little else

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
        "A segment with bytes in it is closed and sealed once capture opened it longer ago than this.",
        default="1h",
        minimum=MIN_SEAL_TEXT,
        maximum=MAX_SEAL_TEXT,
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
    Key(
        "sinks.<name>.type", Kind.CHOICE, "The kind of destination.", default_text="must be given", choices=("stdout",)
    ),
    Key(
        "sinks.<name>.format",
        Kind.CHOICE,
        "Bytes as Vault wrote them, our envelope in front, or Cloud Logging's fields in front.",
        default="raw",
        choices=("raw", "json", "gcp"),
    ),
    Key(
        "sinks.<name>.start",
        Kind.CHOICE,
        "Where a sink without a cursor begins in a journal that holds records already.",
        default_text="earliest",
        choices=("earliest", "latest"),
    ),
    Key(
        "sinks.<name>.add",
        Kind.LABELS,
        "Labels put on every record; for format gcp only.",
        default_text="none",
    ),
    Key(
        "shutdown.deadline",
        Kind.DURATION,
        "How long delivery may go on after Vault has ended.",
        default="20s",
        maximum=MAX_DEADLINE_TEXT,
    ),
)

NOT_IN_THIS_RELEASE: frozenset[str] = frozenset(
    {
        "journal.sign_key",
        "sinks.<name>.project",
        "sinks.<name>.select",
        "sinks.<name>.drop_fields",
        "sinks.<name>.deliver_seals",
        "observe",
    }
)
"""Keys of later releases: known by name, and refused. A release that brings one deletes its line."""

SINK_TYPES_NOT_IN_THIS_RELEASE: frozenset[str] = frozenset({"file", "gcp", "kafka", "loki", "otlp", "s3"})
"""Sink types of later releases: known by name, and refused."""

KEYS_BY_PATH: dict[str, Key] = {key.path: key for key in KEYS}


def child_names(template: str) -> tuple[str, ...]:
    """Return the names that may stand directly below a section, in the table's order; '' is the whole file.

    Names that are not in this release come last: they are known, and reported in their own words.
    """
    start = f"{template}." if template else ""
    paths = [key.path for key in KEYS] + sorted(NOT_IN_THIS_RELEASE)
    return tuple(dict.fromkeys(path[len(start) :].split(".")[0] for path in paths if path.startswith(start)))
