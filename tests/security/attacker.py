"""An attacker of a running gateway: raw sockets, a probe of its event loop, and what /proc reports of its process.

`TEST_ATTACK_SCALE` (1 by default) multiplies how often or how much an attack sends.
"""

import base64
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from security.outside import RecordedProcess

__all__ = [
    "Probe",
    "connect",
    "descriptors",
    "frame",
    "memory",
    "probing",
    "read_to_end",
    "scaled",
    "unstalled",
    "wait_for_memory",
    "web_socket",
    "web_sockets",
]

MAX_STALL = (
    0.3  # seconds: the attacks of the tests stopped the event loop for 0.3 to 7 s before they were defended against
)
_RUNS = 3

_HANDSHAKE = (
    "GET /graphql HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(b'x' * 16).decode()}\r\n"
    "Sec-WebSocket-Protocol: graphql-transport-ws\r\n{fields}\r\n"
)


def scaled(number: int) -> int:
    """Return how often an attack is to be repeated in this run."""
    return max(1, round(number * float(os.environ.get("TEST_ATTACK_SCALE", "1"))))


def memory(running: RecordedProcess) -> float:
    """Return the resident memory of a process in MiB."""
    [line] = [line for line in Path(f"/proc/{running.pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def wait_for_memory(running: RecordedProcess, at_most: float) -> None:
    """Wait until the resident memory of a process in MiB is below a limit."""
    end = time.monotonic() + 30
    while (held := memory(running)) >= at_most:
        assert time.monotonic() < end, f"{held:.0f} MiB"
        time.sleep(0.1)


def descriptors(running: RecordedProcess) -> int:
    """Return how many files a process has open."""
    return len(list(Path(f"/proc/{running.pid}/fd").iterdir()))


def connect(running: RecordedProcess) -> socket.socket:
    """Open a connection to the HTTP port."""
    address = urlsplit(running.address("GraphQL"))
    return socket.create_connection((address.hostname, address.port), timeout=30)


def web_socket(running: RecordedProcess, fields: str = "") -> socket.socket:
    """Open a WebSocket, and send nothing on it. `fields` are further lines of the handshake."""
    client = connect(running)
    client.sendall(_HANDSHAKE.format(host=urlsplit(running.address("GraphQL")).netloc, fields=fields).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        received = client.recv(4096)
        assert received, head
        head += received
    assert head.startswith(b"HTTP/1.1 101"), head
    return client


@contextmanager
def web_sockets(running: RecordedProcess, number: int) -> Iterator[list[socket.socket]]:
    """Open WebSockets, and close them at the end of the block."""
    with ExitStack() as stack:
        yield [stack.enter_context(web_socket(running)) for _ in range(number)]


def frame(opcode: int, data: bytes = b"", *, final: bool = True) -> bytes:
    """Return a WebSocket frame with a mask of zeros."""
    if len(data) < 126:
        length = bytes([0x80 | len(data)])
    else:
        length = b"\xfe" + len(data).to_bytes(2) if len(data) < 65_536 else b"\xff" + len(data).to_bytes(8)
    return bytes([(0x80 if final else 0) | opcode]) + length + b"\0\0\0\0" + data


def read_to_end(client: socket.socket) -> bytes:
    """Read until the server closes the connection."""
    received = b""
    try:
        while data := client.recv(65_536):
            received += data
    except ConnectionResetError:
        pass
    return received


@dataclass(slots=True)
class Probe:
    """The response times of a request that costs nothing, in seconds.

    Of each, the time counts in which the gateway computes: while a busy machine lets other processes run, it cannot
    respond. If it waits for something else than its turn, a third of the time counts, which still finds a gateway that
    is blocked.
    """

    times: list[float] = field(default_factory=list)

    @property
    def longest(self) -> float:
        """The longest response time: so long the event loop did nothing else."""
        return max(self.times)

    @property
    def median(self) -> float:
        return statistics.median(self.times)


_PROBE = """
import os, socket, sys, time
pid, tick = sys.argv[4], 1 / os.sysconf("SC_CLK_TCK")
def cpu():
    with open(f"/proc/{pid}/stat") as file:
        return sum(map(int, file.read().rpartition(")")[2].split()[11:13])) * tick
def delay():
    delays = []
    for process in (pid, "self"):
        with open(f"/proc/{process}/schedstat") as file:  # of the main thread, which has the event loop
            delays.append(int(file.read().split()[1]) / 1e9)
    return sum(delays)
probe = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60)
request = b"GET /healthz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
print("ready", flush=True)
times, end = [], time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    started, used, delayed = time.monotonic(), cpu(), delay()
    probe.sendall(request)
    assert probe.recv(65536).startswith(b"HTTP/1.1 200")
    took = time.monotonic() - started
    times.append(max(min(took, cpu() - used + tick), (took - delay() + delayed) / 3))
    time.sleep(0.005)
print(*times)
"""


@contextmanager
def probing(running: RecordedProcess, seconds: float) -> Iterator[Probe]:
    """Send requests from another process for that time, beginning now; the block is left when they have ended."""
    address, probe = urlsplit(running.address("GraphQL")), Probe()
    arguments = [sys.executable, "-c", _PROBE, str(address.hostname), str(address.port), str(seconds)]
    arguments.append(str(running.pid))
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        yield probe
        probe.times.extend(float(text) for text in process.stdout.read().split())
    assert probe.times


async def unstalled(running: RecordedProcess, attack: Callable[[], Awaitable[object]], seconds: float = 2.0) -> None:
    """Make an attack while others are served. One run of three is enough: the machine may be busy during the others."""
    longest = []
    for _ in range(_RUNS):
        with probing(running, seconds) as probe:
            await attack()
        longest.append(probe.longest)
        if probe.longest < MAX_STALL:
            return
    raise AssertionError(f"others waited for {longest} seconds")
