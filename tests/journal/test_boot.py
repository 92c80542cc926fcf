from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from standpipe.journal import boot
from standpipe.journal.boot import Boot

if TYPE_CHECKING:
    from pathlib import Path


def test_it_reads_back(tmp_path: Path) -> None:
    """What was written is read: the boot id, whether the stop was clean, the limit, and the settings as they were."""
    path = str(tmp_path / "boot.json")
    for clean in (True, False):
        Boot("an-id", 1024, {"fifo": "/a", "max_size": 5}, clean=clean).write(path)
        found = boot.read(path)
        assert found is not None
        assert ("an-id", clean, 1024) == (found.boot_id, found.clean, found.segment_hard_limit)
        assert {"fifo": "/a", "max_size": 5} == found.settings


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b'"boot_id"',
        b"\xff",
        b"{}",
        b'{"boot_id":"x","clean":true}',
        b'{"boot_id":"x","clean":true,"segment_hard_limit":0}',
        b'{"boot_id":"x","clean":true,"segment_hard_limit":"9"}',
    ],
)
def test_what_is_not_ours_counts_as_missing(tmp_path: Path, content: bytes) -> None:
    """A missing, torn or strange file says nothing, so the next start takes the stop for an unclean one."""
    path = tmp_path / "boot.json"
    assert boot.read(str(path)) is None
    path.write_bytes(content)
    assert boot.read(str(path)) is None


@pytest.mark.parametrize("value", [1, 0, None, "true", [], {}, False])
def test_only_true_is_clean(tmp_path: Path, value: object) -> None:
    """`clean` is true only where the file says exactly that."""
    path = tmp_path / "boot.json"
    path.write_text(json.dumps({"boot_id": "x", "clean": value, "segment_hard_limit": 1}))
    found = boot.read(str(path))
    assert found is not None
    assert not found.clean


def test_the_kernel_says_its_boot_id() -> None:
    """The boot id is the kernel's, without its newline, and does not change while it runs."""
    found = boot.current_boot_id()
    assert (36, found) == (len(found), boot.current_boot_id())
