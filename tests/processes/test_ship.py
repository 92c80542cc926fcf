from __future__ import annotations

import fcntl
import json
import os
import select
import signal
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import EXIT_OK, EXIT_SIGNAL_BASE, EXIT_UNABLE
from standpipe.journal import lock
from standpipe.journal.cursor import read_cursor
from standpipe.journal.layout import Layout
from tests.evidence.craft import JOURNAL_ID, Crafted, records
from tests.processes.front_door import FrontDoor, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = 4096


class Place:
    """A journal, a pipe for stdout, and the ships that were started."""

    def __init__(self, directory: Path, ends: ExitStack) -> None:
        self.directory = directory
        self.journal = Crafted(directory / "journal")
        self.layout = Layout(str(directory / "journal"))
        self._ends = ends
        self.read_end, self.write_end = os.pipe()
        fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, PAGE)
        os.set_blocking(self.read_end, False)
        for descriptor in (self.read_end, self.write_end):
            ends.callback(os.close, descriptor)
        self.got = b""

    def ship(self, *arguments: str, stdout: int | None = None) -> FrontDoor:
        """Start a ship on the pipe, or on another stdout."""
        command = ("ship", "--journal", str(self.journal.root), *arguments)
        door = FrontDoor(self.directory, *command, stdout=self.write_end if stdout is None else stdout)
        self._ends.callback(door.kill)
        return door

    def append(self, data: bytes) -> None:
        """Write on in the last segment."""
        with self.journal.file(self.journal.bases[-1], ".log").open("ab") as file:
            file.write(data)
        self.journal.end += len(data)

    def has(self, expected: bytes) -> bool:
        """Read what there is, and tell whether that much has come."""
        with suppress(BlockingIOError):
            self.got += os.read(self.read_end, 1 << 20)
        return len(self.got) >= len(expected)

    def expect(self, expected: bytes) -> None:
        """Wait for bytes on stdout, which must be all that ever came."""
        wait_until(lambda: self.has(expected), f"{len(expected)} bytes come")
        assert expected == self.got

    def is_full(self) -> bool:
        """Tell whether the pipe is full."""
        poll = select.poll()
        poll.register(self.write_end, select.POLLOUT)
        return not poll.poll(0)

    def offset(self) -> int:
        """Return the cursor's offset, -1 where there is none."""
        state = read_cursor(self.layout.cursor("stdout"))
        return -1 if state is None else state.offset


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Return a place with an empty journal."""
    with ExitStack() as ends:
        yield Place(tmp_path, ends)


def test_once_delivers_everything_to_a_file(place: Place) -> None:
    """`--once` writes the whole journal, raw and compressed segments alike, and exits; a second one writes nothing."""
    expected = b""
    for number in range(3):
        data = place.journal.data(40)
        base = place.journal.add(data, mode=0o600 if number == 2 else 0o400)
        expected += data
        if number == 0:
            place.journal.compress(place.journal.seal(base))
    path = place.directory / "out"
    for _ in range(2):
        with path.open("ab") as out:
            assert EXIT_OK == place.ship("--once", stdout=out.fileno()).status()
        assert expected == path.read_bytes()
    assert len(expected) == place.offset()


def test_records_come_as_they_are_written(place: Place) -> None:
    """A running ship delivers what is appended, and what a new segment brings, up to the last newline."""
    place.journal.add(records(0, 2), mode=0o600)
    door = place.ship()
    place.expect(records(0, 2))
    place.append(records(2, 1) + b'{"half')
    place.expect(records(0, 3))
    place.append(b'":1}\n')
    whole = records(0, 3) + b'{"half":1}\n'
    place.expect(whole)
    place.journal.file(0, ".log").chmod(0o400)
    place.journal.add(records(5, 2), mode=0o600)
    place.expect(whole + records(5, 2))
    door.signal(signal.SIGTERM)
    assert EXIT_OK == door.status()
    assert len(place.got) == place.offset()


def test_sigusr1_delivers_a_last_line_without_its_newline(place: Place) -> None:
    """SIGUSR1 says that nothing will follow: everything goes out, to the last byte, and ship exits."""
    place.journal.add(records(0, 2) + b'{"half', mode=0o600)
    door = place.ship()
    place.expect(records(0, 2))
    door.signal(signal.SIGUSR1)
    assert EXIT_OK == door.status()
    place.expect(records(0, 2) + b'{"half')
    assert place.journal.end == place.offset()


def test_sigterm_while_stdout_is_stalled(place: Place) -> None:
    """SIGTERM ends a ship whose reader does not read, and the next one goes on from there, the cut line ended."""
    content = records(0, 300)
    place.journal.add(content, mode=0o600)
    door = place.ship()
    wait_until(place.is_full, "stdout's pipe is full")
    door.signal(signal.SIGTERM)
    assert EXIT_OK == door.status()
    assert not place.has(content)
    first = place.got
    offset = place.offset()
    door = place.ship()
    place.expect(first + b"\n" + content[offset:])
    assert content.startswith(first)


def test_sigusr1_while_stdout_is_stalled(place: Place) -> None:
    """SIGUSR1 waits for a stalled reader, and SIGTERM ends that wait."""
    place.journal.add(records(0, 300), mode=0o600)
    door = place.ship()
    wait_until(place.is_full, "stdout's pipe is full")
    door.signal(signal.SIGUSR1)
    door.signal(signal.SIGTERM)
    assert EXIT_OK == door.status()


def test_kill_9_repeats_what_is_on_record(place: Place) -> None:
    """Killed over and over on one pipe: the journal's bytes, and per kill one fragment line and one listed repeat."""
    content = records(0, 400)
    place.journal.add(content, mode=0o600)
    pieces, starts = [], [0]
    for _ in range(4):
        door = place.ship()
        wait_until(lambda: place.is_full() and place.offset() >= 0, "stdout's pipe is full")
        door.kill()
        place.has(content)
        pieces.append(place.got)
        place.got = b""
        starts.append(place.offset())
    place.ship()
    last = b"\n" + content[starts[-1] :]
    place.expect(last)
    expected = [content[start : start + len(piece)] for start, piece in zip(starts, pieces, strict=False)]
    assert expected[:1] + [b"\n" + piece[:-1] for piece in expected[1:]] == pieces
    listed = [json.loads(line) for line in (place.journal.root / "incidents.jsonl").read_text().splitlines()]
    assert [("repeat", start) for start in starts[1:]] == [(entry["kind"], entry["offset"]) for entry in listed]


