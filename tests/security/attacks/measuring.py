"""Measures of a gateway in another process: memory, descriptors, output, and how long it does not respond."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from security.outside import RecordedProcess

__all__ = ["Pauses", "assert_no_pause", "descriptors", "memory", "probed", "written"]

MAX_PAUSE = 0.35  # seconds; the attacks took 0.4 to 2.9

_PROBE = """
import http.client, json, sys, threading, time
pauses, ended = [], threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=30)
connection.connect()
print("ready", flush=True)
while not ended.is_set():
    began = time.perf_counter()
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    pauses.append(time.perf_counter() - began)
    time.sleep(0.005)
print(json.dumps(pauses))
"""


def memory(gateway: RecordedProcess) -> float:
    """Return the resident memory of the process in MiB."""
    lines = Path(f"/proc/{gateway.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def descriptors(gateway: RecordedProcess) -> int:
    """Return the number of open file descriptors."""
    return len(list(Path(f"/proc/{gateway.pid}/fd").iterdir()))


def written(gateway: RecordedProcess) -> int:
    """Return the size of the output of the process in bytes."""
    return gateway.file.stat().st_size


@dataclass(slots=True)
class Pauses:
    """The times in seconds that the responses to `/healthz` took, one request after the other."""

    seconds: list[float] = field(default_factory=list)

    @property
    def longest(self) -> float:
        return max(self.seconds)


@asynccontextmanager
async def probed(url: str) -> AsyncIterator[Pauses]:
    """Send requests to `/healthz` until the block ends, from another process, which no attack of the test delays."""
    address = urlsplit(url)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", _PROBE, address.hostname or "", str(address.port)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    pauses = Pauses()
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield pauses
        process.stdin.close()
        async with asyncio.timeout(60):
            pauses.seconds.extend(json.loads(await process.stdout.readline()))
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def assert_no_pause(target: RecordedProcess, attack: Callable[[], Any]) -> None:
    """Repeat an attack; one of three runs must not delay others, since the machine may be busy during the others."""
    longest = []
    for _ in range(3):
        async with probed(target.address("GraphQL")) as pauses:
            await attack()
            await asyncio.sleep(0.1)
        longest.append(pauses.longest)
        if pauses.longest < MAX_PAUSE:
            return
    pytest.fail(f"others waited {longest} seconds")
