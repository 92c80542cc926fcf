"""Records that peers like to damage, and batches of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.records.framing import Record
from standpipe.sinks.base import Context

if TYPE_CHECKING:
    from collections.abc import Sequence


JOURNAL = "6f3c8f0e-5a0d-4b7e-9f43-2f1f0d9f7c11"
CONTEXT = Context(JOURNAL, "vault-0")
START = b'{"time":"2026-11-23T15:00:00.123456789Z","type":"request",'

ODD_BODIES = (
    START + b'"n":[9007199254740993,18446744073709551616,1e400,1.0,1,-0,0.1e-2]}',
    START + b'"z":1,"a":{"y":2,"b":3},"z":4}',
    START + 'text":"é 漢 𝄞 \u2028 \ufeff"}'.encode().replace(b"text", b'"text', 1),
    START + b'"escaped":"\\u0000\\u001b[31m\\n\\t\\ud834\\udd1e \\/ %s %m <13>"}',
    START + b'"delete":"\x7f",\t "spaced" :  [ ] }',
    START + b'"error":"permission denied","pipe":"|","quote":"\\"]\\\\"}',
    b"{}",
    b"{ }",
)
TORN_BODIES = (b'{"time":"2026-11-23T15:00:00Z","ty', b"\xff\x00\x1b\xfe", b"")


def records(bodies: Sequence[bytes], start: int = 0, *, torn: bool = False) -> list[Record]:
    """Return records that tile from an offset on."""
    made: list[Record] = []
    for body in bodies:
        made.append(Record(start, len(body) + 1, body, torn=torn))
        start = made[-1].end
    return made


def numbered(count: int, start: int = 0, size: int = 200) -> list[Record]:
    """Return so many records that differ."""
    return records([START + b'"number":%d,"x":"%s"}' % (n, b"x" * size) for n in range(count)], start)


def ids_of(sent: Sequence[Record]) -> list[str]:
    """Return their ids."""
    return [f"{JOURNAL}-{record.offset:020d}" for record in sent]
