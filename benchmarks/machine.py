"""Describes the machine and the versions of a run."""

import os
import platform
import re
import subprocess
import sysconfig
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import peers

__all__ = ["describe_machine", "describe_python"]


def describe_machine() -> dict[str, str]:
    """Return date, machine and versions as texts."""
    uname = platform.uname()
    libraries = ("aiohttp", "strawberry-graphql", "graphql-core", "grpcio", "orjson")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "load average before": f"{os.getloadavg()[0]:.1f}",
        "kernel": f"{uname.system} {uname.release}",
        "python": describe_python(),
        **{name: version(name) for name in libraries},
        **peers.versions(),
    }


def describe_python() -> str:
    """Return the interpreter and its build: one with profile-guided optimization (PGO) takes about a tenth less CPU."""
    compiler = re.sub(r"[^\w. ]", "", platform.python_compiler()).strip()
    optimized = "PGO" if "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "") else "no PGO"
    return f"{platform.python_implementation()} {platform.python_version()}, {compiler}, {optimized}"


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    result = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)  # noqa: S603 - git
    return result.stdout.strip()
