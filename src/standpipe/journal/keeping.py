"""The durable steps of a closed segment's later life: seal, compress, delete.

The functions named ``…_steps`` are generators that yield after each step that the disk can see, by its name. A caller
may stop after any of them, or die: what is on disk then is a state that the next start understands, because whoever
starts again decides by what it finds there and by nothing else:

=====================================  =============================================
found                                  next step
=====================================  =============================================
``*.seal.json.tmp``, ``*.log.zst.tmp``  unlink it (`remove_temporaries`)
finished ``.log``, no seal             seal
empty last ``.log``, capture runs      an idle seal, once ``seal_every`` has passed since the newest seal
``.log`` and seal                      compress, when no sink is about to read it
``.log`` and ``.log.zst``              verify the second, then unlink one of the two
seal without data, not the newest      unlink the seal
=====================================  =============================================
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from standpipe.errors import JournalError
from standpipe.journal import incidents, kinds
from standpipe.journal.atomic import atomic_write, fsync_directory, unlink_if_there, write_all
from standpipe.journal.digest import Digest, digest_blocks
from standpipe.journal.frames import FRAME_RAW_BYTES, FrameFile, write_frames
from standpipe.journal.layout import (
    COMPRESSED_SUFFIX,
    FAILED_SUFFIX,
    FINISHED_SEGMENT_MODE,
    SEAL_SUFFIX,
    SEGMENT_SUFFIX,
    TEMPORARY_SUFFIX,
    Layout,
    parse_seal_file_name,
    parse_segment_file_name,
    segment_file_name,
)
from standpipe.journal.seal import Gap, Seal, SigningKey, collect_gaps, encode_seal, seal_digest
from standpipe.journal.seal_store import read_seal_bytes
from standpipe.journal.signature import parse_signature
from standpipe.observe.log import utc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from standpipe.journal.identity import Identity
    from standpipe.journal.key_files import Signer
    from standpipe.journal.segments import Segment

    SealPlace = tuple[int, int]  # base and number, see layout.parse_seal_file_name

OUR_SUFFIXES = (SEAL_SUFFIX, COMPRESSED_SUFFIX)  # whose .tmp we may unlink; .failed.tmp is capture's


class SealMismatchError(JournalError):
    """Raw bytes no longer have the digest with which they were sealed."""


def remove_temporaries(layout: Layout) -> list[str]:
    """Unlink what our own unfinished writes left; return the names. Raises OSError."""
    removed = []
    for name in sorted(os.listdir(layout.segments)):
        if not name.endswith(TEMPORARY_SUFFIX):
            continue
        whole = name.removesuffix(TEMPORARY_SUFFIX)
        parsed = parse_segment_file_name(whole)
        ours = parse_seal_file_name(whole) or (parsed and parsed[1] in OUR_SUFFIXES)
        if ours and unlink_if_there(f"{layout.segments}/{name}"):
            removed.append(name)
    return removed


def log_blocks(layout: Layout, base: int, end: int) -> Iterator[bytes]:
    """Return the bytes [base, end) of a raw segment. Raises OSError; JournalError where they end early."""
    path = layout.segment(base)
    with open(path, "rb", buffering=0) as file:
        left = end - base
        while left:
            block = file.read(min(FRAME_RAW_BYTES, left))
            if not block:
                raise JournalError(f"{path} ends {left} bytes early", "`standpipe verify` says what is missing")
            yield block
            left -= len(block)


# Seal.


def _failure_gap(layout: Layout, segment: Segment, found: Sequence[Gap], now: str) -> list[Gap]:
    """Return the io-error gap of a failed segment where its incident is not written yet (journal.rescue)."""
    if not segment.failed or any(gap.kind == kinds.IO_ERROR for gap in found):
        return []
    try:
        with open(layout.segment(segment.base, FAILED_SUFFIX), "rb") as file:
            mark = json.loads(file.read())
        safe, length = int(mark["synced"]), int(mark["length"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        safe, length = segment.end - segment.base, segment.size
    return [Gap(kinds.IO_ERROR, segment.base + safe, max(0, length - safe), now)]


def _link(layout: Layout, identity: Identity, newest: SealPlace | None) -> str | None:
    return identity.predecessor if newest is None else seal_digest(read_seal_bytes(layout, *newest))


def make_seal(
    layout: Layout,
    identity: Identity,
    segment: Segment,
    earlier: Sequence[Seal],
    newest: SealPlace | None,
    now: float,
    *,
    watched: Callable[[Iterator[bytes]], Iterator[bytes]] = lambda blocks: blocks,
) -> Seal:
    """Read a segment and return its seal. earlier: the seals that are still there; newest: where the newest of them is.

    watched: sees the segment's blocks go by, and yields them. Raises OSError, JournalError.
    """
    sealed_at = utc_text(now)
    digest = digest_blocks(watched(log_blocks(layout, segment.base, segment.end)))
    previous = _link(layout, identity, newest)
    found = collect_gaps(incidents.read(layout.incidents), kinds.GAP_KINDS, segment.base, segment.end, earlier)
    return Seal(
        journal=identity.journal_id,
        base=segment.base,
        end=segment.end,
        records=digest.records,
        sha256=digest.sha256,
        previous=previous,
        first_time=digest.first_time,
        last_time=digest.last_time,
        sealed_at=sealed_at,
        gaps=(*found, *_failure_gap(layout, segment, found, sealed_at)),
    )


def make_idle_seal(
    layout: Layout, identity: Identity, offset: int, earlier: Sequence[Seal], newest: SealPlace | None, now: float
) -> Seal:
    """Return the seal of an interval in which nothing came: the journal's end was at the offset then.

    Raises OSError.
    """
    number = newest[1] + 1 if newest is not None and newest[0] == offset else 1
    nothing = digest_blocks([])
    return Seal(
        journal=identity.journal_id,
        base=offset,
        end=offset,
        records=nothing.records,
        sha256=nothing.sha256,
        previous=_link(layout, identity, newest),
        first_time=None,
        last_time=None,
        sealed_at=utc_text(now),
        gaps=collect_gaps(incidents.read(layout.incidents), kinds.GAP_KINDS, offset, offset, earlier),
        idle=number,
    )


def _signer_of(seal: Seal | None) -> str:
    """Return the id of the key that signed a seal; empty where it is not signed, or not readably."""
    try:
        return parse_signature((seal and seal.signature) or "").key_id
    except ValueError:
        return ""


def sign_seal(seal: Seal, signer: Signer, newest: Seal | None) -> Seal:
    """Return the seal signed. newest: the one before it; where another key signed that, this seal introduces its own.

    So the rotation of a key stands in the chain, and the endorsement with it.
    """
    if _signer_of(newest) != signer.key_id:
        seal = replace(seal, signing_key=SigningKey(signer.public, signer.endorsement))
    return replace(seal, signature=signer.sign(encode_seal(replace(seal, signature=None))))


def write_seal(layout: Layout, seal: Seal) -> None:
    """Write a seal file, durably. Raises OSError."""
    path = layout.seal(seal.base) if seal.idle is None else layout.seal(seal.base, seal.idle)
    atomic_write(path, encode_seal(seal), FINISHED_SEGMENT_MODE)


# Compress.


def _write_compressed(layout: Layout, seal: Seal, temporary: str) -> Iterator[str]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600)
    try:
        for _ in write_frames(log_blocks(layout, seal.base, seal.end), lambda frame: write_all(descriptor, frame)):
            yield "frame"
        os.fchmod(descriptor, FINISHED_SEGMENT_MODE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest_of_compressed(path: str) -> Digest:
    file = FrameFile(path)
    try:
        return digest_blocks(file.blocks())
    finally:
        file.close()


def _is_as_sealed(path: str, seal: Seal) -> bool:
    digest = _digest_of_compressed(path)
    return digest.sha256 == seal.sha256 and digest.length == seal.end - seal.base


def compress_steps(layout: Layout, seal: Seal) -> Iterator[str]:
    """Replace a sealed ``.log`` by ``.log.zst``: frame…, written, verified, published, unlinked.

    Raises OSError; SealMismatchError where the raw bytes are not those that were sealed (they stay as they are).
    The unfinished file does not outlive a failure.
    """
    path = layout.segment(seal.base, COMPRESSED_SUFFIX)
    temporary = path + TEMPORARY_SUFFIX
    try:
        yield from _write_compressed(layout, seal, temporary)
        yield "written"
        if not _is_as_sealed(temporary, seal):
            raise SealMismatchError(
                f"{layout.segment(seal.base)} no longer has the digest with which it was sealed",
                "`standpipe verify` says what it covers; it is not compressed, and stays as it is",
            )
        yield "verified"
        os.rename(temporary, path)
    except (OSError, JournalError):
        unlink_if_there(temporary)
        raise
    fsync_directory(layout.segments)
    yield "published"
    os.unlink(layout.segment(seal.base))
    yield "unlinked"


def finish_compress_steps(layout: Layout, seal: Seal) -> Iterator[str]:
    """Go on where both forms exist: keep the compressed one if it holds what was sealed, else the raw one.

    Raises OSError.
    """
    path = layout.segment(seal.base, COMPRESSED_SUFFIX)
    try:
        good = _is_as_sealed(path, seal)
    except JournalError:
        good = False
    yield "verified"
    os.unlink(layout.segment(seal.base) if good else path)
    yield "unlinked"


# Delete.


def note_drop(layout: Layout, base: int, end: int, behind: Mapping[str, int], now: float) -> None:
    """Write the incident of a drop, once. behind: the cursors of the sinks that had not taken it. Raises OSError."""
    for incident in incidents.read(layout.incidents):
        if (incident["kind"], incident.get("offset"), incident.get("length")) == (kinds.DROPPED, base, end - base):
            return
    incidents.append(layout.incidents, kinds.DROPPED, base, end - base, {"sinks": dict(behind)}, now)


def delete_steps(layout: Layout, base: int, *, keep_seal: bool) -> Iterator[str]:
    """Unlink a segment's data, then, durably later, its seal. Raises OSError."""
    for suffix in (SEGMENT_SUFFIX, COMPRESSED_SUFFIX, FAILED_SUFFIX):
        if unlink_if_there(layout.segment(base, suffix)):
            yield segment_file_name(base, suffix)
    if not keep_seal:
        fsync_directory(layout.segments)  # a seal must not be gone while its data may come back with the power
        if unlink_if_there(layout.segment(base, SEAL_SUFFIX)):
            yield segment_file_name(base, SEAL_SUFFIX)
