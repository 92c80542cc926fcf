"""What one process has cost so far: CPU time of all its threads, peak resident memory, its fair share of memory."""

from __future__ import annotations

import os
import platform
import time

CPUCLOCK_SCHED = 2  # linux/posix-timers.h: the time that the scheduler gave, in nanoseconds
PID_SHIFT = 3


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, user and system, with threads that have ended. Raises OSError.

    This is the clock of clock_getcpuclockid(3). It is what /proc/<pid>/stat counts, without the 10 ms grain.
    """
    return time.clock_gettime(~pid << PID_SHIFT | CPUCLOCK_SCHED)


def cpu_of(pids: dict[str, int]) -> dict[str, float]:
    """Return the CPU seconds of processes by name."""
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


def _kibibytes(path: str, key: str) -> int:
    with open(path, encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    raise OSError(f"{path} has no line {key}")


def peak_rss_bytes(pid: int) -> int:
    """Return the most resident memory that a process ever had (VmHWM). Raises OSError."""
    return _kibibytes(f"/proc/{pid}/status", "VmHWM:")


def pss_bytes(pid: int) -> int:
    """Return a process's proportional share of memory now: pages that several map are divided. Raises OSError."""
    return _kibibytes(f"/proc/{pid}/smaps_rollup", "Pss:")


def machine() -> str:
    """Return what the numbers depend on: processor, cores, memory, kernel and Python."""
    names = set()
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                names.add(line.partition(":")[2].strip())
    memory = _kibibytes("/proc/meminfo", "MemTotal:") / (1 << 30)
    cores = len(os.sched_getaffinity(0))
    processor = ", ".join(sorted(names)) or "unknown processor"
    kernel, python = os.uname().release.split("-")[0], platform.python_version()
    return f"{cores} cores ({processor}), {memory:.0f} GiB, Linux {kernel}, Python {python}"
