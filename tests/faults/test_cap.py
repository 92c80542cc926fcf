from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.rig import Rig, Role, is_full, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.writer import Writer

KIB = 1 << 10
CAP_BYTES = 512 * KIB
COUNT = 2000
SIZES = (300, 2048, 900, 5000)  # 4 MB in all, eight times the cap


class Stdout:
    """A pipe whose reader reads nothing until it is told to."""

    def __init__(self) -> None:
        """Make the pipe."""
        self.data = bytearray()
        self._read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._read)

    def read(self) -> None:
        """Read from now on."""
        self._thread.start()

    def _read(self) -> None:
        while piece := os.read(self._read_end, 65536):
            self.data += piece

    def close(self) -> None:
        """Read to the end; every other writing end must be closed."""
        os.close(self.write_end)
        if self._thread.ident is None:
            self._thread.start()
        self._thread.join()
        os.close(self._read_end)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Return a rig whose config has a small cap."""
    return Rig(tmp_path / "rig")


def start_run(rig: Rig, stdout: Stdout, on_full: str, output_format: str = "raw") -> Role:
    """Start `run` with a small journal."""
    config = rig.directory / "config.yaml"
    config.write_text(
        f"source: {{fifo: {rig.fifo}}}\n"
        f"journal: {{path: {rig.journal}, segment_size: 32KiB, max_size: {CAP_BYTES}B, on_full: {on_full}}}\n"
        f"sinks: {{stdout: {{type: stdout, format: {output_format}}}}}\n",
        encoding="utf-8",
    )
    return rig.run("--config", str(config), stdout=stdout.write_end)


def stalled(rig: Rig) -> bool:
    """Tell whether the writer cannot go on."""
    return is_full(rig.held_fifo)


def test_block_makes_the_writer_wait_at_the_cap_and_loses_nothing(rig: Rig) -> None:
    """With on_full: block a stalled stdout stops the writer at the cap; read again, everything arrives."""
    stdout = Stdout()
    with rig:
        run = start_run(rig, stdout, "block")
        writer = rig.write(COUNT, SIZES)
        wait_until(lambda: rig.incidents("disk-full"), "the cap is reached")
        wait_until(lambda: stalled(rig), "the FIFO is full")
        assert not writer.finished()
        assert rig.captured() <= CAP_BYTES
        stdout.read()
        writer.end()
        rig.end_run(run)
        stdout.close()
        assert writer.expected == bytes(stdout.data)
        assert 0 == rig.verify()[0]
        assert not rig.incidents("dropped")


def test_block_survives_a_kill_of_every_role_at_the_cap(rig: Rig) -> None:
    """A kill -9 of capture, keep and ship at the cap changes nothing."""
    stdout = Stdout()
    with rig:
        run = start_run(rig, stdout, "block")
        writer = rig.write(COUNT, SIZES)
        wait_until(lambda: rig.incidents("disk-full"), "the cap is reached")
        wait_until(lambda: stalled(rig), "the FIFO is full")
        for role in ("capture", "keep", "ship"):
            rig.kill_role(role)
        stdout.read()
        writer.end()
        rig.end_run(run)
        stdout.close()
        assert writer.expected == without_repeats(rig, bytes(stdout.data))
        assert 0 == rig.verify()[0]


def without_repeats(rig: Rig, data: bytes) -> bytes:
    """Take out what the journal lists as possibly sent twice, and the line that ends the cut write."""
    for repeat in rig.incidents("repeat"):
        offset, length = repeat["offset"], repeat["length"]
        assert isinstance(offset, int)
        assert isinstance(length, int)
        begin = data[offset : offset + length]
        for cut in range(len(begin) + 1):
            again = data[offset + cut :]
            if again[:1] == b"\n" and again[1 : 1 + cut] == begin[:cut]:
                return data[:offset] + again[1:]
    return data


def dropped(rig: Rig) -> list[tuple[int, int]]:
    """Return the dropped ranges."""
    return [(int(str(i["offset"])), int(str(i["offset"])) + int(str(i["length"]))) for i in rig.incidents("dropped")]


def whole_lines(data: bytes, fragments: int) -> list[dict[str, Any]]:
    """Return the lines that are whole; at most some may be fragments of a write that a kill cut."""
    lines = []
    for line in data.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            assert line.startswith(b'{"standpipe":')
            fragments -= 1
    assert fragments >= 0
    return lines


def check_dropped(rig: Rig, run: Role, writer: Writer, stdout: Stdout, fragments: int = 0) -> None:
    """Let stdout flow again, and compare what came with what was written and with what is on record."""
    gaps = dropped(rig)
    stdout.read()
    rig.end_run(run)
    stdout.close()
    lines = whole_lines(bytes(stdout.data), fragments)
    envelopes = [line["standpipe"] for line in lines]
    sent = [(int(envelope["offset"]), int(envelope["length"])) for envelope in envelopes]
    tiles = sorted([*((offset, offset + length) for offset, length in sent), *dropped(rig)])
    position = 0
    for begin, end in tiles:
        assert begin <= position, f"nothing and nobody tells of [{position}, {begin})"
        position = max(position, end)
    assert len(writer.expected) == position
    assert sum(length for _, length in sent) >= CAP_BYTES // 2
    assert gaps == dropped(rig)[: len(gaps)]
    for line, (offset, length) in zip(lines, sent, strict=True):
        envelope = line.pop("standpipe")
        if not envelope.get("torn"):
            assert json.loads(writer.expected[offset : offset + length]) == line


def test_drop_oldest_never_stops_the_writer_and_tells_what_went(rig: Rig) -> None:
    """With on_full: drop-oldest a stalled stdout costs the oldest segments; what is delivered and what went tile."""
    stdout = Stdout()
    with rig:
        run = start_run(rig, stdout, "drop-oldest", "json")
        writer = rig.write(COUNT, SIZES)
        writer.end()  # though nobody reads stdout
        wait_until(lambda: dropped(rig), "a segment is dropped")
        wait_until(lambda: rig.captured() == len(writer.expected), "everything is captured")
        check_dropped(rig, run, writer, stdout)
        status, findings = rig.verify()
        assert (1, "incomplete") == (status, findings["verdict"])
        assert 0 == rig.verify("--accept-recorded")[0]
        seals = [json.loads(path.read_bytes()) for path in sorted((rig.journal / "segments").glob("*.seal.json"))]
        named = [(gap["offset"], gap["length"]) for seal in seals for gap in seal["gaps"] if gap["kind"] == "dropped"]
        on_record = [(begin, end - begin) for begin, end in dropped(rig)]
        assert named
        assert set(named) <= set(on_record)


def test_a_cursor_before_the_journal_moves_with_an_incident(rig: Rig) -> None:
    """A ship that starts after its records were dropped says so, and goes on at the first that is left."""
    stdout = Stdout()
    with rig:
        run = start_run(rig, stdout, "drop-oldest", "json")
        writer = rig.write(COUNT, SIZES)
        writer.end()
        wait_until(lambda: rig.captured() == len(writer.expected), "everything is captured")
        rig.kill_role("ship")
        wait_until(lambda: rig.incidents("cursor-moved"), "the cursor is moved")
        check_dropped(rig, run, writer, stdout, fragments=1)
