"""What we know of the live file, brought up to date: begun, compared, and begun anew. Every function raises OSError."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from standpipe.capture import volume
from standpipe.capture.proof import read_range
from standpipe.errors import JournalError
from standpipe.rotate import names
from standpipe.rotate.archives import on_disk
from standpipe.rotate.content import common_end, find_tail, holds, inode_of, prove
from standpipe.rotate.state import PROOF_BYTES_MAX, Generation, State

if TYPE_CHECKING:
    from standpipe.rotate.names import Places
    from standpipe.rotate.state import Proof
    from standpipe.rotate.surroundings import Words


def _data_start(descriptor: int, size: int) -> int:
    """Return where a file's data begins: after the hole at its head, if it has one."""
    start = volume.first_data(descriptor, 0)
    return size if start is None else min(start, size)


def _head_proof(descriptor: int, start: int, size: int) -> Proof:
    """Return the proof of a file of which nothing is archived: its first bytes."""
    return prove(descriptor, min(size, start + PROOF_BYTES_MAX), start)


def begin(descriptor: int, start: int) -> Generation:
    """Return what there is to know of a file whose bytes before start are nobody's any more, or archived."""
    status = os.fstat(descriptor)
    archived = start > _data_start(descriptor, status.st_size)
    return Generation(
        inode=status.st_ino,
        birth_time_ns=volume.birth_time_ns(descriptor),
        archived_to=start,
        proof=prove(descriptor, start) if archived else _head_proof(descriptor, start, status.st_size),
        seen=prove(descriptor, status.st_size),
    )


def begin_unknown(descriptor: int, places: Places, words: Words, *, state_lost: bool) -> Generation:
    """Begin with a file of which nothing is written down.

    Where the state file itself is missing, the newest archive tells: if its last bytes stand in the file, everything
    up to them is archived.
    """
    start = _data_start(descriptor, os.fstat(descriptor).st_size)
    newest = on_disk(places)[-1:] if state_lost else []
    for archive in newest:
        path = _path_of(places, archive.name)
        try:
            found = None if path is None else find_tail(descriptor, path, start)
        except JournalError as error:
            words.warn(f"{path} cannot tell how far {places.live} is archived: {error}")
            continue
        if found is not None:
            words.warn(
                f"{places.state} is missing; by the content of {path}, {places.live} is archived to byte {found}"
            )
            start = found
    return begin(descriptor, start)


def _path_of(places: Places, name: str) -> str | None:
    for path in (places.beside(name), places.beside(name + names.COMPRESSED_SUFFIX)):
        if inode_of(path) is not None:
            return path
    return None


def refreshed(descriptor: int, known: Generation, places: Places, words: Words) -> Generation:
    """Return what is known of the file after a look at it; say so where bytes that we saw are gone."""
    status = os.fstat(descriptor)
    size = status.st_size
    if size < known.seen.end:
        gone = (max(size, known.archived_to), known.seen.end)
        if gone[0] < gone[1]:
            _tell_loss(places, words, *gone, f"it was truncated to {size} bytes by somebody else")
    elif not holds(descriptor, known.seen):
        _tell_loss(
            places, words, known.archived_to, known.seen.end, "somebody else truncated it, and it has grown since"
        )
    elif size == known.seen.end:
        return replace(known, inode=status.st_ino) if known.inode != status.st_ino else known
    proof = known.proof
    if proof.start >= known.archived_to:
        proof = _head_proof(descriptor, known.archived_to, size)
    return Generation(
        status.st_ino, volume.birth_time_ns(descriptor), known.archived_to, proof, prove(descriptor, size)
    )


def _tell_loss(places: Places, words: Words, start: int, end: int, why: str) -> None:
    words.alarm(
        f"lost: bytes {start} to {end} of {places.live} ({end - start} bytes, or some of them) are in no archive and"
        f" not in the file any more: {why}. Bytes that were written after our last look and before that are gone too."
        " Find out who else rotates this file"
    )


def begin_anew(descriptor: int, state: State, places: Places, words: Words) -> State:
    """Return the state where P is not the file that we know, and that file is nowhere: say what is gone.

    Where P still is what our archives hold up to some record, because it was cut off or rolled back, that much
    counts as archived.
    """
    start = _data_start(descriptor, os.fstat(descriptor).st_size)
    resume, kept = start, []
    for archived in sorted(state.archives, key=lambda r: r.start):
        path = _path_of(places, archived.name)
        if archived.end <= resume:
            kept.append(archived)
            continue
        if archived.start > resume or path is None:
            break
        try:
            resume = max(resume, common_end(descriptor, archived, path, resume))
        except JournalError:
            break
        if resume > archived.start:
            kept.append(replace(archived, end=resume))
        if resume < archived.end:
            break
    known = state.file
    if known is not None:
        _tell_new_file(places, words, known, start, resume)
    return State(file=begin(descriptor, resume), archives=tuple(kept))


def _tell_new_file(places: Places, words: Words, known: Generation, start: int, resume: int) -> None:
    if resume > start:
        why = f"it was cut off or rolled back by somebody else, and agrees with our archives up to byte {resume}"
    else:
        why = "somebody else put another content in its place, and the file that was there is not found beside it"
    if known.archived_to < known.seen.end:
        _tell_loss(places, words, known.archived_to, known.seen.end, why)
    elif known.seen.end:
        words.warn(
            f"{places.live} is not the file that we know: {why}. All of it that we saw, up to byte {known.seen.end}, is"
            " archived. Find out who else rotates this file"
        )


def archive_proof(path: str, start: int, end: int) -> Proof:
    """Return the proof of a file's bytes before end, read from the archive that holds [start, end)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        local = prove(descriptor, end - start)
        return replace(local, start=local.start + start, end=local.end + start)
    finally:
        os.close(descriptor)


def same_end(live: int, archive: int, start: int, end: int) -> bool:
    """Say whether a file still ends, at end, as the archive of [start, end) does."""
    tail = max(start, end - PROOF_BYTES_MAX)
    return read_range(live, tail, end) == read_range(archive, tail - start, end - start)
