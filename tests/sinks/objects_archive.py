"""Reading an archive back, and proving with its seals that it is whole."""

from __future__ import annotations

import io
import json
from hashlib import sha256
from typing import TYPE_CHECKING

from backports import zstd

from standpipe.journal.layout import COMPRESSED_SUFFIX, SEAL_SUFFIX
from standpipe.sinks.objects_key import PROBE_NAME
from tests.journal.whole import assert_chain

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_archive(objects: Mapping[str, bytes], root: str) -> bytes:
    """Return the raw bytes of all segments below ``<cluster>/<node>``, after proving that nothing is missing.

    Every name belongs to a segment; every segment has its seal; each content has the sealed digest and length, and is
    read here by the zstd library alone; each seal names the one before.
    """
    mine = {key: content for key, content in objects.items() if key.startswith(f"{root}/")}
    mine.pop(f"{root}/{PROBE_NAME}", None)
    stems = sorted({key.removesuffix(COMPRESSED_SUFFIX).removesuffix(SEAL_SUFFIX) for key in mine}, key=_offsets)
    assert sorted(stem + suffix for stem in stems for suffix in (COMPRESSED_SUFFIX, SEAL_SUFFIX)) == sorted(mine)
    assert_chain([mine[stem + SEAL_SUFFIX] for stem in stems])
    whole = b""
    for stem in stems:
        seal = json.loads(mine[stem + SEAL_SUFFIX])
        raw = zstd.ZstdFile(io.BytesIO(mine[stem + COMPRESSED_SUFFIX])).read()
        assert (seal["base"], seal["end"]) == _offsets(stem)
        assert (seal["end"] - seal["base"], seal["sha256"]) == (len(raw), sha256(raw).hexdigest())
        whole += raw
    return whole


def _offsets(stem: str) -> tuple[int, int]:
    base, _, end = stem.rpartition("/")[2].partition("-")
    return int(base), int(end)
