from __future__ import annotations

import json
import os
import resource
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from standpipe.errors import JournalError
from standpipe.journal.cursor import read_cursor
from tests.delivery.stdout_rig import BATCH_BYTES, JSON, PAGE, RAW, SINK, Rig, small_batches
from tests.evidence.craft import compress
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS_MAX = 2000  # more system calls than any run below makes
LONG_RECORD = b'{"long":"' + b"z" * 3000 + b'"}\n'


def records(count: int, first: int = 0) -> bytes:
    """Return records of different lengths."""
    return b"".join(b'{"n":%d,"pad":"%s"}\n' % (n, b"x" * (n * 37 % 150)) for n in range(first, first + count))


def fill(rig: Rig) -> bytes:
    """Make a journal of three segments, one of them compressed, with a long record and a last one that is not whole."""
    segments = [records(8), records(6, 8) + LONG_RECORD[:2000], LONG_RECORD[2000:] + records(6, 20) + b'{"half']
    for number, data in enumerate(segments):
        base = rig.crafted.add(data, mode=0o600 if number == 2 else 0o400)
        if number == 1:
            rig.crafted.file(base, ".log").unlink()
            rig.crafted.file(base, ".log.zst").write_bytes(compress(data))
    return b"".join(segments)


@contextmanager
def new_rig() -> Iterator[Rig]:
    """Yield a rig in a directory of its own, with small batches."""
    with tempfile.TemporaryDirectory() as directory, small_batches():
        rig = Rig(Path(directory))
        try:
            yield rig
        finally:
            rig.close()


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Return a rig."""
    with new_rig() as made:
        yield made


class Stream:
    """What a reader should see of a journal when nothing goes wrong, and which place is which journal offset."""

    def __init__(self, form: str) -> None:
        with new_rig() as rig:
            self.journal = fill(rig)
            rig.new_pipe(1 << 16)
            rig.deliver(form)
            self.data = rig.took()
            self.torn = {incident["offset"] for incident in rig.new_incidents()}
        self._form = form
        self._places = {}
        place = 0
        for line in self.data.splitlines(keepends=True) if form == JSON else []:
            self._places[json.loads(line)["standpipe"]["offset"]] = place
            place += len(line)
        self._places[len(self.journal)] = place

    def place(self, offset: int) -> int:
        """Return where in the stream a journal offset is."""
        return offset if self._form == RAW else self._places[offset]


@pytest.fixture(scope="module")
def streams() -> dict[str, Stream]:
    """Return what comes without a kill, for each format."""
    return {form: Stream(form) for form in (RAW, JSON)}


class SameReader:
    """The reader of one pipe or file, who checks each piece that comes between two kills."""

    def __init__(self, rig: Rig, stream: Stream) -> None:
        self._rig = rig
        self._stream = stream
        self._place = 0
        self._torn: list[object] = []
        self.fragments = 0

    def check(self) -> None:
        """Compare what has come since the last check, after at most one kill, with the stream."""
        data = self._rig.took()
        incidents = self._rig.new_incidents()
        self._torn += [incident["offset"] for incident in incidents if incident["kind"] == "torn"]
        repeats = [incident for incident in incidents if incident["kind"] == "repeat"]
        assert {"repeat", "torn"} >= {incident["kind"] for incident in incidents}
        if repeats:
            offset, length = int(str(repeats[-1]["offset"])), int(str(repeats[-1]["length"]))
            assert length <= max(BATCH_BYTES, len(LONG_RECORD)) + BATCH_BYTES
            start, end = self._stream.place(offset), self._stream.place(offset + length)
            assert start <= self._place <= end
            if not data:
                return
            assert b"\n" == data[:1]
            self.fragments += 1
            data, self._place = data[1:], start
        assert self._stream.data[self._place : self._place + len(data)] == data
        self._place += len(data)

    def check_end(self) -> None:
        """Check that everything has come, and that a record that is none was noted."""
        self.check()
        assert self._place == len(self._stream.data)
        assert self._stream.torn == set(self._torn)


@pytest.mark.parametrize("form", [RAW, JSON])
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_a_kill_at_every_system_call(streams: dict[str, Stream], form: str, kind: str) -> None:
    """On the same pipe or file a kill costs at most one fragment line and one repeated batch, which is on record."""
    kills = fragments = 0
    for step in range(STEPS_MAX):
        with new_rig() as rig:
            fill(rig)
            if kind == "pipe":
                rig.new_pipe()
            else:
                rig.new_file()
            reader = SameReader(rig, streams[form])
            killed = rig.deliver_killed_at(step, form)
            reader.check()
            rig.deliver(form)
            reader.check_end()
            if not killed:
                assert 0 == reader.fragments
                break
            kills += 1
            fragments += reader.fragments
    assert 30 < kills < STEPS_MAX
    assert 10 < fragments < kills


@pytest.mark.parametrize("form", [RAW, JSON])
def test_two_kills_in_a_row(streams: dict[str, Stream], form: str) -> None:
    """A kill while the start after a kill is under way is no different from any other."""
    for first in range(5, 60, scale(11, 3)):
        for second in range(0, 30, scale(3, 1)):
            with new_rig() as rig:
                fill(rig)
                rig.new_pipe()
                reader = SameReader(rig, streams[form])
                for step in (first, second):
                    rig.deliver_killed_at(step, form)
                    reader.check()
                rig.deliver(form)
                reader.check_end()


@pytest.mark.parametrize(("old_capacity", "new_capacity"), [(PAGE, 4 * PAGE), (4 * PAGE, PAGE)])
def test_a_kill_and_another_pipe(streams: dict[str, Stream], old_capacity: int, new_capacity: int) -> None:
    """On another pipe, what the old one's reader had not taken comes again, from the beginning of a record."""
    stream = streams[RAW]
    for step in range(STEPS_MAX):
        with new_rig() as rig:
            fill(rig)
            rig.new_pipe(old_capacity)
            rig.wait.full = lambda rig=rig: rig.take(1000)  # type: ignore[misc]
            killed = rig.deliver_killed_at(step)
            taken = bytes(rig.got)
            assert stream.data.startswith(taken)
            rig.new_pipe(new_capacity)
            rig.deliver()
            came = rig.took()
            start = len(stream.data) - len(came)
            assert stream.data[start:] == came
            assert 0 == start or stream.data[start - 1 : start] == b"\n"
            assert start <= len(taken)
            listed = [(incident["kind"], incident["offset"]) for incident in rig.new_incidents()]
            assert listed == ([("repeat", start)] if listed or start < len(taken) else [])
            if not killed:
                assert len(taken) - start < len(LONG_RECORD)  # stopped in order: exactly from the record that was cut
                break
    assert step < STEPS_MAX - 1


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_another_stdout_after_a_stop_in_order(rig: Rig, kind: str) -> None:
    """After a stop in order, another stdout gets the record that the old reader had not got whole, and the rest."""
    content = records(80)
    assert PAGE < len(content) - 1000
    rig.crafted.add(content, mode=0o600)
    rig.new_pipe(64 * PAGE)  # a page for each of the short pieces
    rig.deliver()
    rig.take(1000)
    rig.deliver()
    assert content[:1000] == bytes(rig.got)
    if kind == "pipe":
        rig.new_pipe(PAGE)
    else:
        rig.new_file()
    rig.deliver()
    expected = content[:1000].rfind(b"\n") + 1
    assert content[expected:] == rig.took()


