"""What Linux says of a process and its children: CPU time and resident memory."""

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["cpu_seconds", "family", "resident_bytes"]

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def family(pid: int, proc: Path = _PROC) -> Iterator[int]:
    """The process and everything that it started and that still runs."""
    yield pid
    for task in sorted((proc / str(pid) / "task").glob("*/children")):
        for child in task.read_text().split():
            yield from family(int(child), proc)


def cpu_seconds(pid: int, proc: Path = _PROC) -> float:
    """CPU time so far, in user and kernel mode, of all threads; children that have ended are in it too."""
    return sum(sum(_times(proc / str(one) / "stat")) for one in family(pid, proc)) / _TICKS


def resident_bytes(pid: int, proc: Path = _PROC) -> int:
    """Resident memory now; what a family shares is counted with each."""
    return sum(_resident(proc / str(one) / "status") for one in family(pid, proc))


def _times(stat: Path) -> list[int]:
    """Of proc(5): utime, stime, cutime, cstime. The name before them may hold spaces and parentheses."""
    return [int(field) for field in stat.read_text().rpartition(")")[2].split()[11:15]]


def _resident(status: Path) -> int:
    for line in status.read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
