from __future__ import annotations

import gzip
import json
import os
import resource
import shutil
import socket
import stat
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from standpipe.config_sinks import BatchConfig, SinkConfig
from standpipe.preflight import FAILED, OK, WARNING, perform
from standpipe.records.framing import Framer, Record
from standpipe.sinks.base import Context, Delivered, Retry
from standpipe.sinks.file import FileSink
from tests.faults.volumes import Ballast, tmpfs
from tests.sinks.batches import batch_of
from tests.sinks.http_rig import numbered, records_of
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from standpipe.sinks.base import Outcome

CONTEXT = Context("0f6c1d5e-0000-4000-8000-000000000001", "node-1")
LOGROTATE = shutil.which("logrotate", path="/usr/sbin:/usr/bin:/sbin:/bin") or "logrotate"
MIB = 1 << 20
ROTATIONS = scale(15, 500)


def file_sink(path: Path | str, form: str = "json", **batch: int) -> FileSink:
    """Return a sink that appends to path."""
    options = {"path": str(path), "format": form}
    return FileSink(SinkConfig("local", "file", batch=BatchConfig(**batch), options=options), CONTEXT)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file will be."""
    return tmp_path / "audit.jsonl"


@pytest.fixture
def sink(path: Path) -> Iterator[FileSink]:
    """Return a sink for it."""
    made = file_sink(path)
    yield made
    made.close()


def told(outcome: Outcome) -> Retry:
    """Return an outcome that must be Retry."""
    assert isinstance(outcome, Retry)
    return outcome


def ids_of(content: bytes) -> list[str]:
    """Return the ids of all lines, each of which must be a whole object."""
    return [json.loads(line)["standpipe"]["id"] for line in content.splitlines()]


def test_records_are_appended_in_order(sink: FileSink, path: Path) -> None:
    """Batches follow on, one line a record, behind what the file held."""
    path.write_text("{}\n")
    batches = [batch_of(sink, [record]) for record in numbered(20)]
    assert [Delivered()] * 20 == [sink.send(batch) for batch in batches]
    assert b"{}\n" + b"".join(batch.payloads[0] for batch in batches) == path.read_bytes()


def test_raw_lines_are_as_vault_wrote_them(path: Path) -> None:
    """In the raw format a line is the record's JSON alone; a torn one is its bytes, and seals are left out."""
    sink = file_sink(path, "raw")
    lines = [b'{"n":9007199254740993,"huge":1e400,"one":1.0,"n":1}', '{"t":"grüß 🔒 \\u0000"}'.encode(), b'{"cut \xff']
    seal = Record(0, 100, b'{"base":0}', torn=False, is_seal=True)
    assert Delivered() == sink.send(batch_of(sink, [*Framer(0).feed(b"\n".join([*lines, b""])), seal]))
    assert Delivered() == sink.send(batch_of(sink, [seal]))
    sink.close()
    assert b"\n".join([*lines, b""]) == path.read_bytes()


def test_a_new_file_is_for_its_owner_alone(sink: FileSink, path: Path) -> None:
    """Whatever the umask, nobody else may read audit records."""
    old = os.umask(0)
    try:
        sink.send(batch_of(sink, numbered(1)))
    finally:
        os.umask(old)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_a_huge_record_is_one_line(sink: FileSink, path: Path) -> None:
    """A file has no limit for a record."""
    (record,) = records_of([b'{"data":"%s"}' % (b"x" * (8 * MIB))])
    assert Delivered() == sink.send(batch_of(sink, [record]))
    assert path.read_bytes().endswith(record.body[1:] + b"\n")


def test_a_renamed_file_is_left_and_a_new_one_made(sink: FileSink, path: Path) -> None:
    """After logrotate's rename the next batch goes to the path, and the old file keeps what it has."""
    first, second = (batch_of(sink, [record]) for record in numbered(2))
    sink.send(first)
    path.rename(f"{path}.1")
    assert Delivered() == sink.send(second)
    assert first.payloads[0] == (path.parent / "audit.jsonl.1").read_bytes()
    assert second.payloads[0] == path.read_bytes()


