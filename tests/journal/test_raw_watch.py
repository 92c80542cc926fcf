from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from standpipe.journal import incidents, kinds
from standpipe.journal.raw_watch import TAIL_BYTES
from standpipe.records.raw_scan import RawScan
from tests.journal.keep_fixture import add_segment, make_journal, make_keeper, record, run_passes

if TYPE_CHECKING:
    from pathlib import Path

    from standpipe.journal.keeper import Keeper
    from standpipe.journal.layout import Layout

RAW = b'{"request":{"client_token":"hvs.x"}}\n'
MEMBERS = ["request.client_token"]


@pytest.fixture(name="layout")
def _layout(tmp_path: Path) -> Layout:
    return make_journal(str(tmp_path))


def look(layout: Layout) -> list[tuple[object, object, object]]:
    """Let a keep that has just been started do all that is due; return the incidents."""
    keeper = watching(layout)
    run_passes(keeper)
    keeper.close()
    return told(layout)


def watching(layout: Layout) -> Keeper:
    """Return a keeper that looks for values in clear text."""
    keeper = make_keeper(layout, os.open(os.devnull, os.O_WRONLY))
    keeper._raw_watch._scan = RawScan
    keeper._settings = replace(keeper._settings, raw_scan=RawScan)
    return keeper


def told(layout: Layout) -> list[tuple[object, object, object]]:
    """Return the incidents: offset, length, detail."""
    return [
        (found["offset"], found["length"], found["detail"])
        for found in incidents.read_kind(layout.incidents, kinds.RAW_VALUES)
    ]


def test_the_newest_bytes_are_looked_at_as_they_come(layout: Layout) -> None:
    """A segment that is being written is told of before it is sealed, once, also by a keep that was started again."""
    add_segment(layout, 0, record(0) + RAW + record(1), finished=False)
    expected = [(120, len(RAW), {"records": 1, "members": MEMBERS})]
    assert expected == look(layout)
    with open(layout.segment(0), "ab") as file:
        file.write(RAW)
    assert expected == look(layout)


def test_what_comes_later_is_looked_at_too(layout: Layout) -> None:
    """The same keep goes on where it looked last, also in the middle of a line."""
    add_segment(layout, 0, record(0) + RAW[:20], finished=False)
    keeper = watching(layout)
    run_passes(keeper)
    assert [] == told(layout)
    with open(layout.segment(0), "ab") as file:
        file.write(RAW[20:] + record(1))
    run_passes(keeper)
    keeper.close()
    assert [(120, len(RAW), {"records": 1, "members": MEMBERS})] == told(layout)


def test_a_sealed_segment_was_looked_at_as_a_whole(layout: Layout) -> None:
    """What no look at the newest bytes has seen is found at the seal: from the first to the last."""
    pad = b"".join(record(number) for number in range(TAIL_BYTES // 120 + 1))
    end = add_segment(layout, 0, RAW + pad + RAW + pad)
    add_segment(layout, end, record(0), finished=False)
    assert [(0, 2 * len(RAW) + len(pad), {"records": 2, "members": MEMBERS})] == look(layout)


def test_each_segment_has_one(layout: Layout) -> None:
    """A device that goes on so is told of once for each segment."""
    first = add_segment(layout, 0, RAW * 2)
    second = add_segment(layout, first, RAW * 3)
    add_segment(layout, second, RAW, finished=False)
    assert [(0, first), (first, second - first), (second, len(RAW))] == sorted(
        (offset, length) for offset, length, _ in look(layout)
    )


def test_a_withheld_stretch_is_another_matter(layout: Layout) -> None:
    """What ship told of a sink that refuses does not stand for keep's own incident."""
    incidents.append(layout.incidents, kinds.RAW_VALUES, 0, 5, {"sink": "stdout"}, 0.0)
    add_segment(layout, 0, RAW, finished=False)
    assert [(0, 5), (0, len(RAW))] == [(offset, length) for offset, length, _ in look(layout)]


def test_hashed_records_are_no_incident(layout: Layout) -> None:
    """A journal as it should be has none."""
    end = add_segment(layout, 0, record(0))
    add_segment(layout, end, record(1), finished=False)
    assert [] == look(layout)
