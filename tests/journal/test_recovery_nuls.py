"""NULs at the end of a segment after a power loss: the size was on the disk before the data."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from standpipe.journal import boot, identity
from standpipe.journal.layout import Layout
from standpipe.journal.recovery import cut_lost_ends

if TYPE_CHECKING:
    from pathlib import Path

OTHER_BOOT = "11111111-2222-3333-4444-555555555555"


def journal(tmp_path: Path, content: bytes, *, boot_id: str, clean: bool, mode: int = 0o600) -> tuple[Layout, Path]:
    """Make a journal with one segment, and what boot.json says of the last run."""
    layout = Layout(str(tmp_path / "journal"))
    identity.open_or_create(layout, "node", 0.0)
    boot.Boot(boot_id, 1 << 20, {}, clean=clean).write(layout.boot)
    path = tmp_path / "journal" / "segments" / f"{0:020d}.log"
    path.write_bytes(content)
    path.chmod(mode)
    return layout, path


@pytest.mark.parametrize("zeros", [0, 1, 4095, 65536])
def test_nuls_at_the_end_are_cut_off_after_a_power_loss(tmp_path: Path, zeros: int) -> None:
    """What was never on the disk is no byte of a record; what stands before it stays."""
    content = b'{"n":1}\n{"n":' + b"x" * 70000
    layout, path = journal(tmp_path, content + bytes(zeros), boot_id=OTHER_BOOT, clean=False)
    cut_lost_ends(layout)
    assert content == path.read_bytes()
    cut_lost_ends(layout)
    assert content == path.read_bytes()


@pytest.mark.parametrize(
    ("boot_id", "clean", "mode"), [("", False, 0o600), (OTHER_BOOT, True, 0o600), (OTHER_BOOT, False, 0o400)]
)
def test_nothing_is_cut_without_a_power_loss_or_from_a_finished_segment(
    tmp_path: Path, boot_id: str, mode: int, *, clean: bool
) -> None:
    """Under the same boot, after a clean stop, and where the last sync succeeded, every byte is as it was written."""
    content = b"{}\n" + bytes(10)
    layout, path = journal(tmp_path, content, boot_id=boot_id or boot.current_boot_id(), clean=clean, mode=mode)
    cut_lost_ends(layout)
    assert content == path.read_bytes()
    assert mode == os.stat(path).st_mode & 0o777
