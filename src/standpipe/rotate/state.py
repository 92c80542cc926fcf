"""What must outlive us: how far the live file is archived, and which step is under way. Pure.

``.<name>.standpipe-rotate`` is one JSON object::

    {"format": 1,
     "file": {"inode": n, "birth_time": ns|null, "archived_to": n,
              "proof": {"from": n, "to": n, "sha256": "…", "strong": bool}, "seen": {…}} | null,
     "archives": [{"name": "…", "from": n, "to": n}, …],
     "pending": {"from": n, "to": n, "name": "…", "inode": n, "last": bool} | null,
     "reopen": {"name": "…", "inode": n, "size": n} | null}

``file`` is the file that P was at our last look. Its bytes before ``archived_to`` are in archives. An inode number can
be used again, so ``proof`` says which bytes stand in the file: the last ones before ``archived_to``, or the first ones
where nothing is archived yet; they are never punched. A proof is strong where it holds a whole record. ``seen`` are
the last bytes of the file at that look. ``archives`` are the newest archives of this file and what of it they hold.
``pending`` is an archive that is complete and on disk under its temporary name, and is about to get ``name``;
``inode`` is the archive's, ``last`` means that nothing will follow from this file. ``reopen`` is a file that has been
renamed, or is about to be, and is not yet known to be complete.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

FORMAT_VERSION = 1
STRONG_BYTES_MIN = 64  # with a newline among them: the end of a record, its ids and what follows; no two are alike
PROOF_BYTES_MAX = 4096  # enough for a whole record or two: times and request ids differ
RANGES_MAX = 8  # archives whose ranges are remembered; what is not punched yet spans two or three


@dataclass(frozen=True, slots=True)
class Proof:
    """The digest of the bytes [start, end) of the file. strong: no other file has these bytes there.

    All records begin alike, so less than a whole one proves nothing on its own.
    """

    start: int
    end: int
    sha256: str
    strong: bool


@dataclass(frozen=True, slots=True)
class Generation:
    """One file that had the live file's name. Sizes and offsets in bytes."""

    inode: int
    birth_time_ns: int | None
    archived_to: int
    proof: Proof
    seen: Proof


@dataclass(frozen=True, slots=True)
class Range:
    """Which bytes of the file an archive holds."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Pending:
    """An archive that is complete and not yet accounted for."""

    start: int
    end: int
    name: str
    inode: int
    last: bool


@dataclass(frozen=True, slots=True)
class Reopen:
    """A file that is renamed to name, and perhaps still written to."""

    name: str
    inode: int
    size: int


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the state file says."""

    file: Generation | None = None
    archives: tuple[Range, ...] = ()
    pending: Pending | None = None
    reopen: Reopen | None = None

    def advanced(self, proof: Proof) -> State:
        """Return the state after the pending archive has its name. proof: of the bytes before its end."""
        pending = self.pending
        if pending is None or self.file is None:
            raise ValueError("nothing is pending")
        if pending.last:
            return State()
        ranges = (*self.archives, Range(pending.name, pending.start, pending.end))[-RANGES_MAX:]
        seen = self.file.seen if self.file.seen.end >= proof.end else proof
        file = replace(self.file, archived_to=pending.end, proof=proof, seen=seen)
        return State(file=file, archives=ranges)


def encode(state: State) -> bytes:
    """Render the state file."""
    file = state.file
    entry: dict[str, object] = {"format": FORMAT_VERSION, "file": None}
    if file is not None:
        entry["file"] = {
            "inode": file.inode,
            "birth_time": file.birth_time_ns,
            "archived_to": file.archived_to,
            "proof": _proof_entry(file.proof),
            "seen": _proof_entry(file.seen),
        }
    entry["archives"] = [{"name": r.name, "from": r.start, "to": r.end} for r in state.archives]
    pending = state.pending
    entry["pending"] = pending and {
        "from": pending.start,
        "to": pending.end,
        "name": pending.name,
        "inode": pending.inode,
        "last": pending.last,
    }
    entry["reopen"] = state.reopen and asdict(state.reopen)
    return json.dumps(entry).encode() + b"\n"


def decode(data: bytes) -> State:
    """Read the state file. Raises ValueError with a reason where it is not one that we wrote."""
    try:
        entry: dict[str, Any] = json.loads(data)
        if entry["format"] != FORMAT_VERSION:
            raise ValueError(f"it says format {entry['format']!r}, this standpipe knows {FORMAT_VERSION}")
        pending, reopen = entry["pending"], entry["reopen"]
        return State(
            file=_file(entry["file"]),
            archives=tuple(Range(r["name"], int(r["from"]), int(r["to"])) for r in entry["archives"]),
            pending=pending
            and Pending(
                int(pending["from"]), int(pending["to"]), pending["name"], int(pending["inode"]), bool(pending["last"])
            ),
            reopen=reopen and Reopen(reopen["name"], int(reopen["inode"]), int(reopen["size"])),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a member is missing or of the wrong kind: {error}") from error


def _proof_entry(proof: Proof) -> dict[str, object]:
    return {"from": proof.start, "to": proof.end, "sha256": proof.sha256, "strong": proof.strong}


def _proof(entry: dict[str, Any]) -> Proof:
    return Proof(int(entry["from"]), int(entry["to"]), str(entry["sha256"]), bool(entry["strong"]))


def _file(entry: dict[str, Any] | None) -> Generation | None:
    if entry is None:
        return None
    birth = entry["birth_time"]
    return Generation(
        inode=int(entry["inode"]),
        birth_time_ns=None if birth is None else int(birth),
        archived_to=int(entry["archived_to"]),
        proof=_proof(entry["proof"]),
        seen=_proof(entry["seen"]),
    )
