"""CPU time and memory from /proc."""

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.proc import cpu_seconds, process_tree, resident_bytes

_WORKER = "import sys\nwhile True: sum(range(1000))"
_PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {_WORKER!r}])
print(child.pid, flush=True)
sys.stdin.read()
child.kill()
child.wait()
"""


def process(folder: Path, pid: int, name: str, times: tuple[int, ...], *, kilobytes: int, children: str = "") -> None:
    """Write the files of a process as described in proc(5)."""
    process_folder = folder / str(pid)
    (process_folder / "task" / str(pid)).mkdir(parents=True)
    (process_folder / "task" / str(pid) / "children").write_text(children)
    before = "S 1 1 1 0 -1 4194304 100 0 0 0"
    (process_folder / "stat").write_text(f"{pid} ({name}) {before} {' '.join(map(str, times))} 20 0 1 0 100 0 0\n")
    (process_folder / "status").write_text(f"Name:\t{name}\nVmPeak:\t  999 kB\nVmRSS:\t  {kilobytes} kB\nThreads:\t1\n")


def test_a_process_tree_is_summed_up(tmp_path: Path) -> None:
    """All descendants are counted; a name with spaces and parentheses does not shift the fields."""
    ticks = os.sysconf("SC_CLK_TCK")
    process(tmp_path, 10, "a) (b c", (3 * ticks, ticks, 0, 0), kilobytes=1000, children="11 ")
    process(tmp_path, 11, "worker", (ticks, 0, 2 * ticks, ticks), kilobytes=500, children="12 ")
    process(tmp_path, 12, "worker", (0, ticks, 0, 0), kilobytes=24)
    assert list(process_tree(10, tmp_path)) == [10, 11, 12]
    assert cpu_seconds(10, tmp_path) == 9
    assert resident_bytes(10, tmp_path) == 1524 * 1024


def test_a_real_process_tree() -> None:
    """The CPU time and the memory of a running child are counted for its parent."""
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        before = cpu_seconds(parent.pid)
        until = time.monotonic() + 30
        while cpu_seconds(parent.pid) < before + 0.1:
            assert time.monotonic() < until, "the child's CPU time is not seen"
            time.sleep(0.02)
        assert list(process_tree(parent.pid)) == [parent.pid, child]
        assert resident_bytes(parent.pid) > resident_bytes(child) > 1_000_000
        parent.stdin.close()
