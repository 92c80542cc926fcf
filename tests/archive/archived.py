"""Archives for tests: real journals, sealed and compressed by keep, archived by the real objects sink."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from standpipe.config_sinks import SinkConfig
from standpipe.delivery.sealed_segments import next_sealed
from standpipe.journal import identity
from standpipe.journal.keeper import Keeper, KeeperSettings
from standpipe.journal.keeping import make_idle_seal, write_seal
from standpipe.journal.layout import SEGMENT_NUMBER, Layout
from standpipe.observe.log import Log
from standpipe.sinks.base import Context, Delivered, SealedSegment
from standpipe.sinks.objects import open_sink
from tests.journal.keep_fixture import add_segment, limits, record, run_passes

if TYPE_CHECKING:
    from pathlib import Path

RECORDS_EACH = 20
RECORD_BYTES = 120
SEGMENT_BYTES = RECORDS_EACH * RECORD_BYTES
CLUSTER = "blue"
IDLE = re.compile(r"\.[0-9]{6}\.seal\.json$")


def keep(layout: Layout, sign_key: Path | None = None) -> None:
    """Let keep seal and compress everything."""
    settings = KeeperSettings((), limits(), None if sign_key is None else str(sign_key))
    with open(os.devnull, "wb") as null:
        keeper = Keeper(layout, identity.read(layout), settings, Log("keep", null.fileno()))
        run_passes(keeper)
        keeper.close()


def make_sealed(directory: Path, node: str, segments: int = 3, sign_key: Path | None = None) -> Layout:
    """Make a journal of sealed segments and an open tail of one record."""
    layout = Layout(str(directory))
    identity.open_or_create(layout, node, 1_700_000_000.0)
    end = 0
    for index in range(segments):
        end = add_segment(layout, end, b"".join(record(index * RECORDS_EACH + n) for n in range(RECORDS_EACH)))
    add_segment(layout, end, record(segments * RECORDS_EACH), finished=False)
    keep(layout, sign_key)
    return layout


def make_quiet(directory: Path, node: str, idle: int = 3) -> Layout:
    """Make a journal of two segments, and idle seals between them; the first one was made before anything came."""
    layout = Layout(str(directory))
    known = identity.open_or_create(layout, node, 1_700_000_000.0)
    write_seal(layout, make_idle_seal(layout, known, 0, [], None, time.time()))
    data = b"".join(map(record, range(RECORDS_EACH)))
    end = add_segment(layout, 0, data)
    add_segment(layout, end, b"", finished=False)
    keep(layout)
    newest = (0, SEGMENT_NUMBER)
    for number in range(1, idle + 1):
        write_seal(layout, make_idle_seal(layout, known, end, [], newest, time.time()))
        newest = (end, number)
    end = add_segment(layout, end, data)
    add_segment(layout, end, record(0), finished=False)
    keep(layout)
    return layout


def archive_all(layout: Layout, config: SinkConfig) -> None:
    """Put all sealed segments into the archive that a sink's config names."""
    known = identity.read(layout)
    sink = open_sink(config, Context(known.journal_id, known.node))
    offset, done, idle = 0, None, 0
    while segment := next_sealed(layout, offset, done_base=done, idle=idle):
        assert isinstance(segment, SealedSegment)
        assert sink.put(segment) == Delivered()
        offset, idle = segment.end, segment.idle
        done = done if segment.idle else segment.base
    sink.close()


def directory_config(root: Path, **options: object) -> SinkConfig:
    """Return the config of a sink that archives below a directory."""
    return SinkConfig("archive", "objects", options={"url": f"file://{root}", "cluster": CLUSTER, **options})


def make_archive(root: Path, journals: Path, *nodes: str, segments: int = 3) -> list[Layout]:
    """Make a journal for each node, and archive them all below root; return the journals."""
    root.mkdir(exist_ok=True)
    layouts = [make_sealed(journals / node, node, segments) for node in nodes]
    for layout in layouts:
        archive_all(layout, directory_config(root))
    return layouts


def objects_of(root: Path, base: int, node: str = "") -> dict[str, Path]:
    """Return a segment's objects in a directory by kind, ``data`` and ``seal``."""
    found = sorted(path for path in root.rglob(f"{base:020d}-*") if node in str(path) and not IDLE.search(path.name))
    return {"seal" if path.name.endswith(".seal.json") else "data": path for path in found}
