"""capture, keep and ship, killed before or failed at each system call of a short run."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.faults.injection import Injection, Plan, Process
from tests.faults.injection_scenes import (
    FIFO,
    JOURNAL,
    PIECES,
    SINK,
    STARTS,
    WHOLE,
    CaptureScene,
    KeepScene,
    ShipScene,
    attach,
    segments_of,
    write_cursor,
)
from tests.tier import scale

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOST_KILLS = scale(3, 1000)  # calls that one test tries; the long tier takes every one
MOST_ERRORS = scale(1, 1000)
ERRORS = ("ENOSPC", "EIO")
CLOSED_BEFORE = 3  # pieces in the journal that capture recovers
DELIVERED = 4  # segments before the cursor; the limit is one byte less than theirs, so the oldest is deleted
STDOUT = "1<"  # descriptor 1 as strace -y shows it
CONFIG = "journal: {retain: {size: %dB}, segment_size: 4KiB}\nsinks: {%s: {type: stdout, format: %s}}\n"
PLENTY = 1 << 30
CHANGING_OPENS = ("O_CREAT", "O_WRONLY", "O_RDWR", "O_DIRECTORY")  # the last is for an fsync of the directory


def cases(table: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return (variant, system call, fault) for each word of a table of variant → system calls.

    A call with an exclamation mark touches no disk and no stdout there: it is a place to be killed, but cannot fail.
    """
    return [
        (variant, syscall.rstrip("!"), fault)
        for variant, syscalls in table.items()
        for syscall in syscalls.split()
        for fault in (("kill",) if syscall.endswith("!") else ("kill", *ERRORS))
    ]


class States(NamedTuple):
    """Journals to begin with."""

    closed: Path  # all pieces, after a clean stop
    unfinished: Path  # capture was killed between naming a segment and finishing the one before
    failed: Path  # killed between a failed sync and the copy
    halfway: Path  # keep was killed while it worked
    kept: Path  # sealed, and half of it compressed


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> States:
    """Make the journals, with the real processes where these can make them."""
    root = tmp_path_factory.mktemp("states")
    return States(
        closed=make_closed(root / "closed", len(PIECES)),
        unfinished=make_unfinished(root / "unfinished", failed=False),
        failed=make_unfinished(root / "failed", failed=True),
        halfway=make_halfway(root / "halfway"),
        kept=make_kept(root / "kept"),
    )


def make_closed(directory: Path, pieces: int) -> Path:
    """Capture some pieces, and stop."""
    directory.mkdir()
    with CaptureScene(directory, pieces=slice(pieces)) as scene, scene.start() as capture:
        assert capture.wait_ready()
        scene.work(capture)
        assert 0 == capture.status()
    return scene.journal


def make_unfinished(directory: Path, *, failed: bool) -> Path:
    """Make what a kill leaves."""
    journal = make_closed(directory, CLOSED_BEFORE)
    names = sorted(name for name in os.listdir(journal / "segments"))
    last = journal / "segments" / names[-2]
    last.chmod(0o600)
    (journal / "segments" / "next").touch(0o600)
    boot = json.loads((journal / "boot.json").read_bytes())
    (journal / "boot.json").write_text(json.dumps(boot | {"clean": False}))
    if failed:
        mark = {"synced": 300, "length": last.stat().st_size, "copied": False}
        last.with_suffix(".failed").write_text(json.dumps(mark) + "\n")
    return journal


def make_kept(directory: Path) -> Path:
    """Let keep seal everything, and compress half of it."""
    journal = make_closed(directory, len(PIECES))
    write_cursor(journal, sorted(segments_of(journal))[3])
    scene_directory = directory / "keep"
    scene_directory.mkdir()
    scene = KeepScene(scene_directory, journal, write_config(directory, PLENTY))
    with scene.start() as keep:
        assert 0 == keep.status(), keep.messages()
    (scene.journal / "cursors" / SINK).unlink()
    return scene.journal


def make_halfway(directory: Path) -> Path:
    """Make what a kill of keep leaves: unfinished files, and a segment in both forms."""
    journal = make_kept(directory)
    segments = journal / "segments"
    closed = directory / JOURNAL / "segments"
    bases = sorted(segments_of(journal))
    for base in bases[1], bases[2]:
        raw = segments / f"{base:020}.log"
        raw.write_bytes((closed / raw.name).read_bytes())
        raw.chmod(0o400)
    (segments / f"{bases[3]:020}.log.zst.tmp").write_bytes(b"half")
    for base in bases[-3:]:
        (segments / f"{base:020}.seal.json").unlink(missing_ok=True)
    (segments / f"{bases[-3]:020}.seal.json.tmp").write_bytes(b"{")
    write_cursor(journal, bases[-1])
    return journal


def write_config(directory: Path, retain_bytes: int, output_format: str = "raw") -> Path:
    """Write a config."""
    path = directory / "config.yaml"
    path.write_text(CONFIG % (retain_bytes, SINK, output_format))
    return path


class Numbered:
    """Gives each run of a test a directory of its own."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._count = 0

    def directory(self) -> Path:
        """Return a fresh one."""
        self._count += 1
        path = self._root / str(self._count)
        path.mkdir()
        return path


@pytest.fixture
def fresh(tmp_path: Path) -> Numbered:
    """Return directories."""
    return Numbered(tmp_path)


def ours(fault: str, *marks: str) -> Callable[[str], bool]:
    """Return what tells whether a call is of interest: a kill anywhere in our work, an error where a disk is.

    An openat that only looks is left out: before and after it, everything is as it was.
    """

    def relevant(text: str) -> bool:
        if text.startswith("openat"):
            return any(mark in text for mark in (FIFO, JOURNAL)) and any(flag in text for flag in CHANGING_OPENS)
        return fault == "kill" or any(mark in text for mark in (FIFO, JOURNAL, *marks))

    return relevant


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Return what remembers the counting runs."""
    return Plan(MOST_KILLS, MOST_ERRORS)


