"""The look at every record of a journal, beside the digest, in the same read: torn ones, pairs, values in clear text.

Bytes come with their addresses, each segment in its turn. What was seen already is passed over, so a segment may be
handed in again, longer or in another form; addresses that are jumped over end the record under way. Memory holds
one line, at most (records.framing), and the halves that wait (evidence.open_halves).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from standpipe.records.framing import Framer, Record
from standpipe.records.pair_fields import JSONX_MESSAGE, is_jsonx, parse_pair_fields
from standpipe.records.raw_values import may_hold_raw_values, raw_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from standpipe.evidence.intervals import Interval
    from standpipe.evidence.pairing import Pairing, PairingFindings

EXAMPLES_MAX = 1000  # places that are listed, of each sort; the counts go on

_STRADDLING_MAX = 2  # records of a line that began in an earlier block: half an entry, and the one glued to it


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record with values in clear text: where it is, and the dotted names of the members, never the values."""

    start: int
    end: int
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordFindings:
    """What the records of one journal, or of one node's archive, say.

    ``records``: whole ones. ``torn``: ranges that are no record, the first EXAMPLES_MAX. ``unfinished``: the bytes at
    the end whose line has not ended yet. ``pairing``: None where pairs were not asked for. ``refused``: why
    these bytes cannot be told apart into records; empty where they can.
    """

    records: int
    torn_records: int
    torn_bytes: int
    torn: tuple[Interval, ...]
    unfinished: Interval | None
    raw_records: int
    raw: tuple[RawRecord, ...]
    pairing: PairingFindings | None
    refused: str = ""


class RecordPass:
    """Takes the bytes of one sequence of offsets (one journal) in their order. For one thread."""

    def __init__(self, node: str, *, prefix: bytes = b"", pairing: Pairing | None = None) -> None:
        """Name the node that halves are told with. Raises UsageError for a prefix that Vault cannot write.

        pairing: None where pairs are not asked for; otherwise it is finished by ``finish``.
        """
        self._node = node
        self._prefix = prefix
        self._pairing = pairing
        self._framer = Framer(0, prefix)
        self._position: int | None = None  # the next address wanted; None before the first byte
        self._records = 0
        self._torn_records = 0
        self._torn_bytes = 0
        self._torn: list[Interval] = []
        self._raw_records = 0
        self._raw: list[RawRecord] = []
        self._refused = ""

    def feed(self, address: int, data: bytes) -> None:
        """Take the bytes that stand at an address. Raises StandpipeError where waiting halves find no room."""
        if self._position is None:
            self._position = address
            self._framer = Framer(address, self._prefix)
        elif address > self._position:
            self._jump(address)
        elif address < self._position:
            data = data[self._position - address :]
        if data:
            self._position += len(data)
            self._take(self._framer.feed(data), suspect=may_hold_raw_values(data))

    def _jump(self, address: int) -> None:
        """Go on behind addresses that nobody has."""
        gap_start = self._position or 0
        self._take(self._framer.skip_to(address), suspect=True)
        if self._pairing is not None:
            self._pairing.gap(self._node, gap_start, address)
        self._position = address

    def finish(self) -> RecordFindings:
        """Return what was found. Nothing may be fed afterwards."""
        start = self._framer.offset
        rest = self._framer.finish()
        if rest and is_jsonx(rest[0].body):
            self._refused = JSONX_MESSAGE
        return RecordFindings(
            records=self._records,
            torn_records=self._torn_records,
            torn_bytes=self._torn_bytes,
            torn=tuple(self._torn),
            unfinished=(start, rest[-1].end) if rest else None,
            raw_records=self._raw_records,
            raw=tuple(self._raw),
            pairing=None if self._pairing is None else self._pairing.finish(),
            refused=self._refused,
        )

    def close(self) -> None:
        """Give back what waiting halves take, where ``finish`` is not reached."""
        if self._pairing is not None:
            self._pairing.close()

    def _take(self, records: Iterable[Record], *, suspect: bool) -> None:
        pairing, node = self._pairing, self._node
        for number, record in enumerate(records):
            if record.torn:
                self._take_torn(record)
            else:
                self._records += 1
                if pairing is not None:
                    pairing.take(node, record.offset, record.length, parse_pair_fields(record.body))
            if suspect or number < _STRADDLING_MAX:
                self._look_for_raw_values(record)

    def _take_torn(self, record: Record) -> None:
        if is_jsonx(record.body):
            self._refused = JSONX_MESSAGE
        self._torn_records += 1
        self._torn_bytes += record.length
        if len(self._torn) < EXAMPLES_MAX:
            self._torn.append((record.offset, record.end))
        if self._pairing is not None:
            self._pairing.gap(self._node, record.offset, record.end)

    def _look_for_raw_values(self, record: Record) -> None:
        names = raw_fields(record.body)
        if names:
            self._raw_records += 1
            if len(self._raw) < EXAMPLES_MAX:
                self._raw.append(RawRecord(record.offset, record.end, names))