def test_the_same_pipe_after_a_stop_in_order(rig: Rig) -> None:
    """After a stop while stdout was stalled, on the same pipe what was cut is ended and comes again, on record."""
    content = records(100)
    rig.crafted.add(content, mode=0o600)
    rig.new_pipe()
    rig.wait.full = rig.wait.stop
    rig.deliver()
    first = rig.took()
    assert content.startswith(first)
    rig.wait.full = rig.take_all
    rig.deliver()
    (repeat,) = rig.new_incidents()
    start = int(str(repeat["offset"]))
    assert b"\n" + content[start:] == rig.took()
    assert start <= len(first) <= start + int(str(repeat["length"]))


def test_a_stop_before_the_fragment_could_be_ended(rig: Rig) -> None:
    """While the pipe stays full the fragment cannot be ended; the mark stays, and the next start ends it: no glue."""
    content = records(100)
    rig.crafted.add(content, mode=0o600)
    rig.new_pipe()
    rig.wait.full = rig.wait.stop
    for _ in range(2):
        rig.deliver()
    state = read_cursor(rig.layout.cursor(SINK))
    assert state is not None
    assert state.writing is not None
    first = rig.took()
    rig.wait.full = rig.take_all
    rig.deliver()
    assert content[: len(first)] + b"\n" + content[state.offset :] == first + rig.took()


def test_nothing_is_repeated_after_stops_in_order(rig: Rig) -> None:
    """Starts and stops in order on one pipe deliver every byte once, also a last line that is ended later."""
    rig.new_pipe()
    base = rig.crafted.add(b"", mode=0o600)
    content = records(30)
    for start in range(0, len(content), 100):
        with rig.crafted.file(base, ".log").open("ab") as file:
            file.write(content[start : start + 100])
        rig.deliver()
    assert (content, []) == (rig.took(), rig.new_incidents())


def test_the_end_records_what_is_unread(rig: Rig) -> None:
    """While it runs the cursor says that a whole pipe may be unread, and after a stop in order how much is."""
    rig.crafted.add(records(3), mode=0o600)
    rig.new_pipe(4 * PAGE)
    assert rig.deliver_killed_at(8)
    while_running = read_cursor(rig.layout.cursor(SINK))
    rig.deliver()
    rig.take(10)
    rig.deliver()
    at_the_end = read_cursor(rig.layout.cursor(SINK))
    assert while_running is not None
    assert at_the_end is not None
    assert (4 * PAGE, len(rig.took()) - 10) == (while_running.unread, at_the_end.unread)


def test_holes_are_stepped_over(rig: Rig) -> None:
    """Over a gap delivery goes on by itself, and the reader sees a record that the gap cut as a line of its own."""
    rig.crafted.add(b"one\ntw")
    rig.crafted.add(b"o\nthree\n", base=1000, mode=0o600)
    rig.new_pipe()
    rig.deliver()
    assert b"one\ntw\no\nthree\n" == rig.took()
    state = read_cursor(rig.layout.cursor(SINK))
    assert state is not None
    assert (1008, 1008) == (state.offset, state.after)