# capture


CAPTURE = {
    "fresh": "splice write pwrite fsync rename openat fchmod unlink",
    "unfinished": "splice write fdatasync fsync rename openat fchmod unlink",
    "failed": "write pwrite fdatasync fsync rename openat fchmod unlink",
    "work": "splice write fdatasync fsync rename openat fchmod unlink",
}


def run_capture(scene: CaptureScene, variant: str, injection: Injection) -> Process:
    """Make one run of capture with an injection; return what ran under strace."""
    fsync = "10ms" if injection.syscall == "fdatasync" else "1h"
    if variant == "work":
        with scene.start(fsync=fsync) as runs:
            assert runs.wait_ready(), runs.messages()
            with attach(scene, runs, injection) as attached:
                scene.work(attached, sync_each=injection.syscall == "fdatasync")
        return attached
    if variant == "fresh":
        scene.put()
        scene.put()
    else:
        scene.put_in_both_pipes()
    with scene.start(injection, fsync) as capture:
        if capture.wait_ready():
            scene.settle(capture)
            scene.stop(capture)
        capture.status()
    return capture


@pytest.mark.parametrize(("variant", "syscall", "fault"), cases(CAPTURE))
def test_capture_loses_nothing(
    states: States, plan: Plan, fresh: Numbered, variant: str, syscall: str, fault: str
) -> None:
    """Whatever call is the last one or fails, the journal has every byte once in the end, and a failure is told."""
    state = {"fresh": None, "work": None, "unfinished": states.unfinished, "failed": states.failed}[variant]

    def run(injection: Injection) -> Process:
        with CaptureScene(fresh.directory(), state, slice(CLOSED_BEFORE if state else 0, None)) as scene:
            capture = run_capture(scene, variant, injection)
            if injection.number:
                scene.finish()
                scene.check()
                if capture.injected():
                    scene.check_told(capture)
                if syscall == "fdatasync":
                    scene.check_failed_segments(capture)
        return capture

    for _ in plan.each(f"capture {variant}", Injection(syscall, fault), run, ours(fault)):
        pass


# keep


KEEP = {
    "closed": "write fdatasync fsync rename openat fchmod unlink pwrite",
    "halfway": "write fsync rename openat fchmod unlink",
}


@pytest.mark.parametrize(("variant", "syscall", "fault"), cases(KEEP))
def test_keep_loses_nothing(
    states: States, plan: Plan, fresh: Numbered, variant: str, syscall: str, fault: str
) -> None:
    """Whatever call is the last one or fails, no byte is lost, and every segment is sealed once and rightly."""

    def scene_of(directory: Path) -> KeepScene:
        if variant == "halfway":
            return KeepScene(directory, states.halfway, write_config(directory, PLENTY))
        delivered = [len(data) for data in segments_of(states.closed).values()][:DELIVERED]
        scene = KeepScene(directory, states.closed, write_config(directory, sum(delivered) - 1))
        write_cursor(scene.journal, sum(delivered))
        return scene

    def run(injection: Injection) -> Process:
        scene = scene_of(fresh.directory())
        with scene.start(injection) as keep:
            keep.status()
        scene.check_data()
        if injection.number:
            seals = scene.seals()
            with scene.start() as again:
                assert 0 == again.status(), again.messages()
            scene.check_data()
            scene.check_finished(seals)
        return keep

    for keep in plan.each(f"keep {variant}", Injection(syscall, fault), run, ours(fault)):
        assert fault == "kill" or keep.complaints(), f"nobody tells of {keep.injected()}"


# ship


SHIP = {
    "raw pipe": "splice write! pwrite openat fdatasync fsync",
    "json pipe": "splice write! pwrite openat",
    "raw file": "write pwrite openat",
    "resumed pipe": "splice write pwrite openat fsync",
}
RESUMED_AFTER = 5  # the splice before which the first of two ships was killed


def is_told(ship: Process) -> bool:
    """Tell whether a failure is in the log. One of stdout in the middle of a batch need not be, if a retry worked."""
    return bool(ship.complaints()) or (ship.status() == 0 and all(STDOUT in line for line in ship.injected()))


@pytest.mark.parametrize(("variant", "syscall", "fault"), cases(SHIP))
def test_ship_repeats_one_batch_at_most(
    states: States, plan: Plan, fresh: Numbered, variant: str, syscall: str, fault: str
) -> None:
    """Whatever call is the last one or fails, stdout has every record whole, and what came twice is on record."""
    form, _, kind = variant.partition(" ")

    def run(injection: Injection) -> Process:
        directory = fresh.directory()
        config = write_config(directory, PLENTY, "json" if form == "json" else "raw")
        with ShipScene(directory, states.kept, config, pipe=kind == "pipe") as scene:
            if form == "resumed":
                assert scene.run(Injection("splice", "kill", RESUMED_AFTER)).fired()
            ship = scene.run(injection)
            if injection.number:
                again = scene.run()
                assert 0 == again.status(), again.messages()
                scene.check()
        return ship

    for ship in plan.each(f"ship {variant}", Injection(syscall, fault), run, ours(fault, STDOUT)):
        assert fault == "kill" or is_told(ship), f"nobody tells of {ship.injected()}"


def test_the_load_is_what_the_tests_need(states: States) -> None:
    """The journals hold the whole load in several segments, and records begin where the tests think."""
    for journal in (states.closed, states.kept, states.halfway):
        assert WHOLE == b"".join(segments_of(journal).values())
    assert len(segments_of(states.closed)) > len(PIECES)
    assert len(WHOLE) == STARTS[-1]
