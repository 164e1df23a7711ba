"""Runs the gateway with constant responses of its source, and counts what it executes for the requests of an operation.

Nothing depends on time: requests follow each other when the process waits, and so do the responses of the source.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson

from benchmarks.constant_source import ConstantSource
from benchmarks.dialects import GraphQL
from benchmarks.load import Connection, LoadError, open_connection, send_request
from benchmarks.operations import USER, Lookups
from benchmarks.processes import free_port, running_process, wait_until
from benchmarks.servers import LEAN, LaunchOptions, gateway_server, keeping_settings

__all__ = ["Counted", "CountedGateway", "Entry", "callgrind", "run_counted_gateway", "total"]

_START_TIMEOUT = 240.0  # seconds; valgrind makes the start ten times slower
_WARM_UP = 60  # requests, after which no cache and no specialised bytecode of the interpreter changes
_SETTLING = 20  # requests under callgrind that are not counted
_FIRST_CALLS = 40  # of the source for what is kept: roles, departments, the user of the kept reads
# The garbage collector runs once in some hundred requests: whether that is within a measurement, an allocation decides.
# Reports are passed on after each request: real time would decide how many requests are reported together.
_REPEATABLY = """
import gc
gc.disable()
gc.enable = gc.disable
from gateway.telemetry import telemetry
telemetry._BETWEEN_FLUSHES = 0.0
from gateway.__main__ import main
main()
"""
_LONG = "3600"  # seconds: nothing expires and nothing is polled during a measurement
_SETTINGS: Mapping[str, str] = {
    **LEAN,
    "GATEWAY_GRPC_PORT": "off",  # its threads execute instructions by time
    "GATEWAY_LOG_LEVEL": "INFO",
    "GATEWAY_REFERENCE_TTL": _LONG,
}
_KEEPING = {**_SETTINGS, **keeping_settings(keep=float(_LONG), poll_interval=float(_LONG))}
_LOOKING_UP = {**_SETTINGS, "GATEWAY_REFERENCE_TTL": "0"}


Entry = tuple[str, int, str, int]
"""A module or `C`, the line and the name of a function, and the number of its entries."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One kind of request."""

    name: str
    title: str
    build: Callable[[int, int], bytes]
    """Returns the bytes of the n-th request to a port."""
    requests: int
    """The number of requests that are counted."""
    kept: bool = False
    """Whether the gateway keeps records."""
    calls: int = 1
    """The number of source calls of a request."""
    lookups: Lookups = Lookups.BEST
    """`LISTS`: the gateway keeps no reference data either."""

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings of the gateway."""
        if self.kept:
            return _KEEPING
        return _SETTINGS if self.lookups is Lookups.BEST else _LOOKING_UP


@dataclass(frozen=True, slots=True)
class CountedGateway:
    """The running gateway, with one connection to it."""

    pid: int
    port: int
    connection: Connection
    source: ConstantSource
    folder: Path

    def warm_up(self, operations: Sequence[Counted]) -> None:
        for _ in range(2):
            for each in operations:
                self._send(each, _WARM_UP)

    def dump(self, operation: Counted) -> Path:
        """Count the instructions of an operation; return the dump of callgrind."""
        self._send(operation, _SETTLING)
        self.control("zero")
        self._send(operation, operation.requests)
        self.control("dump", operation.name)
        return max(self.folder.glob(f"callgrind.out.{self.pid}.*"), key=lambda file: int(file.suffix[1:]))

    def entries(self, operation: Counted, file: Path) -> list[Entry]:
        """Return the entries into functions by one request, the most frequent first."""
        self._write_entries(file)
        self._send(operation, operation.requests)
        rows = self._write_entries(file)
        by_request = [(module, line, name, round(count / operation.requests)) for module, line, name, count in rows]
        return [row for row in by_request if row[3]]

    def control(self, *command: str) -> None:
        """Send a command to callgrind."""
        subprocess.run(  # noqa: S603 - a program of valgrind
            ["vgdb", f"--pid={self.pid}", f"--vgdb-prefix={self.folder}/vgdb", *command],  # noqa: S607 - found by PATH
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_START_TIMEOUT,
        )

    def _send(self, operation: Counted, requests: int) -> None:
        calls_before = self.source.calls
        for n in range(requests):
            _wait_until_idle(self.pid)
            body = self.connection.exchange(operation.build(self.port, n))
            if b'"errors"' in body:
                raise LoadError(f"{operation.title}: {body[:600]!r}")
        calls = self.source.calls - calls_before
        if calls > operation.calls * requests + _FIRST_CALLS:
            raise LoadError(f"{operation.title}: {calls} calls of the source for {requests} requests")

    def _write_entries(self, file: Path) -> list[Entry]:
        file.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)
        deadline = time.monotonic() + _START_TIMEOUT
        while not file.exists():
            if time.monotonic() > deadline:
                raise LoadError(f"{file.name} was not written")
            time.sleep(0.01)
        return [(module, line, name, count) for module, line, name, count in orjson.loads(file.read_bytes())]


def callgrind(folder: Path) -> list[str]:
    """Return the command before that of a program whose instructions are counted; its dumps are in `folder`."""
    return [
        "valgrind",
        "--tool=callgrind",
        "--instr-atstart=no",
        f"--callgrind-out-file={folder}/callgrind.out.%p",
        f"--vgdb-prefix={folder}/vgdb",
    ]


@contextmanager
def run_counted_gateway(
    source: ConstantSource,
    folder: Path,
    settings: Mapping[str, str],
    *,
    http_server: str,
    checkout: Path | None,
    prefix: Sequence[str] = (),
    entries: Path | None = None,
) -> Iterator[CountedGateway]:
    """Run the gateway until the block ends."""
    options = LaunchOptions(free_port(), free_port(), source.url, Lookups.BEST, folder)
    settings = {**settings, "GATEWAY_HTTP_SERVER": http_server}
    launch = gateway_server("gateway", settings).launch(options)
    program = launch.command[0]
    # Bytecode as it is: under valgrind, the compilation of all modules takes longer than the measurement.
    environment = {**launch.environment, "PYTHONPYCACHEPREFIX": ""}
    arguments = ["-c", _REPEATABLY, "serve"]
    if entries is not None:
        arguments = ["-m", "benchmarks.function_entries", str(entries), "serve"]
    if checkout is not None:
        # With -P, Python does not import the gateway of the present folder.
        arguments = ["-P", *arguments]
        environment["PYTHONPATH"] = os.pathsep.join((str(checkout), str(Path(__file__).parents[1])))
    log = folder / f"gateway-{options.port}.log"
    core = min(os.sched_getaffinity(0))
    with running_process([*prefix, program, *arguments], core=core, log=log, environment=environment) as process:
        first = GraphQL().build_request(options.port, USER, 0)
        wait_until(lambda: _is_ready(options.port, first), process, log, _START_TIMEOUT)
        source.before_response = partial(_wait_until_idle, process.pid)
        _wait_until_idle(process.pid)  # else it may close the connection, on which no request comes for some seconds
        try:
            with open_connection(options.port) as connection:
                yield CountedGateway(process.pid, options.port, connection, source, folder)
        finally:
            source.before_response = None


def _wait_until_idle(pid: int) -> None:
    """Wait until the process waits: what it does then never depends on the time at which the next bytes arrive."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "R":
        time.sleep(0.0005)


def _is_ready(port: int, request: bytes) -> bool:
    try:
        return b'"errors"' not in send_request(port, request)
    except (OSError, LoadError):
        return False


def total(dump: str) -> int:
    """Return the number of instructions in a dump of callgrind."""
    found = re.search(r"^(?:totals|summary): (\d+)$", dump, re.MULTILINE)
    if found is None:
        raise LoadError(f"callgrind wrote no total:\n{dump[:600]}")
    return int(found[1])
