"""Scenarios of group A: reading a file that somebody writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.injection import wait_until
from tests.scenarios.rig import LINE_BYTES, NO_PRIVILEGES, Capture, Scene, Traced, line, lines
from tests.tier import scale

MIB = 1 << 20
KIB = 1 << 10
PEAK_KIB = 48 << 10  # of a capture's memory; the line that it copies is much larger
SEGMENT_BYTES = 64 * KIB
LARGE_LINES_MIB = scale([1, 16], [1, 16, 64])
EVENTS_FILE = Path("/proc/sys/fs/inotify/max_queued_events")


def peak_kib(capture: Capture) -> int:
    """Return the most memory that it ever had (VmHWM)."""
    text = Path(f"/proc/{capture.pid}/status").read_text(encoding="utf-8")
    return int(text.partition("VmHWM:")[2].split()[0])


def test_s01_read_existing_from_head(tmp_path: Path) -> None:
    """A file that is there before the start is captured from its first byte, in order, and once."""
    with Scene(tmp_path) as scene:
        data = scene.append(lines(0, 5000))
        scene.finish(scene.capture(), data)
        scene.settles(data)
        assert [] == scene.incidents()


@pytest.mark.parametrize("exists", [False, True], ids=["missing", "empty"])
def test_s02_append_after_start(tmp_path: Path, *, exists: bool) -> None:
    """The first line of a file that was missing or empty at the start is captured without a second write."""
    with Scene(tmp_path) as scene:
        if exists:
            scene.append(b"")
        capture = scene.capture()
        data = scene.append(lines(0, 1))
        scene.expect(data)
        data += scene.append(lines(1, 99))
        scene.finish(capture, data)
        assert [] == scene.incidents()


def test_s02_append_after_start_with_nothing_written(tmp_path: Path) -> None:
    """A file that stays empty leaves an empty journal and no incident."""
    with Scene(tmp_path) as scene:
        scene.append(b"")
        scene.finish(scene.capture(), b"")
        scene.settles(b"")
        assert [] == scene.incidents()


def test_s03_permission_later(tmp_path: Path) -> None:
    """A file that cannot be read is told of in few words, not at each look, and read from 0 when it can be."""
    with Scene(tmp_path) as scene:
        data = scene.append(lines(0, 100))
        scene.path.chmod(0)
        capture = scene.capture(NO_PRIVILEGES)
        capture.looks_around(scene.vault)
        assert b"" == scene.content()
        assert 1 <= len(capture.complaints()) <= 2, capture.complaints()
        scene.path.chmod(0o600)
        scene.finish(capture, data)


def test_s03_directory_missing(tmp_path: Path) -> None:
    """A directory that is made after the start is found; its absence is told once."""
    with Scene(tmp_path) as scene:
        scene.vault.rmdir()
        capture = scene.capture()
        capture.looks_around()
        assert 1 == capture.messages().count("waiting for the audit log"), capture.complaints()
        assert len(capture.complaints()) <= 2
        scene.vault.mkdir()
        data = scene.append(lines(0, 10))
        scene.finish(capture, data)


def test_s04_empty_lines(tmp_path: Path) -> None:
    """Empty lines are bytes like others: kept exactly, delivered exactly, and read once."""
    with Scene(tmp_path) as scene:
        data = scene.append(b"\n\nA\n\n\nB\n")
        scene.finish(scene.capture(), data)
        scene.settles(data)
        assert data == scene.ship()
        assert b"" == scene.ship()


def test_s05_split_write(tmp_path: Path) -> None:
    """A record that came in two writes with a look between them is delivered as one."""
    with Scene(tmp_path) as scene:
        capture = scene.capture()
        writer = scene.writer()
        record = line(0)
        scene.expect(writer.write(record[:70]))
        assert b"" == scene.ship("--config", scene.config("", "{type: stdout, format: json}"))
        writer.write(record[70:])
        scene.finish(capture, record)
        (delivered,) = scene.ship("--config", scene.config("", "{type: stdout, format: json}")).splitlines()
        assert b'"offset":0,"length":%d' % LINE_BYTES in delivered
        assert b"torn" not in delivered


def test_s06_partial_last_line_is_not_delivered(tmp_path: Path) -> None:
    """A last line without its newline is in the journal and never delivered; the cursor stays at its start."""
    with Scene(tmp_path) as scene:
        whole = lines(0, 3)
        data = scene.append(whole + line(3)[:50])
        capture = scene.capture()
        scene.expect(data)
        capture.looks_around(scene.vault)
        assert whole == scene.ship()
        assert len(whole) == scene.cursor()
        scene.finish(capture, data)
        assert b"" == scene.ship()
        assert len(whole) == scene.cursor()
        assert [] == scene.incidents()


def test_s07_partial_line_completed_after_restart(tmp_path: Path) -> None:
    """Half a line is read, the rest is written while nobody looks: one whole record, once."""
    with Scene(tmp_path) as scene:
        first = scene.append(lines(0, 3) + line(3)[:50])
        capture = scene.capture()
        scene.expect(first)
        assert lines(0, 3) == scene.ship()
        capture.kill()
        scene.append(line(3)[50:])
        scene.finish(scene.capture(), lines(0, 4))
        assert line(3) == scene.ship()


@pytest.mark.parametrize("live", [True, False], ids=["live", "down"])
def test_s08_partial_last_line_of_rotated_file(tmp_path: Path, *, live: bool) -> None:
    """A rotated file's torn last line is ended with a newline of ours, recorded, and never glued to the next line."""
    with Scene(tmp_path) as scene:
        torn = lines(0, 3) + line(3)[:50]
        scene.append(torn)
        capture = scene.capture()
        scene.expect(torn)
        if not live:
            capture.kill()
        scene.path.rename(scene.older())
        scene.append(lines(4, 2))
        data = torn + b"\n" + lines(4, 2)
        scene.finish(capture if live else scene.capture(), data)
        offset, length, _ = scene.incident("torn")
        assert (len(torn), 1) == (offset, length)
        assert data == scene.ship()
        scene.settles(data)


