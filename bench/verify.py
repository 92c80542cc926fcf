"""How fast `standpipe verify` reads a journal on one core: digests alone, records alone, all of it; and its memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from statistics import median
from typing import TYPE_CHECKING

from bench.audit_pairs import audit_pairs
from bench.contest import tell
from bench.processes import STANDPIPE
from bench.table import AT_LEAST, AT_MOST, Aim, Row
from standpipe.journal.digest import digest_blocks
from standpipe.journal.frames import write_frames
from standpipe.journal.seal import Seal, encode_seal, seal_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.size import Size

JOURNAL_ID = "5c0f3c1e-0000-4000-8000-00000000beef"
SEGMENT_PAIRS = 25_000  # two records each, some 1.1 KB a record: about the default segment of 64 MiB
MEGA = 1e6
MEMORY_BYTES_MAX = 60e6
INTEGRITY, RECORDS, ALL = "integrity", "tiling,pairing", "tiling,integrity,pairing"
AIMS = {INTEGRITY: Aim(AT_LEAST, 400), RECORDS: Aim(AT_LEAST, 150), ALL: None}
RAW, COMPRESSED = ".log", ".log.zst"


def make_journal(directory: str, pairs: int, suffix: str, content: Callable[[int, int], bytes] = audit_pairs) -> int:
    """Make a journal of sealed segments and an empty open one; return its bytes.

    content: gives the records of so many pairs, from that number on.
    """
    segments = f"{directory}/segments"
    os.makedirs(segments)
    identity = {"format": 1, "journal": JOURNAL_ID, "node": "bench", "created": "", "predecessor": None}
    with open(f"{directory}/journal.json", "w", encoding="utf-8") as file:
        json.dump(identity, file)
    base, previous = 0, None
    for first in range(0, pairs, SEGMENT_PAIRS):
        data = content(first, min(SEGMENT_PAIRS, pairs - first))
        name = f"{segments}/{base:020d}"
        _write_data(name + suffix, data)
        seal = _seal(base, data, previous)
        with open(name + ".seal.json", "wb") as file:
            file.write(seal)
        base, previous = base + len(data), seal_digest(seal)
    with open(f"{segments}/{base:020d}.log", "wb"):
        pass
    return base


def _make_journal_elsewhere(directory: str, pairs: int, suffix: str) -> int:
    """Do the same in another process: a child's peak RSS begins with that of the process that started it."""
    code = "import sys; from bench.verify import make_journal as make; a = sys.argv; print(make(a[1], int(a[2]), a[3]))"
    command = [sys.executable, "-c", code, directory, str(pairs), suffix]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return int(done.stdout)


def _write_data(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        if path.endswith(COMPRESSED):
            for _ in write_frames([data], file.write):
                pass
        else:
            file.write(data)


def _seal(base: int, data: bytes, previous: str | None) -> bytes:
    digest = digest_blocks([data])
    times = (digest.first_time, digest.last_time)
    end = base + len(data)
    return encode_seal(
        Seal(JOURNAL_ID, base, end, digest.records, digest.sha256, previous, *times, "2026-03-02T00:00:00.000Z")
    )


def _verify(journal: str, checks: str) -> tuple[float, int]:
    """Verify once; return CPU seconds, start-up included, and the peak RSS in bytes."""
    process = subprocess.Popen(
        [*STANDPIPE, "verify", "--journal", journal, "--checks", checks], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"verify --checks {checks} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def _measure(size: Size, suffix: str, report: Callable[[str, float, int], None]) -> None:
    directory = tempfile.mkdtemp(prefix="standpipe-bench-")
    try:
        total = _make_journal_elsewhere(f"{directory}/journal", size.verify_pairs, suffix)
        for number in range(1, size.pairs + 1):
            for checks in AIMS:
                seconds, memory = _verify(f"{directory}/journal", checks)
                report(checks, total / seconds / MEGA, memory)
                tell(f"verify {suffix} {checks}, round {number} of {size.pairs}: {total / seconds / MEGA:,.0f} MB/s")
    finally:
        shutil.rmtree(directory)


def rows(size: Size) -> list[Row]:
    """Measure, and return the table's rows."""
    rates: dict[tuple[str, str], list[float]] = {}
    peaks: list[int] = []

    for suffix in (RAW, COMPRESSED):

        def report(checks: str, rate: float, memory: int, suffix: str = suffix) -> None:
            rates.setdefault((suffix, checks), []).append(rate)
            peaks.append(memory)

        _measure(size, suffix, report)
    names = {INTEGRITY: "integrity", RECORDS: "tiling + pairing", ALL: "all three", RAW: "", COMPRESSED: ", compressed"}
    found = [
        Row(
            f"verify, {names[checks]}{names[suffix]}: MB for a CPU second",
            median(measured),
            "MB/s",
            f"by round {min(measured):,.0f} to {max(measured):,.0f}; start-up included",
            AIMS[checks] if suffix == RAW else None,
            digits=0,
        )
        for (suffix, checks), measured in rates.items()
    ]
    peak = max(peaks)
    memory_aim = Aim(AT_MOST, MEMORY_BYTES_MAX / MEGA)
    return [
        *found,
        Row("verify: peak RSS", peak / MEGA, "MB", f"{2 * size.verify_pairs:,} records", memory_aim, digits=1),
    ]
