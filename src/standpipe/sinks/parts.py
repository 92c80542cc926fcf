"""A record that is larger than its destination takes at once goes in parts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.errors import UsageError
from standpipe.records.made import Made, part_name
from standpipe.sinks.base import Unfit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from standpipe.records.envelope import Envelope
    from standpipe.records.framing import Record

    Wrap = Callable[[bytes, str], bytes]


def parts_of(
    envelope: Envelope, record: Record, after: int, part_bytes: int, wrap: Wrap | None = None
) -> Sequence[bytes]:
    """Return the payloads of a record's parts; each is made when it is asked for.

    part_bytes: how large the object of a part may be, see Envelope.parts. wrap: makes a payload of such an object and
    its number (``2/3``); None where the object is the payload. Raises Unfit where labels and the names of dropped
    fields fill a part: how many were dropped, each record decides.
    """
    try:
        parts = envelope.parts(record, after, part_bytes)
    except UsageError as error:
        raise Unfit(str(error)) from error
    return parts if wrap is None else wrapped(parts, wrap)


def wrapped(parts: Sequence[bytes], wrap: Wrap) -> Sequence[bytes]:
    """Return what wrap makes of each part and its number, each made when it is asked for."""
    count = len(parts)
    return Made(count, lambda number: wrap(parts[number], part_name(number, count)))
