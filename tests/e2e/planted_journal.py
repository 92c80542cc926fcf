"""Journals and archives with something planted: copies whose files are shared but for those that are changed.

The format is that of docs/on-disk-format.md, written down once more: nothing here imports standpipe.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.e2e.openbao import lines_of
from tests.e2e.planted_faults import changed
from tests.e2e.run_harness import STANDPIPE
from tests.evidence.craft import compress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FRAME_BYTES = 1 << 20

Range = tuple[int, int]
Seal = dict[str, Any]


def copy_tree(source: Path, target: Path) -> Path:
    """Copy a directory with hard links; whoever changes a file must replace it."""
    subprocess.run(["cp", "--archive", "--link", str(source), str(target)], check=True)
    return target


def replace(path: Path, data: bytes) -> None:
    """Put other content in the place of a file, and leave what shares it alone."""
    beside = path.with_name(path.name + ".planted")
    beside.write_bytes(data)
    beside.replace(path)


def seal_bytes(seal: Seal) -> bytes:
    """Return a seal's canonical bytes."""
    return json.dumps(seal, separators=(",", ":")).encode() + b"\n"


@dataclass
class Segments:
    """The segments of a journal's `segments/`, or of one day's directory of an archive."""

    directory: Path

    def ranges(self) -> list[Range]:
        """Return the sealed ranges that hold something, in order."""
        seals = (json.loads(path.read_bytes()) for path in self.directory.glob("*.seal.json"))
        return sorted((seal["base"], seal["end"]) for seal in seals if seal["end"] > seal["base"])

    def file(self, base: int, suffix: str) -> Path:
        """Return one of a segment's files; the seal, or the data whatever its form (suffix `.log`)."""
        found = sorted(self.directory.glob(f"{base:020d}*{suffix}*"))
        return next(path for path in found if not path.name.endswith(".failed"))

    def read(self, base: int) -> bytes:
        """Return a segment's raw bytes."""
        path = self.file(base, ".log")
        if path.suffix == ".zst":
            return subprocess.run(["zstdcat", str(path)], check=True, capture_output=True).stdout
        return path.read_bytes()

    def write(self, base: int, data: bytes) -> None:
        """Replace a segment's data, in the form that it has."""
        path = self.file(base, ".log")
        if path.suffix == ".zst":
            data = compress(data, FRAME_BYTES)
        replace(path, data)

    def seal(self, base: int) -> Seal:
        """Return a segment's seal."""
        found: Seal = json.loads(self.file(base, ".seal.json").read_bytes())
        return found

    def lines(self, base: int) -> list[bytes]:
        """Return a segment's records."""
        return lines_of(self.read(base))


def removed(segments: Segments, base: int) -> None:
    """Take one record out of a segment."""
    lines = segments.lines(base)
    middle = len(lines) // 2
    segments.write(base, b"".join(lines[:middle] + lines[middle + 1 :]))


def duplicated(segments: Segments, base: int) -> None:
    """Have one record twice."""
    lines = segments.lines(base)
    middle = len(lines) // 2
    segments.write(base, b"".join(lines[: middle + 1] + lines[middle:]))


def swapped(segments: Segments, base: int) -> None:
    """Exchange two neighbours."""
    lines = segments.lines(base)
    middle = len(lines) // 2
    lines[middle], lines[middle + 1] = lines[middle + 1], lines[middle]
    segments.write(base, b"".join(lines))


def one_byte(segments: Segments, base: int) -> int:
    """Change one byte of one record; return the record's offset."""
    lines = segments.lines(base)
    middle = next(number for number, line in enumerate(lines) if number > len(lines) // 2 and b"hmac-sha256" in line)
    segments.write(base, b"".join([*lines[:middle], changed(lines[middle]), *lines[middle + 1 :]]))
    return base + sum(map(len, lines[:middle]))


def segment_dropped(segments: Segments, base: int) -> None:
    """Take data and seal away."""
    segments.file(base, ".log").unlink()
    segments.file(base, ".seal.json").unlink()


def data_dropped(segments: Segments, base: int) -> None:
    """Take the data away and leave the seal."""
    segments.file(base, ".log").unlink()


def seal_edited(segments: Segments, base: int) -> None:
    """Change the number of records that a seal gives."""
    seal = segments.seal(base)
    replace(segments.file(base, ".seal.json"), seal_bytes(seal | {"records": seal["records"] + 1}))


FAULTS: dict[str, Callable[[Segments, int], object]] = {
    "removed": removed,
    "duplicated": duplicated,
    "swapped": swapped,
    "one-byte": one_byte,
    "segment-dropped": segment_dropped,
    "data-dropped": data_dropped,
    "seal-edited": seal_edited,
}


def signed_by(key: Ed25519PrivateKey, seal: Seal) -> Seal:
    """Return a seal with a signature, as docs/on-disk-format.md says it is made."""
    public = key.public_key().public_bytes_raw()
    signature = base64.b64encode(key.sign(seal_bytes(seal | {"signature": None}))).decode()
    return seal | {"signature": f"ed25519:{hashlib.sha256(public).hexdigest()[:16]}:{signature}"}


def rewrite_chain(segments: Segments, base: int, sign: Callable[[Seal], Seal]) -> int:
    """Change a byte in a segment, and seal it and all after it anew: a chain that agrees with itself.

    Returns the offset of the record that was changed.
    """
    offset = one_byte(segments, base)
    paths = sorted(segments.directory.glob("*.seal.json"))
    previous: str | None = None
    for path in paths:
        seal: Seal = json.loads(path.read_bytes())
        if seal["base"] >= base:
            if seal["base"] == base and seal["end"] > base:
                seal["sha256"] = hashlib.sha256(segments.read(base)).hexdigest()
            seal["previous"] = previous
            replace(path, seal_bytes(sign(seal)))
        previous = hashlib.sha256(path.read_bytes()).hexdigest()
    return offset


def sealed_anew(data: bytes, directory: Path, segment_size: str) -> Path:
    """Return a journal made of bytes by standpipe itself, as if Vault had written them."""
    directory.mkdir()
    (directory / "bytes").write_bytes(data)
    config = directory / "standpipe.yaml"
    config.write_text(json.dumps({"journal": {"segment_size": segment_size, "max_size": "4GiB"}, "sinks": {}}))
    fifo, journal = directory / "pipe", directory / "journal"
    options = ["--fifo", str(fifo), "--journal", str(journal), "--config", str(config)]
    with (directory / "messages.log").open("wb") as messages, open(os.devnull, "wb") as nothing:
        feed = ["sh", "-c", f"exec cat '{directory}/bytes' > '{fifo}'"]
        subprocess.run([*STANDPIPE, "run", *options, "--", *feed], stdout=nothing, stderr=messages, check=True)
    seal_all(journal, config)
    return journal


def seal_all(journal: Path, config: Path) -> None:
    """Have keep seal every segment that is closed."""
    command = [*STANDPIPE, "keep", "--once", "--journal", str(journal), "--config", str(config)]
    subprocess.run(command, check=True, capture_output=True)


def remove_tree(path: Path) -> None:
    """Delete a planted copy, so that a test run does not fill the disk."""
    shutil.rmtree(path)