def test_s09_torn_fragment_glued(tmp_path: Path) -> None:
    """A fragment and the record glued to it are kept as they are, and delivered as two: the fragment marked as torn."""
    with Scene(tmp_path) as scene:
        fragment = line(1)[:90]
        data = scene.append(line(0) + fragment + line(2) + line(3))
        scene.finish(scene.capture(), data)
        delivered = scene.ship("--config", scene.config("", "{type: stdout, format: json}")).splitlines()
        assert 4 == len(delivered)
        assert b'"torn":true' in delivered[1]
        assert b'"offset":%d,"length":%d' % (LINE_BYTES, len(fragment)) in delivered[1]
        assert b'"offset":%d,"length":%d' % (LINE_BYTES + len(fragment), LINE_BYTES) in delivered[2]
        assert delivered[2].endswith(line(2)[1:-1])
        assert delivered[3].endswith(line(3)[1:-1])


@pytest.mark.parametrize("way", ["hole", "zeros"])
def test_s10_nuls_at_the_head(tmp_path: Path, way: str) -> None:
    """A hole or NULs at a file's head are passed over and recorded; the records after it are exact."""
    with Scene(tmp_path) as scene:
        skipped = 100 * KIB + 7
        if way == "hole":
            scene.append(b"")
            os.truncate(scene.path, skipped)
        else:
            scene.append(bytes(skipped))
        data = scene.append(lines(0, 10))
        scene.finish(scene.capture(), data)
        offset, length, detail = scene.incident("source-hole")
        assert (0, 0, 0, skipped) == (offset, length, detail["source_from"], detail["source_to"])
        scene.settles(data)


def test_s10_nuls_inside(tmp_path: Path) -> None:
    """NULs between records are bytes that Vault's file has: kept exactly, and the records around them are found."""
    with Scene(tmp_path) as scene:
        data = scene.append(lines(0, 3) + bytes(5000) + lines(3, 3))
        scene.finish(scene.capture(), data)
        delivered = scene.ship("--config", scene.config("", "{type: stdout, format: json}")).splitlines()
        records = [entry for entry in delivered if b'"torn":true' not in entry]
        assert [line(n)[1:-1] for n in range(6)] == [entry[-LINE_BYTES + 2 :] for entry in records]


@pytest.mark.parametrize("boundary", [4 * KIB, SEGMENT_BYTES, 8 * MIB])
def test_s11_lines_at_buffer_boundaries(tmp_path: Path, boundary: int) -> None:
    """Lines as long as a buffer, and a byte more or less, are exact, also when their newline comes in a later read."""
    with Scene(tmp_path) as scene:
        capture = scene.capture()
        writer = scene.writer()
        data = b""
        for serial, size in enumerate((boundary - 1, boundary, boundary + 1, 300)):
            record = line(serial, size)
            data += writer.write(record[:-1])
            if boundary < MIB:
                scene.expect(data)
            data += writer.write(record[-1:])
        scene.finish(capture, data)
        assert data == scene.ship()


@pytest.mark.parametrize("mebibytes", LARGE_LINES_MIB)
def test_s12_huge_line(tmp_path: Path, mebibytes: int) -> None:
    """A line of many MiB is captured and delivered exactly, in bounded memory, and the lines after it too."""
    with Scene(tmp_path) as scene:
        data = scene.append(lines(0, 3) + line(3, mebibytes * MIB) + lines(4, 3))
        capture = scene.capture(segment_size="256KiB")
        scene.expect(data)
        assert peak_kib(capture) < PEAK_KIB
        scene.finish(capture, data)
        assert data == scene.ship()
        assert [] == scene.incidents()


