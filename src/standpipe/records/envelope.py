"""Records as JSON objects with an envelope, which is put in front of the original object by splicing bytes.

What every destination with an envelope gets, and stdout in the formats ``json`` and ``gcp``::

    {"standpipe":{"id":"…","journal":"…","offset":n,"length":n,"after":n}, …the record's own members…}
    {"standpipe":{…,"torn":true},"raw":"…"}             a torn record whose bytes are UTF-8
    {"standpipe":{…,"torn":true},"raw_base64":"…"}      any other torn record
    {"standpipe":{…,"torn":true,"dropped":["*"]}}       a torn record whose bytes were withheld (records.dropping)
    {"standpipe":{…,"part":"2/3"},"raw":"…"}            a piece of a record, or of a seal, that is too large
    {"standpipe":{"id":"…-seal","journal":"…","kind":"seal","offset":n,"length":n},"seal":{…the seal file's object…}}

Within the envelope the order is: id, journal, kind, offset, length, after, torn, part, dropped, labels. ``dropped``
names the fields that were cut out for this destination, ``labels`` holds what the config adds.

An original object is never parsed and encoded again: from its first byte after ``{`` it appears verbatim, so numbers,
escapes, order and repeated keys stay as they are. A record that has a ``standpipe`` member of its own keeps it, as the
later one of two.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence

from standpipe.errors import UsageError
from standpipe.journal.layout import IDLE_DIGITS, OFFSET_DIGITS, record_id
from standpipe.records.framing import Record
from standpipe.records.made import Made, part_name
from standpipe.records.objects import JSON_WHITESPACE
from standpipe.records.pieces import (
    CHARACTER_BYTES_MAX,
    binary_piece,
    encode,
    is_text,
    raw_member,
    text_piece,
)

COPY_BYTES_MAX = 64 << 10
"""Up to here a second copy of a body costs less than not making it; beyond, it would cost memory."""

_QUOTE = ord('"')


class Envelope:
    """Puts the envelope of one journal around records; all that is the same for each of them is made once."""

    __slots__ = ("_journal", "_labels", "_line", "_object")

    def __init__(self, journal_id: str, labels: Mapping[str, str] | None = None) -> None:
        self._journal = encode(journal_id)[1:-1]
        self._labels = f',"labels":{encode(dict(labels))}' if labels else ""
        journal, labels_member = (text.replace("%", "%%") for text in (self._journal, self._labels))
        # One formatting of bytes is the fastest way known: an f-string needs encode(), and join makes more objects.
        head = (
            f'{{"standpipe":{{"id":"{journal}-%0{OFFSET_DIGITS}d","journal":"{journal}"'
            f',"offset":%d,"length":%d,"after":%d{labels_member}}}'
        ).encode("ascii")
        self._object = head + b",%b"
        self._line = head + b",%b\n"

    def line(self, record: Record, after: int) -> bytes:
        """Return the record with its envelope, as one line with its newline.

        ``after`` is the journal offset of the end of the previous record that was sent to the same sink.
        """
        body = record.body
        if record.torn or record.is_seal or record.dropped or len(body) > COPY_BYTES_MAX or body[1] != _QUOTE:
            return self._any(record, after, b"\n")
        offset = record.offset
        return self._line % (offset, offset, record.length, after, body[1:])

    def object(self, record: Record, after: int) -> bytes:
        """Return the same without the newline."""
        body = record.body
        if record.torn or record.is_seal or record.dropped or len(body) > COPY_BYTES_MAX or body[1] != _QUOTE:
            return self._any(record, after, b"")
        offset = record.offset
        return self._object % (offset, offset, record.length, after, body[1:])

    def parts(self, record: Record, after: int, part_bytes: int) -> Sequence[bytes]:
        """Return the record as objects, without newlines, of at most part_bytes each; they are made when asked for.

        A record that fits is one object, as `object` gives it. Otherwise each part has the whole envelope, a number
        like ``"2/3"``, and under ``raw`` a piece of the body, or under ``raw_base64`` where the body is not UTF-8.
        The decoded pieces, joined in order, are the body; no piece ends inside a character.

        Raises UsageError where part_bytes has no room for an envelope and one character.
        """
        if len(record.body) <= part_bytes:
            whole = self.object(record, after)
            if len(whole) <= part_bytes:
                return (whole,)
        text = is_text(record.body)
        key, piece_end = ("raw", text_piece) if text else ("raw_base64", binary_piece)
        digits = len(str(len(record.body) // part_bytes + 1))
        while True:
            most = 10**digits - 1
            room = part_bytes - len(self._part(record, after, f"{most}/{most}", key, ""))
            if room < CHARACTER_BYTES_MAX:
                msg = f"A record cannot be cut into parts of {part_bytes} bytes: its envelope alone needs most of them"
                raise UsageError(msg, "Allow larger parts, or add fewer labels")
            ends = [0]
            while ends[-1] < len(record.body) and len(ends) <= most + 1:
                ends.append(piece_end(record.body, ends[-1], room))
            if len(ends) - 1 <= most:
                return self._made_parts(record, after, ends, text=text)
            digits += 1

    def _made_parts(self, record: Record, after: int, ends: Sequence[int], *, text: bool) -> Made:
        """Return the parts of a record. ends: where its pieces end, from 0 on; text: see part."""
        count = len(ends) - 1

        def make(number: int) -> bytes:
            piece = record.body[ends[number] : ends[number + 1]]
            return self.part(record, after, part_name(number, count), piece, text=text)

        return Made(count, make)

    def part(self, record: Record, after: int, part: str, piece: bytes, *, text: bool) -> bytes:
        """Return one part. text: its record is UTF-8 as a whole; else base64 is used for all of its pieces."""
        if text:
            return self._part(record, after, part, "raw", encode(piece.decode())[1:-1])
        return self._part(record, after, part, "raw_base64", b64encode(piece).decode("ascii"))

    def _any(self, record: Record, after: int, end: bytes) -> bytes:
        """Return any record as an object and what ends it."""
        head = f'{{"standpipe":{self._envelope(record, after)}'
        body = record.body
        if record.is_seal:
            return b"".join((head.encode(), b',"seal":', body, b"}", end))
        if not record.torn:
            has_members = body[1] == _QUOTE or body[1:].lstrip(JSON_WHITESPACE) != b"}"
            return b"".join((head.encode(), b"," if has_members else b"", memoryview(body)[1:], end))
        if record.dropped:
            return f"{head}}}".encode() + end
        key, text = raw_member(body)
        return b"".join((f'{head},"{key}":"{text}"}}'.encode(), end))

    def _part(self, record: Record, after: int, part: str, key: str, text: str) -> bytes:
        return f'{{"standpipe":{self._envelope(record, after, part)},"{key}":"{text}"}}'.encode()

    def _envelope(self, record: Record, after: int, part: str = "") -> str:
        identity = record_id(self._journal, record.offset)
        if record.is_seal:  # its place among the seals is in the seal itself: it says where the next one begins
            start, place = f'"id":"{identity}{_seal_end(record)}","journal":"{self._journal}","kind":"seal"', ""
        else:
            start, place = f'"id":"{identity}","journal":"{self._journal}"', f',"after":{after}'
        torn = ',"torn":true' if record.torn else ""
        number = f',"part":"{part}"' if part else ""
        dropped = f',"dropped":{encode(record.dropped)}' if record.dropped else ""
        return (
            f'{{{start},"offset":{record.offset},"length":{record.length}{place}{torn}{number}{dropped}{self._labels}}}'
        )


def entry_id(record: Record, journal_id: str) -> str:
    """Return a record's id as every destination gets it; a seal's is that of its first offset with ``-seal``."""
    identity = record_id(journal_id, record.offset)
    return f"{identity}{_seal_end(record)}" if record.is_seal else identity


def _seal_end(seal: Record) -> str:
    """Return the end of a seal's id. Several idle seals have one offset, which may be that of a segment as well."""
    return f"-{seal.idle:0{IDLE_DIGITS}d}-seal" if seal.idle else "-seal"
