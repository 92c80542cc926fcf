"""A small journal on a real disk for the tests of reading and keeping."""

from __future__ import annotations

import os

from standpipe.journal import identity
from standpipe.journal.keeper import Keeper, KeeperSettings
from standpipe.journal.layout import FINISHED_SEGMENT_MODE, OPEN_SEGMENT_MODE, Layout
from standpipe.journal.retention import Limits
from standpipe.observe.log import Log

NOW = 1_700_000_000.0
PLENTY = 1 << 40


def record(number: int, size: int = 120) -> bytes:
    """Return one line of JSON of the given size in bytes."""
    head = b'{"time":"2026-01-01T00:00:%02dZ","n":%d,"pad":"' % (number % 60, number)
    return head + b"x" * (size - len(head) - 3) + b'"}\n'


def make_journal(root: str) -> Layout:
    """Create an empty journal."""
    layout = Layout(f"{root}/journal")
    identity.open_or_create(layout, "node-1", NOW)
    return layout


def add_segment(layout: Layout, base: int, data: bytes, *, finished: bool = True) -> int:
    """Write one raw segment and return its end."""
    path = layout.segment(base)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, FINISHED_SEGMENT_MODE if finished else OPEN_SEGMENT_MODE)
    return base + len(data)


def fill(layout: Layout, segments: int, records_each: int = 20) -> bytes:
    """Write finished segments and an open last one with one record; return all bytes."""
    whole = b""
    for index in range(segments):
        data = b"".join(record(index * records_each + n) for n in range(records_each))
        add_segment(layout, len(whole), data)
        whole += data
    tail = record(segments * records_each)
    add_segment(layout, len(whole), tail, finished=False)
    return whole + tail


def limits(**changes: object) -> Limits:
    """Return limits under which nothing is deleted, but for the changes."""
    values: dict[str, object] = {
        "age_seconds": None,
        "size_bytes": None,
        "cap_bytes": PLENTY,
        "segment_size_bytes": 4096,
        "on_full": "block",
    }
    values.update(changes)
    return Limits(**values)  # type: ignore[arg-type]


def make_keeper(layout: Layout, log_fd: int, *, sinks: tuple[str, ...] = (), **changes: object) -> Keeper:
    """Return a keeper with everything allowed."""
    return Keeper(layout, identity.read(layout), KeeperSettings(sinks, limits(**changes)), Log("keep", log_fd))


def never() -> bool:
    """Return that nobody asked to stop."""
    return False


def run_passes(keeper: Keeper) -> None:
    """Let a keeper do everything that is due."""
    while keeper.pass_over(never):
        pass


def names(layout: Layout) -> set[str]:
    """Return the names in segments/."""
    return set(os.listdir(layout.segments))