def test_s13_huge_line_restart_in_the_middle(tmp_path: Path) -> None:
    """A kill inside an over-long line changes nothing: its rest is no record of its own after the restart."""
    with Scene(tmp_path) as scene:
        record = line(1, 6 * MIB)
        writer = scene.writer()
        writer.write(line(0) + record[: 2 * MIB])
        capture = scene.capture()
        scene.expect(line(0) + record[: 2 * MIB])
        assert line(0) == scene.ship()
        capture.kill()
        writer.write(record[2 * MIB : 4 * MIB])
        capture = scene.capture()
        scene.wait_end(3 * MIB)
        capture.kill()
        writer.write(record[4 * MIB :] + line(2))
        scene.finish(scene.capture(), line(0) + record + line(2))
        delivered = scene.ship("--config", scene.config("", "{type: stdout, format: json}")).splitlines()
        assert [line(0)[1:-1], record[-100:-1], line(2)[1:-1]] == [
            delivered[0][-LINE_BYTES + 2 :],
            delivered[1][-99:],
            delivered[2][-LINE_BYTES + 2 :],
        ]


def test_s14_crlf_and_bad_utf8(tmp_path: Path) -> None:
    """CRLF, a byte order mark and bytes that are no UTF-8 are kept and delivered as they are; what follows as well."""
    with Scene(tmp_path) as scene:
        data = b'\xef\xbb\xbf{"a":1}\r\n{"b":"\xff\xfe\xc3"}\n\x00\x01\x02\n' + bytes(range(256)) + b"\n" + line(9)
        scene.append(data)
        scene.finish(scene.capture(), data)
        assert data == scene.ship()


@pytest.mark.parametrize("past", [1 << 31, 1 << 32], ids=["2GiB", "4GiB"])
def test_s15_offsets_past_32_bits(tmp_path: Path, past: int) -> None:
    """Positions beyond 2^31 and 2^32 are exact: across the boundary, after a kill, and with holes punched."""
    with Scene(tmp_path) as scene:
        writer = scene.writer()
        os.truncate(scene.path, past - 5000)  # a hole, but for the records that follow
        data = writer.write(lines(0, 10))
        capture = scene.capture(reclaim_at="64KiB")
        scene.expect(data)
        assert past - 5000 == scene.incident("source-hole")[2]["source_to"]
        data += writer.write(lines(10, 40))  # across the boundary
        scene.expect(data)
        capture.kill()
        data += writer.write(lines(50, 5000))
        scene.finish(scene.capture(reclaim_at="64KiB"), data)
        assert past - 5000 + len(data) == scene.path.stat().st_size
        scene.settles(data)


def test_s16_inotify_off(tmp_path: Path) -> None:
    """Without inotify new data is found by looking."""
    with Scene(tmp_path) as scene:
        capture = scene.capture(Traced("inotify_init1", "error=EMFILE"))
        data = b""
        for number in range(5):
            data += scene.append(lines(number, 1))
            scene.expect(data)
        scene.path.rename(scene.older())
        data += scene.append(lines(5, 1))
        scene.finish(capture, data)
        assert "(INJECTED)" in capture.trace()


def test_s16_inotify_overflow(tmp_path: Path) -> None:
    """Where inotify's queue overflowed, the data whose event was lost is found all the same."""
    with Scene(tmp_path) as scene:
        data = scene.append(lines(0, 1))
        capture = scene.capture()
        scene.expect(data)
        capture.looks_around(scene.vault)
        capture.pause()
        busy = [os.open(scene.vault / f".busy-{name}", os.O_WRONLY | os.O_CREAT, 0o600) for name in "ab"]
        for number in range(int(EVENTS_FILE.read_text()) + 100):
            os.write(busy[number % 2], b"x")  # two files in turn: equal events in a row would be one
        for descriptor in busy:
            os.close(descriptor)
        data += scene.append(lines(1, 1))
        capture.resume()
        scene.expect(data)
        data += scene.append(lines(2, 1))
        scene.finish(capture, data)


@pytest.mark.parametrize("call", ["openat", "inotify_init1", "inotify_add_watch"])
def test_s17_data_written_while_opening(tmp_path: Path, call: str) -> None:
    """A line that is written while capture opens the file or sets up its watch waits for no second write."""
    with Scene(tmp_path) as scene:
        data = scene.append(lines(0, 1))
        paths = (str(scene.path),) if call == "openat" else ()
        capture = scene.start(Traced(call, "signal=SIGSTOP:when=1", 0, paths))
        wait_until(lambda: "stopped by SIGSTOP" in capture.trace(), f"capture is stopped at {call}")
        data += scene.append(lines(1, 1))
        capture.resume()
        scene.journal.mkdir(exist_ok=True)
        wait_until((scene.journal / "segments").exists, "there is a journal")
        scene.finish(capture, data)
