"""The journal on disk: the format, as prose, then as names.

A journal is one directory of plain files, readable with ``ls``, ``cat`` and ``zstdcat``. It holds one append-only
sequence of raw bytes, exactly as Vault wrote them. A byte's *offset* is its position in that sequence since the first
byte ever captured; offsets only grow, and an offset is never used for a second byte. ``FORMAT_VERSION`` is 1::

    journal.json                            who this journal is (journal.identity)
    boot.json                               was the last stop clean, and under which boot of the kernel (journal.boot)
    lock.capture  lock.keep  lock.ship      flock(2), one a role; the text inside is the holder's process id
    reserve                                 the second FIFO: bytes taken from Vault's FIFO and not yet in a segment
    source.json                             where the bytes stood in the files that were followed (capture.source_map)
    incidents.jsonl                         one JSON line for everything abnormal (journal.incidents)
    config.yaml                             the config that ship accepted last, for its restart and keep's (config_file)
    sinks.json                              the sinks, where each began, and what ails it now (journal.sink_entries)
    cursors/<sink>                          two checksummed slots, at 0 and at 4096 (journal.cursor)
    deadletter/<sink>.jsonl                 records that a sink will never take
    segments/<base>.log                     raw bytes; <base> is the offset of the file's first byte, 20 digits
    segments/<base>.log.zst                 the same bytes, compressed in independent frames (journal.frames)
    segments/<base>.seal.json               the manifest of a closed segment (journal.seal)
    segments/<base>.<n>.seal.json           the same of an interval in which nothing came; <n>: 6 digits, from 1
    segments/<base>.failed                  an fsync of this segment failed; the text inside is how far it was safe
    segments/next                           the file that will become the next segment; nobody reads it

**What a segment covers.** Segments are ordered by base. A segment covers ``[base, end)`` where ``end`` is the smaller
of ``base + size`` and the base of the segment after it. The second bound matters in one case only: after a failed
fsync the bytes that may not be on disk were copied to a new file whose base lies inside the old one; the copy counts.
Where ``base + size`` is smaller than the next base, the addresses between hold nothing: a *gap*, and every gap is
named by an incident and, once sealed, in a seal.

**A segment's life.** ``next`` is created ahead of time; it becomes ``<base>.log`` (rename, fsync of the directory)
before its first byte is written, so no byte is ever readable under a name that could be lost. Mode 0600 means that
capture may still write or sync it. Once another segment has taken over and the last fdatasync has succeeded, capture
sets mode 0400: *finished*. keep seals finished segments in order: first ``<base>.seal.json``, then, when
no sink is about to read it, ``<base>.log.zst``, and only then is ``<base>.log`` unlinked. Where both exist, both hold
the same bytes and ``.log`` is read. Retention unlinks the data first and the seal after it; the newest
seal always stays, because the next one links to it. While the last segment is empty and capture runs, keep
writes an *idle seal* each time that ``seal_every`` has passed since the newest seal: base and end are the journal's
end. Files whose name ends in ``.tmp`` are unfinished atomic writes; whoever owns the kind may unlink them at start-up.

**Cuts.** A segment is closed at the first newline at which it is at least ``segment_size`` long, so a record does not
straddle two segments, unless it would grow the segment past the *hard limit*, ``2 × segment_size``, or the
journal is out of room: then the cut falls inside the record, and readers join the two parts, because offsets go on.

**Power loss.** boot.json carries the kernel's boot id and the hard limit in force, durable before capture writes its
first byte. When capture starts under another boot id and the last stop was not clean, the page cache was lost, and
offsets beyond what survived may have been delivered already. No such offset can reach ``base + hard limit``
of the last segment; so the tail is finished as it is and the next segment begins exactly there. The skipped addresses
are a ``power-loss`` gap. Without a readable boot.json the limit is not known, and 2^40 addresses are skipped; the same
rules hold where a sink has acknowledged more than the journal holds, because somebody cut its tail off.

**Start-up is recovery.** The end of the journal is the end of the last segment, found by listing and stat;
nothing else stores a position. There is no other recovery path.
"""

FORMAT_VERSION = 1

DEFAULT_JOURNAL = "/var/lib/standpipe"  # the directory, where nobody names one

IDLE_DIGITS = 6  # of <n>; fixed width makes names sort in the order of the chain
IDLE_NUMBER_MAX = 10**IDLE_DIGITS - 1  # 114 years of silence at one seal an hour
SEGMENT_NUMBER = IDLE_NUMBER_MAX + 1  # a segment's own seal comes after the idle seals at its base

OFFSET_DIGITS = 20  # 10^20 bytes is 27,000 years at 100 MB/s; fixed width makes names and ids sort