def test_a_removed_file_is_made_again(sink: FileSink, path: Path) -> None:
    """Nothing is written to a file that has no name any more."""
    first, second = (batch_of(sink, [record]) for record in numbered(2))
    sink.send(first)
    path.unlink()
    assert Delivered() == sink.send(second)
    assert second.payloads[0] == path.read_bytes()


def test_a_file_renamed_while_it_is_written_to_gets_the_batch_again(sink: FileSink, path: Path) -> None:
    """Whoever renamed it may have compressed it without the last bytes, so the batch goes to the new file, too."""
    batch = batch_of(sink, numbered(3))
    sink.send(batch)
    appended = sink._file
    is_in_place = appended._is_in_place
    answers = iter([True])

    def renamed_after_the_first_look() -> bool:
        answer = next(answers, None)
        if answer is None:
            path.rename(f"{path}.1")
            appended._is_in_place = is_in_place  # type: ignore[method-assign]
            return is_in_place()
        return answer

    appended._is_in_place = renamed_after_the_first_look  # type: ignore[method-assign]
    outcome = told(sink.send(batch))
    assert not outcome.config_fault
    assert "renamed or removed while" in outcome.why
    assert Delivered() == sink.send(batch)
    assert ids_of(path.read_bytes()) == ids_of(b"".join(batch.payloads))


@pytest.mark.parametrize("how", ["nocompress", "compress"])
def test_logrotate_loses_nothing(sink: FileSink, path: Path, how: str) -> None:
    """The real logrotate renames and compresses again and again while records arrive: each is somewhere, whole."""
    config = path.parent / "logrotate.conf"
    config.write_text(f"{path} {{\n rotate 1000\n {how}\n nocreate\n missingok\n size 1\n}}\n")
    config.chmod(0o600)
    command = [LOGROTATE, "--state", str(path.parent / "state"), str(config)]
    done = threading.Event()
    expected: set[str] = set()

    def write() -> None:
        offset = 0
        while not done.is_set():
            body = b'{"n":%d}' % offset
            records = [Record(offset + index, 1, body, torn=False) for index in range(50)]
            offset += 50
            batch = batch_of(sink, records)
            while not isinstance(sink.send(batch), Delivered):
                pass
            expected.update(ids_of(b"".join(batch.payloads)))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(list(path.parent.glob("audit.jsonl.*"))) < ROTATIONS:  # it passes over a file that is not there yet
            subprocess.run(command, check=True)
    finally:
        done.set()
        writer.join()
    found: set[str] = set()
    for file in path.parent.glob("audit.jsonl*"):
        content = file.read_bytes()
        found.update(ids_of(gzip.decompress(content) if file.suffix == ".gz" else content))
    assert expected == found


