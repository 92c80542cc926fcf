"""A body in gzip, the same bytes for the same body: a batch that is sent again does not differ. Pure."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LEVEL = 1  # audit records shrink to a tenth, or a third with ids in them; higher levels gain little and take far longer
WINDOW_BITS = 16 + 15  # zlib.h, deflateInit2: a gzip header, in which the time of day stays 0, and the largest window


def gzipped(pieces: Iterable[bytes]) -> bytes:
    """Return pieces, joined and compressed."""
    compressor = zlib.compressobj(LEVEL, wbits=WINDOW_BITS)
    return b"".join([*map(compressor.compress, pieces), compressor.flush()])