def test_a_gone_reader(place: Place) -> None:
    """`--once` into a pipe whose reader has gone ends as other programs do; it does not wait for another reader."""
    place.journal.add(records(0, 2), mode=0o600)
    read_end, write_end = os.pipe()
    os.close(read_end)
    assert EXIT_SIGNAL_BASE + signal.SIGPIPE == place.ship("--once", stdout=write_end).status()
    os.close(write_end)
    assert EXIT_OK == place.ship("--once").status()
    place.expect(records(0, 2))


def test_a_fifo_whose_reader_comes_back(place: Place) -> None:
    """On a FIFO, records wait in the journal while there is no reader, and the next reader gets them."""
    place.journal.add(records(0, 1), mode=0o600)
    path = place.directory / "stdout"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY)
    door = place.ship(stdout=writer)
    os.close(writer)
    wait_until(lambda: place.offset() == len(records(0, 1)), "the first record has gone")
    assert records(0, 1) == os.read(reader, 1000)
    os.close(reader)
    place.append(records(1, 1))
    door.wait_for("records are not taken at the moment")
    with path.open("rb") as again:
        assert records(1, 1) == again.readline()


def test_json_with_torn_records(place: Place) -> None:
    """With `format: json` each record has its envelope, and half a record is one torn line, and an incident."""
    config = place.directory / "config.yaml"
    config.write_text("sinks: {console: {type: stdout, format: json}}\n")
    place.journal.add(records(0, 1) + b'{"ha' + records(1, 1), mode=0o600)
    assert EXIT_OK == place.ship("--once", "--config", str(config)).status()
    place.has(b"")
    envelopes = [json.loads(line)["standpipe"] for line in place.got.splitlines()]
    assert [(0, 120, 0, None), (120, 4, 120, True), (124, 120, 124, None)] == [
        (found["offset"], found["length"], found["after"], found.get("torn")) for found in envelopes
    ]
    assert f"{JOURNAL_ID}-{124:020d}" == envelopes[2]["id"]
    (incident,) = [json.loads(line) for line in (place.journal.root / "incidents.jsonl").read_text().splitlines()]
    assert ("torn", 120) == (incident["kind"], incident["offset"])