def test_records_that_are_deleted_under_way(rig: Rig) -> None:
    """What `drop-oldest` deletes in the middle of its delivery ends ship, loudly; the next start ends the fragment."""
    for data in (b"x" * 5000, b"y" * 3000 + b"\n", b"after\n"):
        rig.crafted.add(data)
    rig.new_pipe()

    def delete() -> None:
        rig.take_all()
        for base in (0, 5000):
            rig.crafted.file(base, ".log").unlink(missing_ok=True)

    rig.wait.full = delete
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(JournalError, match="offset 5000 was deleted"):
        rig.deliver()
    for name in set(os.listdir("/proc/self/fd")) - before:
        if int(name) > 2 and os.path.exists(f"/proc/self/fd/{name}"):
            os.close(int(name))
    assert b"x" * 5000 == rig.took()
    rig.deliver()
    assert (b"\nafter\n", ["cursor-moved"]) == (rig.took(), [incident["kind"] for incident in rig.new_incidents()])


def test_a_reader_that_comes_back(rig: Rig) -> None:
    """While stdout has no reader, nothing is acknowledged; a new reader of the FIFO gets the rest. It is said once."""
    content = records(100)
    rig.crafted.add(content, mode=0o600)
    path = rig.directory / "stdout"
    os.mkfifo(path)
    rig.new_pipe()
    rig.close_stdout()
    rig.read_end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    rig.write_end = os.open(path, os.O_WRONLY)
    taken = b""
    pauses = 0

    def go_away() -> None:
        nonlocal taken
        taken = rig.took()
        os.close(rig.read_end)
        rig.wait.full = rig.take_all

    def come_back() -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 3:
            rig.read_end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    rig.wait.full, rig.wait.paused = go_away, come_back
    rig.deliver()
    assert content == taken + rig.took()
    assert (3, 1) == (pauses, rig.messages().count("cannot be written to"))


def test_once_does_not_wait_for_a_reader(rig: Rig) -> None:
    """A delivery that is to end does not wait for a reader that has gone: it fails."""
    rig.crafted.add(records(3), mode=0o600)
    rig.new_pipe()
    os.close(rig.read_end)
    rig.read_end = -1
    rig.wait.once = True
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(BrokenPipeError):
        rig.deliver()
    for name in set(os.listdir("/proc/self/fd")) - before:
        if os.path.exists(f"/proc/self/fd/{name}"):
            os.close(int(name))


def test_records_go_out_where_the_cursor_cannot_be_saved(rig: Rig) -> None:
    """A disk that refuses the cursor does not stop the records; it is said, once."""
    content = records(30)
    rig.crafted.add(content, mode=0o600)
    rig.new_pipe(1 << 16)
    rig.deliver_killed_at(8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    os.truncate(rig.directory / "messages", 0)
    try:
        rig.deliver()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert rig.took().endswith(content)


def test_torn_records_are_recorded_once(rig: Rig) -> None:
    """What is no record is delivered as such, and is one incident, also where its batch is sent a second time."""
    rig.crafted.add(b'{"a":1}\njunk\n{"half{"b":2}\n{"c":3}\n', mode=0o600)
    rig.new_pipe()
    os.write(rig.write_end, b"." * PAGE)
    rig.wait.full = rig.wait.stop
    rig.deliver(JSON)
    assert b"." * PAGE == rig.took()
    rig.wait.full = rig.take_all
    rig.deliver(JSON)
    (incident,) = [incident for incident in rig.new_incidents() if incident["kind"] == "torn"]
    assert ("torn", 8, 11, {"records": 2, "bytes": 11}) == tuple(
        incident[key] for key in ("kind", "offset", "length", "detail")
    )
    lines = [json.loads(line) for line in rig.took()[1:].splitlines()]
    assert [None, "junk", '{"half', None, None] == [line.get("raw") for line in lines]


def test_where_a_new_sink_begins(rig: Rig) -> None:
    """A sink without a cursor gets everything, or with `latest` what comes from now on."""
    base = rig.crafted.add(b"one\n", mode=0o600)
    rig.new_pipe()
    rig.deliver(start="latest")
    with rig.crafted.file(base, ".log").open("ab") as file:
        file.write(b"two\n")
    rig.deliver(start="latest")
    assert b"two\n" == rig.took()


def test_a_damaged_cursor_repeats_everything(rig: Rig) -> None:
    """Where the cursor cannot be read everything comes again, on record: never a gap."""
    rig.crafted.add(b"one\ntwo\n", mode=0o600)
    rig.new_pipe()
    rig.deliver()
    (rig.crafted.root / "cursors" / SINK).write_bytes(b"?" * 5000)
    rig.deliver()
    assert b"one\ntwo\n" * 2 == rig.took()
    (incident,) = rig.new_incidents()
    assert ("cursor-lost", 0, 8) == tuple(incident[key] for key in ("kind", "offset", "length"))
