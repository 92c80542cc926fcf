from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.faults.rig import Rig, wait_until
from tests.faults.volumes import MIB, Ballast, failing_disk, forget_free_blocks, mounted
from tests.faults.writer import records

if TYPE_CHECKING:
    from pathlib import Path

DISK_BYTES = 64 * MIB
COUNT = 300
SIZES = (300, 2048, 9000)
FIRST_SYNC_FAILS = ("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync")


def fail_sync(number: int) -> tuple[str, ...]:
    """Return the words before a command whose number-th fdatasync says EIO without having synced."""
    return (*FIRST_SYNC_FAILS, "-e", f"inject=fdatasync:error=EIO:when={number}")


def check_record(rig: Rig, base: int) -> None:
    """Assert that the failure is on record: incident, mark, verdict."""
    (incident,) = rig.incidents("io-error")
    assert isinstance(incident["offset"], int)
    assert base <= incident["offset"]
    mark = json.loads((rig.journal / "segments" / f"{base:020}.failed").read_bytes())
    assert True is mark["copied"]
    assert base + mark["synced"] == incident["offset"]
    status, findings = rig.verify()
    assert (1, "incomplete") == (status, findings["verdict"])
    assert 0 == rig.verify("--accept-recorded")[0]


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_segment_whose_sync_failed_is_closed_for_ever(tmp_path: Path, number: int) -> None:
    """After EIO the unsafe bytes are in a new segment at their own offsets, and the old one gets no byte more."""
    with Rig(tmp_path / "rig") as rig:
        capture = rig.capture(before=fail_sync(number), segment_size="1MiB")
        whole = b""
        rounds = 0
        while not rig.incidents("io-error"):
            rounds += 1
            writer = rig.write(5, SIZES, first=rounds * 5)
            writer.end()
            whole += writer.expected
            rig.wait_captured(whole)
        failed = rig.journal / "segments" / f"{0:020}.log"
        size = failed.stat().st_size
        writer = rig.write(COUNT, SIZES)
        writer.end()
        whole += writer.expected
        rig.wait_captured(whole)
        check_record(rig, 0)
        (incident,) = rig.incidents("io-error")
        if incident["offset"]:
            assert size == failed.stat().st_size
            assert 0o400 == failed.stat().st_mode & 0o777
        assert 0 == capture.stop()
        assert 0 == rig.keep()
        assert whole == rig.content()
        assert 0 == rig.verify("--accept-recorded")[0]
        output = tmp_path / "output"
        assert 0 == rig.ship(output=output)
        assert whole == output.read_bytes()


@pytest.mark.parametrize("kill", [False, True])
def test_a_disk_that_refuses_data_loses_nothing(tmp_path: Path, *, kill: bool) -> None:
    """A disk that fails at fsync, for a while: what only the cache had is on the disk in the end, at its own offset."""
    with failing_disk(tmp_path, DISK_BYTES) as (memory, broken), Rig(tmp_path / "rig") as rig:
        rig.journal = broken.path / "journal"
        whole = b"".join(records(0, COUNT, SIZES))
        segment_size = str(len(whole))  # so that a segment ends here: the disk must refuse the next one from its start
        capture = rig.capture(segment_size=segment_size)
        rig.write(COUNT, SIZES).end()
        rig.wait_captured(whole)
        wait_until(lambda: [len(whole), 0] == [len(data) for _, data in rig.segments()], "a new segment begins")
        forget_free_blocks(broken)
        ballast = Ballast(memory)
        second = rig.write(COUNT, SIZES, first=COUNT)
        capture.says("the disk failed under a segment")
        capture.says("cannot copy the unsafe bytes")
        if kill:
            capture.kill()
            capture = rig.start(*rig.capture_words(segment_size=segment_size))
            wait_until(lambda: not capture.alive() or rig.works(capture), "it starts, or cannot")
        ballast.drop()
        if not capture.alive():
            capture = rig.capture(segment_size=segment_size)
        second.end()
        whole += second.expected
        rig.wait_captured(whole)
        wait_until(lambda: rig.incidents("io-error"), "the failure is on record")
        assert 0 == capture.stop()
        assert whole == rig.content()
        status, findings = rig.verify()
        assert (1, "incomplete") == (status, findings["verdict"])
        assert 0 == rig.verify("--accept-recorded")[0]
        rig.close()
        path = tmp_path / "again"
        assert broken.image is not None
        copy = tmp_path / "copy.img"
        copy.write_bytes(broken.image.read_bytes())
        with mounted(copy, path):
            rig.journal = path / "journal"
            assert whole == rig.content()
