"""capture, keep and ship, killed before or failed at each system call of a short run."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.faults.injection import Injection, each
from tests.faults.injection_scenes import (
    PIECES,
    FIFO,
    JOURNAL,
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

MOST = scale(4, 1000)  # calls that one test tries; the long tier takes every one
ERRORS = ("ENOSPC", "EIO")
CLOSED_BEFORE = 3  # pieces in the journal that capture recovers
CONFIG = "journal: {retain: {size: %dB}, segment_size: 4KiB}\nsinks: {%s: {type: stdout, format: %s}}\n"
PLENTY = 1 << 30


def cases(table: dict[str, str]) -> list[tuple[str, str, str]]:
    """Return (variant, system call, fault) for each word of a table of variant → system calls."""
    return [
        (variant, syscall, fault)
        for variant, syscalls in table.items()
        for syscall in syscalls.split()
        for fault in ("kill", *ERRORS)
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
    """Gives each run of a test a directory of its own, and says afterwards how many faults came."""

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
    """Return what tells whether a call is of interest: a kill anywhere in our work, an error where a disk is."""

    def relevant(text: str) -> bool:
        if fault == "kill" and not text.startswith("openat"):
            return True
        return any(mark in text for mark in (FIFO, JOURNAL, *marks))

    return relevant


# capture


def capture_run(scene: CaptureScene, variant: str, injection: Injection) -> tuple[str, bool]:
    """Make one run of capture with an injection, and judge it as far as it went; return its trace, and did it come."""
    sync_each = injection.syscall == "fdatasync"
    fsync = "10ms" if sync_each else "1h"
    if variant == "work":
        with scene.start(fsync=fsync) as runs:
            assert runs.wait_ready(), runs.messages()
            with attach(scene, runs, injection) as capture:
                scene.work(capture, sync_each=sync_each)
    else:
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
    fired = injection.number > 0 and capture.fired()
    if injection.number:
        scene.finish()
        scene.check()
    if fired and injection.fault != "kill":
        scene.check_told(capture)
        if sync_each:
            scene.check_failed_segment(capture)
    return capture.trace(), fired


CAPTURE = {
    "fresh": "splice write pwrite fsync rename openat fchmod unlink",
    "unfinished": "splice write fdatasync fsync rename openat fchmod unlink",
    "failed": "write pwrite fdatasync fsync rename openat fchmod unlink",
    "work": "splice write fdatasync fsync rename openat fchmod unlink",
}


@pytest.mark.parametrize(("variant", "syscall", "fault"), cases(CAPTURE))
def test_capture_loses_nothing(states: States, fresh: Numbered, variant: str, syscall: str, fault: str) -> None:
    """Whatever call is the last one or fails, the journal has every byte once in the end, and a failure is told."""
    state = {"fresh": None, "work": None, "unfinished": states.unfinished, "failed": states.failed}[variant]

    def run(injection: Injection) -> tuple[str, bool]:
        directory = fresh.directory()
        with CaptureScene(directory, state, slice(CLOSED_BEFORE if state else 0, None)) as scene:
            return capture_run(scene, variant, injection)

    came = [
        run(injection)[1]
        for injection in each(
            lambda injection: run(injection)[0],
            Injection(syscall, fault),
            MOST,
            ours(fault),
            f"{variant} {syscall} {fault}",
        )
    ]
    assert any(came)


# keep


KEEP = {
    "closed": "write fdatasync fsync rename openat fchmod unlink pwrite",
    "halfway": "write fsync rename openat fchmod unlink",
}


@pytest.mark.parametrize(("variant", "syscall", "fault"), cases(KEEP))
def test_keep_loses_nothing(states: States, fresh: Numbered, variant: str, syscall: str, fault: str) -> None:
    """Whatever call is the last one or fails, no byte is lost, and every segment is sealed once and rightly."""

    def run(injection: Injection) -> tuple[str, bool]:
        directory = fresh.directory()
        if variant == "closed":
            sizes = [len(data) for data in segments_of(states.closed).values()]
            scene = KeepScene(directory, states.closed, write_config(directory, sum(sizes[1:4])))
            write_cursor(scene.journal, sum(sizes[:4]))
        else:
            scene = KeepScene(directory, states.halfway, write_config(directory, PLENTY))
        with scene.start(injection) as keep:
            keep.status()
        fired = injection.number > 0 and keep.fired()
        if fired and fault != "kill":
            assert keep.complaints(), keep.injected()
        scene.check_data()
        if injection.number:
            seals = scene.seals()
            with scene.start() as again:
                assert 0 == again.status(), again.messages()
            scene.check_data()
            scene.check_finished(seals)
        return keep.trace(), fired

    came = [
        run(injection)[1]
        for injection in each(
            lambda injection: run(injection)[0],
            Injection(syscall, fault),
            MOST,
            ours(fault),
            f"{variant} {syscall} {fault}",
        )
    ]
    assert all(came)


# ship


SHIP = {
    "raw pipe": "splice write pwrite openat fdatasync fsync",
    "json pipe": "splice write pwrite openat",
    "raw file": "write pwrite openat",
    "resumed pipe": "splice write pwrite openat fsync",
}
RESUMED_AFTER = 5  # the call at which the first of two ships was killed


@pytest.mark.parametrize(("variant", "syscall", "fault"), cases(SHIP))
def test_ship_repeats_one_batch_at_most(
    states: States, fresh: Numbered, variant: str, syscall: str, fault: str
) -> None:
    """Whatever call is the last one or fails, stdout has every record whole, and what came twice is on record."""
    form, _, kind = variant.partition(" ")

    def run(injection: Injection) -> tuple[str, bool]:
        directory = fresh.directory()
        config = write_config(directory, PLENTY, "json" if form == "json" else "raw")
        with ShipScene(directory, states.kept, config, pipe=kind == "pipe") as scene:
            if form == "resumed":
                assert scene.run(Injection("splice", "kill", RESUMED_AFTER)).fired()
            ship = scene.run(injection)
            fired = injection.number > 0 and ship.fired()
            if fired and fault != "kill":
                assert ship.complaints(), ship.injected()
            if injection.number:
                again = scene.run()
                assert 0 == again.status(), again.messages()
                scene.check()
        return ship.trace(), fired

    came = [
        run(injection)[1]
        for injection in each(
            lambda injection: run(injection)[0],
            Injection(syscall, fault),
            MOST,
            ours(fault, "splice(", "write(1<"),
            f"{variant} {syscall} {fault}",
        )
    ]
    assert any(came)


def test_the_load_is_what_the_tests_need(states: States) -> None:
    """The journal holds the whole load in several segments, and records begin where the tests think."""
    assert WHOLE == b"".join(segments_of(states.closed).values())
    assert WHOLE == b"".join(segments_of(states.kept).values())
    assert WHOLE == b"".join(segments_of(states.halfway).values())
    assert len(segments_of(states.closed)) > len(PIECES)
    assert len(WHOLE) == STARTS[-1]
