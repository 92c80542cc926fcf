"""What capture, keep and ship are given to do while strace injects a fault, and what must hold after it.

Nothing here uses the code under test: journals are read by listing and reading files.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import zlib
from typing import TYPE_CHECKING, Any, Self

from tests.faults.injection import INJECTED, Attached, Injection, Process, calls, wait_until
from tests.faults.rig import OPEN_BOTH_WAYS, pipe_bytes, read_segments
from tests.faults.writer import records

if TYPE_CHECKING:
    from pathlib import Path

SEGMENT_BYTES = 4096
HARD_LIMIT_BYTES = 2 * SEGMENT_BYTES
PIECES = [b"".join(records(first, 6, (300, 700, 1500, 2048))) for first in range(0, 36, 6)]  # some 7 KB each
WHOLE = b"".join(PIECES)
LINES = WHOLE.splitlines(keepends=True)
STARTS = [sum(map(len, LINES[:number])) for number in range(len(LINES) + 1)]
SINK = "console"
FIFO, JOURNAL = "audit-fifo", "audit-journal"  # names that nothing else has: they are looked for in traces
SLOT_BYTES = 512


class CaptureScene:
    """A FIFO and a journal's reserve, both held as the supervisor does; bytes for them; and captures."""

    def __init__(self, directory: Path, state: Path | None = None, pieces: slice = slice(None)) -> None:
        """Take a journal's state to begin with, or none at all, and say which pieces are to be written."""
        self.directory = directory
        self.fifo = directory / FIFO
        self.journal = directory / JOURNAL
        self._left = PIECES[pieces]
        self.written = sum(map(len, PIECES[: pieces.start or 0]))
        copy_journal(state, self.journal)

    def __enter__(self) -> Self:
        """Make and hold the pipes."""
        os.mkfifo(self.fifo, 0o600)
        os.mkfifo(self.journal / "reserve", 0o600)
        self._held = os.open(self.fifo, OPEN_BOTH_WAYS)
        self._reserve = os.open(self.journal / "reserve", OPEN_BOTH_WAYS)
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        os.close(self._held)
        os.close(self._reserve)

    def start(self, injection: Injection | None = None, fsync: str = "1h") -> Process:
        """Start a capture."""
        words = ("capture", "--fifo", self.fifo, "--journal", self.journal, "--segment-size", SEGMENT_BYTES)
        return Process(self.directory, [*map(str, words), "--fsync", fsync], injection, ready=True)

    def put(self, descriptor: int | None = None) -> None:
        """Write the next piece, to the FIFO if nothing else is named."""
        piece = self._left.pop(0)
        assert os.write(self._held if descriptor is None else descriptor, piece) == len(piece)
        self.written += len(piece)

    def put_in_both_pipes(self) -> None:
        """Write one piece to the reserve, as if capture had been killed, and one to the FIFO."""
        self.put(self._reserve)
        self.put()

    def captured(self) -> int:
        """Return the journal's end."""
        names = [name for name in os.listdir(self.journal / "segments") if name[:20].isdigit() and name.endswith("log")]
        last = max(names)
        return int(last[:20]) + (self.journal / "segments" / last).stat().st_size

    def settle(self, capture: Process) -> None:
        """Wait until everything written is captured, or capture has died."""
        wait_until(lambda: not capture.alive() or self.captured() >= self.written, "all is captured")

    def work(self, capture: Process, *, sync_each: bool = False) -> None:
        """Write what is left, piece by piece; then stop capture as the supervisor does."""
        while self._left and capture.alive():
            syncs = len(calls(capture.trace()))
            self.put()
            self.settle(capture)
            if sync_each:
                wait_until(lambda: not capture.alive() or len(calls(capture.trace())) > syncs, "it is synced")  # noqa: B023
        self.stop(capture)

    def stop(self, capture: Process) -> None:
        """Ask it to stop, and let it see that nobody writes any more."""
        capture.signal(signal.SIGTERM)
        reader = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.close(self._held)
        self._held = reader
        capture.status()
        both = os.open(self.fifo, OPEN_BOTH_WAYS)
        os.close(self._held)
        self._held = both

    def finish(self) -> None:
        """Start capture again without a fault, give it the rest, and stop it."""
        with self.start() as capture:
            assert capture.wait_ready(), capture.messages()
            self.work(capture)
            assert 0 == capture.status(), capture.messages()

    def check(self) -> None:
        """Check that every byte is in the journal once, in order, and that nothing is left in the pipes."""
        data = b""
        for base, piece in read_segments(self.journal):
            assert base == len(data), f"a segment at {base} follows on {len(data)}"
            data += piece
        assert WHOLE == data
        assert 0 == pipe_bytes(self._held)
        assert 0 == pipe_bytes(self._reserve)
        names = sorted(name for name in os.listdir(self.journal / "segments") if name.endswith(".log"))
        for name in names[:-1]:
            assert 0o400 == (self.journal / "segments" / name).stat().st_mode & 0o777, name

    def check_told(self, capture: Process) -> None:
        """Check that a failure is in the log or among the incidents."""
        assert capture.complaints() or incidents(self.journal), f"nobody tells of {capture.injected()}"

    def check_failed_segments(self, capture: Process) -> None:
        """Check that a segment whose sync failed is marked, on record, and neither grew nor was synced again."""
        failed = [call for call in calls(capture.trace()) if INJECTED in call.text and ".log>" in call.text]
        for call in failed:
            name = call.text.partition(".log>")[0][-20:]
            path = self.journal / "segments" / f"{name}.log"
            mark = json.loads(path.with_suffix(".failed").read_bytes())
            assert True is mark["copied"]
            offsets = [incident["offset"] for incident in incidents(self.journal) if incident["kind"] == "io-error"]
            assert int(name) + mark["synced"] in offsets
            if mark["synced"]:
                assert mark["length"] == path.stat().st_size
                assert 1 == sum(f"{name}.log>" in call.text for call in failed)


