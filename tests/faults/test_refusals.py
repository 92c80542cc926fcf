from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.faults.rig import Rig, wait_until

if TYPE_CHECKING:
    from pathlib import Path


def listing(directory: Path) -> dict[str, tuple[int, ...]]:
    """Return everything about every file that a touch would change."""
    found: dict[str, tuple[int, ...]] = {}
    for root, directories, files in os.walk(directory):
        for name in (".", *directories, *files):
            status = os.lstat(os.path.join(root, name))
            found[os.path.join(root, name)] = (
                status.st_ino,
                status.st_mode,
                status.st_size,
                status.st_mtime_ns,
                status.st_ctime_ns,
            )
    return found


def words_of(rig: Rig, role: str) -> list[str]:
    """Return a role's command line."""
    return rig.capture_words() if role == "capture" else [role, "--journal", str(rig.journal)]


@pytest.mark.parametrize("role", ["capture", "keep", "ship"])
def test_a_second_instance_of_a_role_is_refused(tmp_path: Path, role: str) -> None:
    """The second one names the first and exits with 2; the first one works on."""
    with Rig(tmp_path / "rig") as rig:
        capture = rig.capture()
        first = capture if role == "capture" else rig.start(*words_of(rig, role))
        pid = rig.role_pid(role)
        assert first.pid == pid
        second = rig.start(*words_of(rig, role))
        assert 2 == second.status()
        assert f"another standpipe {role} (process {pid}) works on this journal" in second.messages()
        assert pid == rig.role_pid(role)
        assert first.alive()
        writer = rig.write(50)
        writer.end()
        rig.wait_captured(writer.expected)
        assert 0 == capture.stop()
        assert 0 == rig.verify()[0]


def test_a_second_run_is_refused_and_starts_no_command(tmp_path: Path) -> None:
    """The second `run` on a journal exits with 125 before its COMMAND; the first one delivers on."""
    output = tmp_path / "output"
    with Rig(tmp_path / "rig") as rig, open(output, "wb") as file:
        words = ["--fifo", str(rig.fifo), "--journal", str(rig.journal)]
        run = rig.run(*words, stdout=file.fileno())
        pids = [rig.role_pid(role) for role in ("capture", "keep", "ship")]
        witness = tmp_path / "witness"
        second = rig.start("run", *words, "--", "touch", str(witness))
        writer = rig.write(50)
        assert 125 == second.status()
        assert "another standpipe capture" in second.messages()
        assert "COMMAND was not started" in second.messages()
        assert not witness.exists()
        assert pids == [rig.role_pid(role) for role in ("capture", "keep", "ship")]
        more = rig.write(50, first=50)
        more.end()
        writer.end()
        rig.end_run(run)
        assert writer.expected + more.expected == output.read_bytes() == rig.content()


