"""A record that is larger than its destination takes at once goes in parts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from standpipe.errors import UsageError
from standpipe.sinks.base import Unfit

if TYPE_CHECKING:
    from collections.abc import Callable

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
    return parts if wrap is None else Wrapped(parts, wrap)


class Wrapped(Sequence[bytes]):
    """Payloads of parts, each made anew whenever it is asked for."""

    __slots__ = ("_parts", "_wrap")

    def __init__(self, parts: Sequence[bytes], wrap: Wrap) -> None:
        self._parts = parts
        self._wrap = wrap

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._parts)

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        """Make one, or some."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        return self._wrap(self._parts[number], f"{number + 1}/{len(self)}")