class KeepScene:
    """A journal with closed segments, and keeps that run until nothing is left to do."""

    def __init__(self, directory: Path, state: Path, config: Path) -> None:
        """Copy a journal's state."""
        self.directory = directory
        self.journal = directory / JOURNAL
        self._config = config
        copy_journal(state, self.journal)
        self._deletable = {0}
        self._expected = segments_of(state)
        self._last = max(self._expected)

    def start(self, injection: Injection | None = None) -> Process:
        """Start a keep."""
        words = ["keep", "--once", "--journal", str(self.journal), "--config", str(self._config)]
        return Process(self.directory, words, injection)

    def seals(self) -> dict[int, bytes]:
        """Return base → bytes of every seal."""
        directory = self.journal / "segments"
        return {
            int(name[:20]): (directory / name).read_bytes()
            for name in sorted(os.listdir(directory))
            if name.endswith(".seal.json")
        }

    def check_data(self) -> None:
        """Check that no byte is lost or altered, but for what was delivered and old."""
        found = segments_of(self.journal)
        missing = self._expected.keys() - found.keys()
        assert missing <= self._deletable
        assert {base: data for base, data in self._expected.items() if base not in missing} == found

    def check_finished(self, seals_before: dict[int, bytes]) -> None:
        """Check that every closed segment is sealed once, with the right digest and link, and no work is half done."""
        seals = self.seals()
        assert self._expected.keys() - {self._last} - self._deletable <= seals.keys()
        previous = None
        for base, text in seals.items():
            seal = json.loads(text)
            data = self._expected[base]
            assert (base, base + len(data)) == (seal["base"], seal["end"])
            assert hashlib.sha256(data).hexdigest() == seal["sha256"]
            assert data.count(b"\n") == seal["records"]
            if previous is not None or base == 0:
                assert previous == seal["previous"]
            previous = hashlib.sha256(text).hexdigest()
            assert seals_before.get(base, text) == text, "a seal was written twice"
        names = sorted(os.listdir(self.journal / "segments"))
        assert [] == [name for name in names if name.endswith(".tmp")]
        assert len({name[:20] for name in names if ".log" in name}) == len([name for name in names if ".log" in name])
        assert any(name.endswith(".zst") for name in names)


