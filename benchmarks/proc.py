"""Reads CPU time and resident memory of a process and its children from /proc."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["cpu_seconds", "exact_cpu_seconds", "process_tree", "resident_bytes"]

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_CPU_CLOCK = 2  # CPUCLOCK_SCHED of Linux: user and kernel mode of all threads, also of those that have ended


def process_tree(pid: int, proc: Path = _PROC) -> Iterator[int]:
    """Yield the id of a process and of all its running descendants."""
    yield pid
    for task in sorted((proc / str(pid) / "task").glob("*/children")):
        for child in task.read_text().split():
            yield from process_tree(int(child), proc)


def cpu_seconds(pid: int, proc: Path = _PROC) -> float:
    """Return the CPU seconds of a process tree, in user and kernel mode, including children that have ended."""
    return sum(sum(_times(proc / str(member) / "stat")) for member in process_tree(pid, proc)) / _TICKS


def exact_cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of one process without its children, not rounded to the ticks of /proc."""
    return time.clock_gettime(~pid << 3 | _CPU_CLOCK)  # clock_getcpuclockid(3)


def resident_bytes(pid: int, proc: Path = _PROC) -> int:
    """Return the resident memory of a process tree; memory that processes share is counted for each."""
    return sum(_resident(proc / str(member) / "status") for member in process_tree(pid, proc))


def _times(stat: Path) -> list[int]:
    """Return utime, stime, cutime and cstime of proc(5). The name before them may contain spaces and parentheses."""
    return [int(field) for field in stat.read_text().rpartition(")")[2].split()[11:15]]


def _resident(status: Path) -> int:
    for line in status.read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
