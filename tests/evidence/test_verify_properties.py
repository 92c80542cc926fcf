from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from standpipe.evidence.verify import verify_journal
from standpipe.journal.layout import Layout
from tests.evidence.craft import healthy, judge

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def pristine() -> Iterator[Path]:
    """Return a healthy journal that tests copy."""
    with tempfile.TemporaryDirectory() as directory:
        yield healthy(Path(directory) / "journal").root


class Copy:
    """A copy of the pristine journal for one example of a property."""

    def __init__(self, pristine: Path) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self.root = Path(self._directory.name) / "journal"
        self._pristine = pristine

    def __enter__(self) -> Path:
        """Make the copy."""
        shutil.copytree(self._pristine, self.root)
        return self.root

    def __exit__(self, *_: object) -> None:
        """Remove the copy."""
        self._directory.cleanup()


def sealed_files(root: Path) -> list[Path]:
    """Return the data files that are sealed, and the seals."""
    return sorted(path for path in (root / "segments").iterdir() if not path.name.startswith("00000000000000002400"))


def unlinked_time(path: Path) -> range:
    """Return where the newest seal says when it was made: nothing links to it yet, and nothing else knows the time."""
    data = path.read_bytes()
    if not path.name.startswith("00000000000000001800.seal"):
        return range(0)
    start = data.index(b'"sealed_at":"') + len(b'"sealed_at":"')
    return range(start, data.index(b'"', start))


@given(st.data())
def test_any_flipped_bit_is_found(pristine: Path, data: st.DataObject) -> None:
    """In all sealed bytes and seals, but for the time of the newest seal, and where unpacking gives the same bytes."""
    files = sealed_files(pristine)
    chosen = data.draw(st.sampled_from(files), label="file")
    exempt = unlinked_time(chosen)
    positions = [at for at in range(chosen.stat().st_size) if at not in exempt]
    position = data.draw(st.sampled_from(positions), label="position")
    mask = 1 << data.draw(st.integers(0, 7), label="bit")
    before = chosen.read_bytes()
    after = bytearray(before)
    after[position] ^= mask
    with Copy(pristine) as root:
        path = root / "segments" / chosen.name
        path.unlink()
        path.write_bytes(after)
        verdict = verify_journal(Layout(str(root))).verdict
    if verdict != "incomplete":  # zstd can say one thing in two ways: then every reader gets the same bytes
        assert chosen.suffix == ".zst"
        assert zstd.decompress(before) == zstd.decompress(bytes(after))


@given(st.data())
def test_verdicts_agree_with_a_second_opinion(pristine: Path, data: st.DataObject) -> None:
    """Whatever is deleted, cut, swapped or lengthened: code that shares nothing with ours comes to the same verdict."""
    with Copy(pristine) as root:
        directory = root / "segments"
        for _ in range(data.draw(st.integers(0, 2), label="changes")):
            names = sorted(os.listdir(directory))
            path = directory / data.draw(st.sampled_from(names), label="file")
            content = path.read_bytes()
            way = data.draw(st.sampled_from(["delete", "cut", "append", "swap"]), label="way")
            path.unlink()
            if way == "cut":
                path.write_bytes(content[: data.draw(st.integers(0, max(0, len(content) - 1)), label="length")])
            elif way == "append":
                path.write_bytes(content + data.draw(st.binary(min_size=1, max_size=4), label="more"))
            elif way == "swap":
                other = directory / data.draw(st.sampled_from(names), label="other")
                if other.exists():
                    path.write_bytes(other.read_bytes())
                    other.unlink()
                other.write_bytes(content)
        findings = verify_journal(Layout(str(root)))
        assert judge(root) == (findings.verdict == "complete"), findings