class ShipScene:
    """A journal, a stdout that outlives ships, and what each of them wrote there."""

    def __init__(self, directory: Path, state: Path, config: Path, *, pipe: bool) -> None:
        """Copy a journal's state. stdout is a small pipe, so that writes are cut, or a file."""
        self.directory = directory
        self.journal = directory / JOURNAL
        self._config = config
        copy_journal(state, self.journal)
        self.outputs: list[bytes] = []
        self._pipe = pipe

    def __enter__(self) -> Self:
        """Open stdout."""
        if self._pipe:
            self._read_end, self._stdout = os.pipe()
            fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, 4096)
            os.set_blocking(self._read_end, False)
        else:
            path = self.directory / "stdout"
            self._stdout = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._read_end = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        os.close(self._stdout)
        os.close(self._read_end)

    def _read(self) -> bytes:
        try:
            return os.read(self._read_end, 1 << 20)
        except BlockingIOError:
            return b""

    def run(self, injection: Injection | None = None) -> Process:
        """Let a ship deliver everything, or die; note what it wrote."""
        words = ["ship", "--once", "--journal", str(self.journal), "--config", str(self._config)]
        output = bytearray()

        def ended() -> bool:
            output.extend(self._read())
            return not ship.alive()

        with Process(self.directory, words, injection, stdout=self._stdout) as ship:
            wait_until(ended, "ship has ended")
        while data := self._read():
            output += data
        self.outputs.append(bytes(output))
        return ship

    def check(self) -> None:
        """Check what came: the journal, cut lines ended, one batch again at most, and that one named by an incident."""
        reached, cut = 0, False
        for number, output in enumerate(self.outputs):
            rest = output
            if number and rest.startswith(b"\n"):
                rest, cut = rest[1:], False
            if not rest:
                continue
            assert not cut, f"a line was glued to the cut one at {reached}"
            start, end, cut = self._place(rest, reached)
            assert reached - start <= HARD_LIMIT_BYTES, "more than one batch was repeated"
            if start < reached:
                self._check_repeat(start, reached)
            reached = max(reached, end)
        assert not cut
        assert len(WHOLE) == reached

    def _place(self, output: bytes, reached: int) -> tuple[int, int, bool]:
        """Return which bytes of the journal an output holds, and whether it ends inside a line."""
        if output.startswith(b'{"standpipe"'):
            return place_enveloped(output, reached)
        for start in STARTS:
            if start <= reached and WHOLE[start : start + len(output)] == output:
                return start, start + len(output), not output.endswith(b"\n")
        raise AssertionError(f"what came after {reached} is no part of the journal: {output[:200]!r}")

    def _check_repeat(self, start: int, end: int) -> None:
        named = [
            (incident["offset"], incident["offset"] + incident["length"])
            for incident in incidents(self.journal)
            if incident["kind"] == "repeat"
        ]
        assert any(low <= start and end <= high for low, high in named), f"[{start}, {end}) is in none of {named}"


def place_enveloped(output: bytes, reached: int) -> tuple[int, int, bool]:
    """Return which bytes of the journal some lines with an envelope hold, and whether the last one is cut."""
    lines = output.split(b"\n")
    cut = lines.pop() != b""
    position = start = None
    for line in lines:
        envelope = json.loads(line)["standpipe"]
        offset = envelope["offset"]
        start = offset if start is None else start
        assert position in (None, offset)
        position = offset + envelope["length"]
        assert offset in STARTS
        assert line.endswith(b"," + WHOLE[offset + 1 : position - 1])
    if start is None or position is None:
        return reached, reached, cut
    return start, position, cut


def copy_journal(state: Path | None, journal: Path) -> None:
    """Copy a journal, but for its reserve."""
    if state is None:
        journal.mkdir(0o700)
    else:
        shutil.copytree(state, journal, ignore=shutil.ignore_patterns("reserve"))


def segments_of(journal: Path) -> dict[int, bytes]:
    """Return base → bytes that count."""
    return dict(read_segments(journal))


def incidents(journal: Path) -> list[dict[str, Any]]:
    """Return the incidents; lines that a fault cut are passed over."""
    path = journal / "incidents.jsonl"
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def write_cursor(journal: Path, offset: int) -> None:
    """Write a sink's cursor by hand: one slot of the two."""
    entry = {"sequence": 2, "offset": offset, "after": offset, "writing": None, "output": None, "unread": None}
    body = json.dumps(entry, separators=(",", ":")).encode()
    slot = (body + b" %08x" % zlib.crc32(body)).ljust(SLOT_BYTES - 1) + b"\n"
    (journal / "cursors" / SINK).write_bytes(slot.ljust(SLOT_BYTES * 9))


def attach(scene: CaptureScene, capture: Process, injection: Injection) -> Attached:
    """Join a capture that is ready and has prepared its next segment."""
    wait_until((scene.journal / "segments" / "next").exists, "the next segment is prepared")
    return Attached(scene.directory, capture, injection)