def test_a_torn_line_of_a_dead_process_is_ended(sink: FileSink, path: Path) -> None:
    """What a killed process left stays a line of its own; the batch that it was sending comes again, whole."""
    batch = batch_of(sink, numbered(3))
    whole = b"".join(batch.payloads)
    path.write_bytes(whole[:-20])
    assert Delivered() == sink.send(batch)
    assert whole[:-20] + b"\n" + whole == path.read_bytes()


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: write(2) then takes a part, and the rest fails."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_a_write_that_was_cut_off_is_ended_and_sent_again(sink: FileSink, path: Path) -> None:
    """Half a batch was taken: the fragment is ended with a newline, and the whole batch follows."""
    start = b"{}\n" * (8 * MIB // 3)
    path.write_bytes(start)
    batch = batch_of(sink, numbered(50))
    whole = b"".join(batch.payloads)
    with file_size_limit(len(start) + 1000):
        outcome = told(sink.send(batch))
    assert outcome.config_fault
    assert "ulimit -f" in outcome.why
    assert Delivered() == sink.send(batch)
    assert start + whole[:1000] + b"\n" + whole == path.read_bytes()


def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    """On a full volume it is Retry, and no fragment piles up at each try; with room the batch goes through."""
    with tmpfs(tmp_path / "volume", 4 * MIB) as volume:
        path = volume.path / "audit.jsonl"
        sink = file_sink(path)
        small, large = batch_of(sink, numbered(1)), batch_of(sink, numbered(8000))
        assert Delivered() == sink.send(small)
        ballast = Ballast(volume, 256 << 10)
        for _ in range(5):
            outcome = told(sink.send(large))
            assert not outcome.config_fault
            assert "disk is full" in outcome.why
        assert small.payloads[0] == path.read_bytes()
        ballast.drop()
        assert Delivered() == sink.send(large)
        assert 8001 == len(ids_of(path.read_bytes()))
        sink.close()


def test_a_truncation_by_somebody_else_is_told(sink: FileSink, path: Path) -> None:
    """Copytruncate may lose what stood in the file; it goes on, and a person is told."""
    first, second = (batch_of(sink, [record]) for record in numbered(2))
    sink.send(first)
    os.truncate(path, 0)
    outcome = sink.send(second)
    assert isinstance(outcome, Delivered)
    assert f"somebody truncated {path}" in outcome.notice
    assert second.payloads[0] == path.read_bytes()
    assert Delivered() == sink.send(first)


def _symlink(path: Path) -> None:
    path.with_name("target").write_text("")
    path.symlink_to("target")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


NOT_REGULAR: list[tuple[Callable[[Path], None], str]] = [
    (os.mkfifo, "a FIFO"),
    (os.mkdir, "a directory"),
    (_symlink, "a symbolic link"),
    (_socket, "a socket"),
]


@pytest.mark.parametrize(("make", "words"), NOT_REGULAR)
@pytest.mark.parametrize("opened_before", [False, True])
def test_what_is_no_regular_file_is_refused_at_once(
    sink: FileSink, path: Path, make: Callable[[Path], None], words: str, *, opened_before: bool
) -> None:
    """A FIFO without a reader, a directory, a link or a socket in its place is a config fault, and nothing hangs."""
    batch = batch_of(sink, numbered(1))
    if opened_before:
        assert Delivered() == sink.send(batch)
        path.unlink()
    make(path)
    outcome = told(sink.send(batch))
    assert outcome.config_fault
    assert words in outcome.why
    (result,) = perform(sink.checks())
    assert result.state == FAILED
    assert words in result.found


def test_a_device_is_refused() -> None:
    """/dev/null would take every record, and lose it."""
    sink = file_sink("/dev/null")
    outcome = told(sink.send(batch_of(sink, numbered(1))))
    assert outcome.config_fault
    assert "/dev/null is a device" in outcome.why


def test_a_missing_directory_is_a_config_fault_until_it_is_there(tmp_path: Path) -> None:
    """A volume that is mounted later is taken up."""
    sink = file_sink(tmp_path / "logs" / "audit.jsonl")
    batch = batch_of(sink, numbered(1))
    outcome = told(sink.send(batch))
    assert outcome.config_fault
    assert "its directory does not exist" in outcome.why
    assert [FAILED] == [result.state for result in perform(sink.checks())]
    (tmp_path / "logs").mkdir()
    assert Delivered() == sink.send(batch)
    sink.close()


def test_the_check_writes_nothing(sink: FileSink, path: Path) -> None:
    """It looks, and makes no file; an existing one that others may read is a warning."""
    (result,) = perform(sink.checks())
    assert result.state == OK
    assert "copytruncate" in result.found
    assert not path.exists()
    path.write_text("")
    path.chmod(0o644)
    assert [WARNING] == [result.state for result in perform(sink.checks())]


def test_one_file_has_one_order() -> None:
    """However many batches may be in flight elsewhere, a file gets one after the other."""
    assert file_sink("/nowhere/audit.jsonl", in_flight=8).limits.in_flight == 1
