"""What tests ask of a whole journal: its bytes, and whether its seals follow on."""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standpipe.journal.reader import JournalReader
    from standpipe.journal.segments import Segment

READ_BYTES = 1 << 16


def segment_bytes(reader: JournalReader, segment: Segment) -> bytes:
    """Return the bytes of [base, end), in whichever form they are stored."""
    data = b""
    while segment.base + len(data) < segment.end:
        block = reader.read(segment.base + len(data), min(READ_BYTES, segment.end - segment.base - len(data)))
        assert block, f"the segment at {segment.base} ends after {len(data)} bytes"
        data += block
    return data


def assert_chain(files: Sequence[bytes]) -> None:
    """Check that each seal file names the digest of the one before, and goes on where it ends or a gap does."""
    seals = [json.loads(data) for data in files]
    assert all(seal["base"] > 0 or seal["previous"] is None for seal in seals[:1])
    assert [sha256(data).hexdigest() for data in files[:-1]] == [seal["previous"] for seal in seals[1:]]
    for before, after in pairwise(seals):
        named = {(gap["offset"], gap["offset"] + (gap["length"] or 0)) for gap in before["gaps"] + after["gaps"]}
        assert before["end"] == after["base"] or (before["end"], after["base"]) in named