COMMANDS = ["capture", "keep", "ship", "run", "verify", "status"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("version", [2, "2"])
def test_a_journal_of_a_future_format_is_not_touched(tmp_path: Path, command: str, version: object) -> None:
    """Every command says which format it is, exits with 2 (run: 125), and changes nothing on disk."""
    with Rig(tmp_path / "rig") as rig:
        rig.put(b"waits\n")
        segments = rig.journal / "segments"
        segments.mkdir(parents=True)  # and neither cursors nor deadletter: the future may do without
        (segments / f"{0:020}.data").write_bytes(b"the future's\n")
        identity = {"format": version, "journal": "j", "node": "n", "created": "", "predecessor": None}
        (rig.journal / "journal.json").write_bytes(json.dumps(identity).encode())
        before = listing(rig.journal)
        words = words_of(rig, command)
        if command == "run":
            words = ["run", "--fifo", str(rig.fifo), "--journal", str(rig.journal), "--", "true"]
        role = rig.start(*words)
        assert (125 if command == "run" else 2) == role.status()
        assert f"says format {version!r}" in role.messages()
        assert before == listing(rig.journal)


def test_a_future_format_below_running_processes_is_met_at_the_next_start(tmp_path: Path) -> None:
    """A downgrade is refused by the old program, and the new one finds its journal as it was."""
    with Rig(tmp_path / "rig") as rig:
        capture = rig.capture()
        rig.put(b"before\n")
        rig.wait_captured(b"before\n")
        assert 0 == capture.stop()
        path = rig.journal / "journal.json"
        present = path.read_bytes()
        path.write_bytes(present.replace(b'"format": 1', b'"format": 7'))
        rig.put(b"meanwhile\n")
        before = listing(rig.journal)
        assert 2 == rig.start(*rig.capture_words()).status()
        assert before == listing(rig.journal)
        path.write_bytes(present)
        capture = rig.capture()
        rig.wait_captured(b"before\nmeanwhile\n")
        assert 0 == capture.stop()


def delivered_journal(rig: Rig, output: Path) -> bytes:
    """Make a journal of some sealed segments, delivered in two parts; return its bytes."""
    capture = rig.capture(segment_size="4KiB")
    whole = b""
    for part in range(2):
        writer = rig.write(60, first=60 * part)
        writer.end()
        whole += writer.expected
        rig.wait_captured(whole)
        assert 0 == rig.ship(output=output)
    assert 0 == capture.stop()
    assert 0 == rig.keep()
    assert whole == output.read_bytes()
    return whole


def damage(path: Path, position: int) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.chmod(0o600)
    path.write_bytes(bytes(data))


def test_a_cursor_with_both_slots_damaged_costs_a_repeat_and_no_record(tmp_path: Path) -> None:
    """Delivery begins again at the journal's first record, and the incident says so."""
    output, again = tmp_path / "output", tmp_path / "again"
    with Rig(tmp_path / "rig") as rig:
        whole = delivered_journal(rig, output)
        cursor = rig.journal / "cursors" / "stdout"
        for position in (5, 4096 + 5):
            damage(cursor, position)
        assert 0 == rig.ship(output=again)
        assert whole == again.read_bytes()
        (incident,) = rig.incidents("cursor-lost")
        assert (0, len(whole)) == (incident["offset"], incident["length"])
        assert 0 == rig.ship(output=again)
        assert whole == again.read_bytes()


@pytest.mark.parametrize("slot", [0, 1])
def test_a_cursor_with_one_slot_damaged_repeats_at_most_what_that_slot_said(tmp_path: Path, slot: int) -> None:
    """The other slot counts: nothing is left out, and the stream goes on at a record that was sent before."""
    output, again = tmp_path / "output", tmp_path / "again"
    with Rig(tmp_path / "rig") as rig:
        whole = delivered_journal(rig, output)
        damage(rig.journal / "cursors" / "stdout", slot * 4096 + 5)
        assert 0 == rig.ship(output=again)
        assert whole.endswith(again.read_bytes())
        assert not rig.incidents("cursor-lost")


def seals_of(rig: Rig) -> list[Path]:
    """Return the seal files."""
    return sorted((rig.journal / "segments").glob("*.seal.json"))


@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize("loss", ["altered", "emptied", "removed"])
def test_a_damaged_seal_is_seen_and_stops_nothing(tmp_path: Path, which: int, loss: str) -> None:
    """`verify` says no; capture and keep work on, and every byte is still there."""
    with Rig(tmp_path / "rig") as rig:
        whole = delivered_journal(rig, tmp_path / "output")
        seal = seals_of(rig)[which]
        if loss == "altered":
            damage(seal, 40)
        elif loss == "emptied":
            seal.write_bytes(b"")
        else:
            seal.unlink()
        removed_newest = loss == "removed" and which == -1  # keep seals that segment again
        if not removed_newest:
            assert 1 == rig.verify()[0]
        capture = rig.capture(segment_size="4KiB")
        writer = rig.write(60, first=120)
        writer.end()
        rig.wait_captured(whole + writer.expected)
        assert 0 == capture.stop()
        rig.keep()
        assert whole + writer.expected == rig.content()
        if not removed_newest:
            assert 1 == rig.verify("--accept-recorded")[0]


def test_a_journal_that_ends_in_a_bad_seal_is_refused(tmp_path: Path) -> None:
    """No raw segment is left and the newest seal cannot be read: nobody can tell the end, so nobody guesses it."""
    with Rig(tmp_path / "rig") as rig:
        delivered_journal(rig, tmp_path / "output")
        for path in (rig.journal / "segments").glob("*.log"):
            path.unlink()
        seals_of(rig)[-1].write_bytes(b"{")
        before = sorted(os.listdir(rig.journal / "segments"))
        role = rig.start(*rig.capture_words())
        assert 2 == role.status()
        assert "does not tell the end" in role.messages()
        assert before == sorted(os.listdir(rig.journal / "segments"))


def test_a_truncated_tail_is_gone_on_with_and_told(tmp_path: Path) -> None:
    """Somebody cuts the open segment: what is missing is told by `verify`, and by an incident of the sink."""
    output = tmp_path / "output"
    with Rig(tmp_path / "rig") as rig:
        capture = rig.capture()
        writer = rig.write(60)
        writer.end()
        rig.wait_captured(writer.expected)
        assert 0 == rig.ship(output=output)
        capture.kill()
        tail = rig.journal / "segments" / f"{0:020}.log"
        os.truncate(tail, 100)
        assert 1 == rig.verify()[0]
        assert 0 == rig.ship(output=output)
        (incident,) = rig.incidents("cursor-moved")
        assert 100 == incident["offset"]
        assert writer.expected == output.read_bytes()


def test_a_journal_without_its_identity_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    """Segments without journal.json are somebody's data: refused, and nothing is changed."""
    with Rig(tmp_path / "rig") as rig:
        delivered_journal(rig, tmp_path / "output")
        (rig.journal / "journal.json").unlink()
        before = listing(rig.journal)
        role = rig.start(*rig.capture_words())
        assert 2 == role.status()
        assert "journal.json is missing" in role.messages()
        assert before == listing(rig.journal)


def test_a_journal_in_another_place_is_the_same_journal(tmp_path: Path) -> None:
    """A journal that was moved goes on with its id and its offsets."""
    with Rig(tmp_path / "rig") as rig:
        whole = delivered_journal(rig, tmp_path / "output")
        shutil.move(str(rig.journal), str(tmp_path / "moved"))
        rig.journal = tmp_path / "moved"
        capture = rig.capture(segment_size="4KiB")
        rig.put(b"more\n")
        wait_until(lambda: rig.captured() == len(whole) + 5, "the record is captured")
        assert 0 == capture.stop()
        assert whole + b"more\n" == rig.content()