def test_a_second_ship_is_refused(place: Place) -> None:
    """Only one ship works on a journal; another is told which process that is. A killed one is in nobody's way."""
    place.journal.add(records(0, 1), mode=0o600)
    first = place.ship()
    place.expect(records(0, 1))
    assert first.pid == lock.holder(place.layout.lock("ship"))
    second = place.ship("--once")
    assert EXIT_UNABLE == second.status()
    assert f"process {first.pid}" in str(second.messages()[-1]["message"])
    first.kill()
    assert EXIT_OK == place.ship("--once").status()


def test_it_dies_with_its_parent(place: Place) -> None:
    """A ship that is told of a parent which is not its parent any more does not start."""
    place.journal.add(records(0, 1), mode=0o600)
    door = place.ship("--parent-pid", "1")
    assert EXIT_UNABLE == door.status()
    assert "is gone" in str(door.messages()[-1]["message"])


def test_no_journal(place: Place) -> None:
    """Where there is no journal, ship says so and makes none."""
    door = FrontDoor(place.directory, "ship", "--journal", str(place.directory / "missing"), "--once")
    assert EXIT_UNABLE == door.status()
    assert "no journal at" in str(door.messages()[-1]["message"])
    assert not (place.directory / "missing").exists()


def test_a_closed_stdout(place: Place) -> None:
    """Without a stdout ship fails; it does not write records into whatever got the number 1."""
    place.journal.add(records(0, 1), mode=0o600)
    door = FrontDoor(
        place.directory, "ship", "--journal", place.layout.root, "--once", before=("sh", "-c", 'exec "$@" >&-', "sh")
    )
    assert EXIT_UNABLE == door.status()
    assert "stdout is closed" in str(door.messages()[-1]["message"])
    assert -1 == place.offset()
    assert [] == [path for path in place.journal.root.iterdir() if path.is_file() and b"time" in path.read_bytes()]


def test_once_holds_back_half_a_line_that_capture_may_complete(place: Place) -> None:
    """While a capture is alive the last line may still grow, so `--once` leaves it; without one it is delivered."""
    place.journal.add(b'{"a":1}\n{"half', mode=0o600)
    held = lock.acquire(place.layout.lock("capture"), "capture")
    assert EXIT_OK == place.ship("--once").status()
    place.expect(b'{"a":1}\n')
    os.close(held)
    assert EXIT_OK == place.ship("--once").status()
    place.expect(b'{"a":1}\n{"half')


def test_a_closed_stderr(place: Place) -> None:
    """With stderr closed, no file of ours takes its place and gets our messages."""
    place.journal.add(b'{"a":1}\n', mode=0o600)
    door = FrontDoor(
        place.directory, "ship", "--journal", place.layout.root, "--once",
        stdout=place.write_end, before=("sh", "-c", 'exec "$@" 2>&- <&-', "sh"),
    )  # fmt: skip
    assert EXIT_OK == door.status()
    place.expect(b'{"a":1}\n')
    for name in os.listdir(place.layout.root):
        path = f"{place.layout.root}/{name}"
        if os.path.isfile(path):
            with open(path, "rb") as file:
                assert b"severity" not in file.read(), name
