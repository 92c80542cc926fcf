"""What capture reads of the cursors, against the module that writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standpipe.journal.acknowledged import highest_acknowledged
from standpipe.journal.cursor import CursorFile
from standpipe.journal.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path


def test_the_highest_of_all_slots_counts(tmp_path: Path) -> None:
    """The highest offset of any sink is found, also where the other slot is blank or damaged."""
    layout = Layout(str(tmp_path))
    (tmp_path / "cursors").mkdir()
    assert 0 == highest_acknowledged(layout)
    for name, offsets in (("a", [5]), ("b", [700, 90]), ("c", [])):
        cursor = CursorFile(layout.cursor(name))
        for offset in offsets:
            cursor.update(offset=offset, after=offset)
        cursor.close()
    (tmp_path / "cursors" / "d").write_bytes(b"junk 12345678\n")
    assert 700 == highest_acknowledged(layout)
