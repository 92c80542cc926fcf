"""Lines that were cut come together again: a container runtime's pieces, JSON printed over many lines. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standpipe.evidence.unwrap import Carrier

JOINED_BYTES_MAX = 256 << 20  # of one line that is joined: what copy_input takes as one line
LINE_OVERHEAD_BYTES = 48  # of a piece that is held, beside its bytes: they may be short, and very many


@dataclass(slots=True)
class PieceJoiner:
    """Joins the pieces of long lines: CRI's tag P, Docker's lines without a newline. Streams are told apart."""

    _held: dict[str, list[bytes]] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """Say how many lines have not come to their end."""
        return len(self._held)

    def take(self, carrier: Carrier) -> bytes | None:
        """Return the whole line that ends with this piece, or None."""
        stream = carrier.stream
        held = self._held.get(stream)
        if held is None and not carrier.piece:
            return carrier.text
        if held is None:
            held = self._held[stream] = []
            self._sizes[stream] = 0
        self._sizes[stream] += len(carrier.text) + LINE_OVERHEAD_BYTES
        if self._sizes[stream] <= JOINED_BYTES_MAX:
            held.append(carrier.text)
        if carrier.piece:
            return None
        del self._held[stream], self._sizes[stream]
        return b"".join(held)

    def give_up(self) -> int:
        """Forget the lines that have not come to their end; return how many there were."""
        count = len(self._held)
        self._held.clear()
        self._sizes.clear()
        return count


class PrintedJson:
    """Lines of a JSON text that was printed for people, as objects on one line each.

    gcloud prints a list with one object in it for each entry, jq one object after the other. An object begins with a
    line that is ``{`` alone, and ends with the line in which ``}`` stands as far to the right: no JSON string holds a
    newline. Lines of other kinds pass through, without the comma that stands between members of a list.
    """

    def __init__(self) -> None:
        """Begin outside of objects."""
        self._held: list[bytes] = []
        self._size = 0
        self._end = b""
        self._in_list = False

    def take(self, line: bytes) -> Iterator[bytes]:
        """Yield what a line completes."""
        if self._end:
            self._size += len(line) + LINE_OVERHEAD_BYTES
            if line.rstrip(b" \t\r,]") == self._end:
                self._held.append(line)
                yield from self.finish()
                return
            if self._is_inside(line) and self._size <= JOINED_BYTES_MAX:
                self._held.append(line)
                return
            yield from self._give_up()
        stripped = line.strip()
        if stripped in (b"[", b"]", b",", b""):
            self._in_list = self._in_list or stripped == b"["
            return
        if stripped in (b"{", b"[{"):
            indent = line[: line.index(b"{")].replace(b"[", b"")
            self._held, self._size, self._end = [b"{"], 1, indent + b"}"
            return
        if stripped.startswith(b"[{") and stripped.endswith(b"},"):  # the first member in the line of the bracket
            self._in_list = True
            stripped = stripped[1:]
        elif self._in_list and stripped.endswith(b"}]"):
            stripped = stripped[:-1]
        elif not stripped.endswith(b"},"):
            yield line
            return
        yield stripped.removesuffix(b",")

    def _is_inside(self, line: bytes) -> bool:
        """Tell whether a line may stand inside of the object: printers set members further to the right than `{`."""
        return len(line) - len(line.lstrip(b" \t")) >= len(self._end)

    def _give_up(self) -> Iterator[bytes]:
        """Yield the lines that were held, as they came: the `{` was none of an object that was printed."""
        held, self._held, self._size, self._end = self._held, [], 0, b""
        yield from held

    def finish(self) -> Iterator[bytes]:
        """Yield what is left: an object whose end did not come."""
        if self._end:
            text = b"\n".join(self._held).rstrip(b" \t\r\n,")
            self._held, self._size, self._end = [], 0, b""
            end = text.rfind(b"}")
            yield text[: end + 1] if end >= 0 else text