SEGMENT_SUFFIX = ".log"
COMPRESSED_SUFFIX = ".log.zst"
SEAL_SUFFIX = ".seal.json"
FAILED_SUFFIX = ".failed"
NEXT_SEGMENT_NAME = "next"
TEMPORARY_SUFFIX = ".tmp"

OPEN_SEGMENT_MODE = 0o600  # capture may still write or sync it
FINISHED_SEGMENT_MODE = 0o400  # closed, and its last fdatasync succeeded
DIRECTORY_MODE = 0o700
FILE_MODE = 0o600

HARD_LIMIT_FACTOR = 2  # hard limit = factor × segment_size: room for the record that is under way at the soft limit

ROLES = ("capture", "keep", "ship")


def segment_file_name(base: int, suffix: str) -> str:
    """Return ``<base, 20 digits><suffix>``."""
    return f"{base:0{OFFSET_DIGITS}d}{suffix}"


def parse_segment_file_name(name: str) -> tuple[int, str] | None:
    """Split a name in ``segments/`` into base offset and suffix; None for ``next``, ``*.tmp`` and strangers."""
    digits, suffix = name[:OFFSET_DIGITS], name[OFFSET_DIGITS:]
    if len(digits) != OFFSET_DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    if suffix not in (SEGMENT_SUFFIX, COMPRESSED_SUFFIX, SEAL_SUFFIX, FAILED_SUFFIX):
        return None
    return int(digits), suffix


def seal_file_name(base: int, number: int) -> str:
    """Return a seal's name; number: of an idle seal, or SEGMENT_NUMBER."""
    if number == SEGMENT_NUMBER:
        return segment_file_name(base, SEAL_SUFFIX)
    return segment_file_name(base, f".{number:0{IDLE_DIGITS}d}{SEAL_SUFFIX}")


def parse_seal_file_name(name: str) -> tuple[int, int] | None:
    """Return a seal's place in the chain, (base, number); None for anything that is no seal.

    Places sort as the seals are chained: the idle seals at a base in order, then the segment's own.
    """
    digits, rest = name[:OFFSET_DIGITS], name[OFFSET_DIGITS:]
    if len(digits) != OFFSET_DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    if rest == SEAL_SUFFIX:
        return int(digits), SEGMENT_NUMBER
    number = rest[1:].removesuffix(SEAL_SUFFIX)
    if rest != f".{number}{SEAL_SUFFIX}" or len(number) != IDLE_DIGITS or not (number.isascii() and number.isdigit()):
        return None
    return (int(digits), int(number)) if int(number) else None


def record_id(journal_id: str, offset: int) -> str:
    """Return a record's identity, ``"<journal id>-<offset, 20 digits>"``: deterministic and sortable."""
    return f"{journal_id}-{offset:0{OFFSET_DIGITS}d}"


class Layout:
    """The paths of one journal; nothing here touches the disk."""

    __slots__ = (
        "boot",
        "config",
        "cursors",
        "deadletter",
        "identity",
        "incidents",
        "next_segment",
        "reserve",
        "root",
        "segments",
        "sinks",
        "source",
    )

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/") or "/"
        self.identity = f"{self.root}/journal.json"
        self.boot = f"{self.root}/boot.json"
        self.reserve = f"{self.root}/reserve"
        self.source = f"{self.root}/source.json"
        self.incidents = f"{self.root}/incidents.jsonl"
        self.segments = f"{self.root}/segments"
        self.next_segment = f"{self.segments}/{NEXT_SEGMENT_NAME}"
        self.config = f"{self.root}/config.yaml"
        self.sinks = f"{self.root}/sinks.json"
        self.cursors = f"{self.root}/cursors"
        self.deadletter = f"{self.root}/deadletter"

    def lock(self, role: str) -> str:
        """Return the path of a role's lock file."""
        return f"{self.root}/lock.{role}"

    def cursor(self, sink: str) -> str:
        """Return the path of a sink's cursor file."""
        return f"{self.cursors}/{sink}"

    def dead_letters(self, sink: str) -> str:
        """Return the path of a sink's dead letters."""
        return f"{self.deadletter}/{sink}.jsonl"

    def seal(self, base: int, number: int = SEGMENT_NUMBER) -> str:
        """Return the path of a seal: a segment's, or an idle one's."""
        return f"{self.segments}/{seal_file_name(base, number)}"

    def segment(self, base: int, suffix: str = SEGMENT_SUFFIX) -> str:
        """Return the path of a segment's data, compressed data, seal or failure mark."""
        return f"{self.segments}/{segment_file_name(base, suffix)}"
