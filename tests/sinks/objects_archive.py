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

    Every name belongs to a segment or to an idle seal; every segment has its seal; each content has the sealed digest
    and length, and is read here by the zstd library alone; each seal names the one before.
    """
    mine = {key: content for key, content in objects.items() if key.startswith(f"{root}/")}
    mine.pop(f"{root}/{PROBE_NAME}", None)
    seals = sorted((key.removesuffix(SEAL_SUFFIX) for key in mine if key.endswith(SEAL_SUFFIX)), key=_place)
    stems = [stem for stem in seals if not _is_idle(stem)]
    assert sorted([*(stem + SEAL_SUFFIX for stem in seals), *(stem + COMPRESSED_SUFFIX for stem in stems)]) == sorted(
        mine
    )
    assert_chain([mine[stem + SEAL_SUFFIX] for stem in seals])
    whole = b""
    for stem in stems:
        seal = json.loads(mine[stem + SEAL_SUFFIX])
        raw = zstd.ZstdFile(io.BytesIO(mine[stem + COMPRESSED_SUFFIX])).read()
        assert (seal["base"], seal["end"]) == _offsets(stem)
        assert (seal["end"] - seal["base"], seal["sha256"]) == (len(raw), sha256(raw).hexdigest())
        whole += raw
    return whole


def _is_idle(stem: str) -> bool:
    return "." in stem.rpartition("/")[2]


def _place(stem: str) -> tuple[int, bool, str]:
    """Return the place in the chain: that nothing came at an address is sealed before what came there."""
    return int(stem.rpartition("/")[2].partition("-")[0]), not _is_idle(stem), stem


def _offsets(stem: str) -> tuple[int, int]:
    base, _, end = stem.rpartition("/")[2].partition("-")
    return int(base), int(end)
