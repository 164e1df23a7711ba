"""Starts servers, sends requests to them, and measures them under load."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import proc
from benchmarks.connect_load import get_user
from benchmarks.figures import Figures, percentile
from benchmarks.grpc_load import generate_grpc_load
from benchmarks.load import Load, LoadError, generate_load, send_request
from benchmarks.nginx import Sources
from benchmarks.operations import USER, Lookups, Operation
from benchmarks.pairs import Spent
from benchmarks.processes import free_port, running_process, wait_until
from benchmarks.servers import LaunchOptions, Server

__all__ = ["CONNECT", "GRPC", "Cores", "RunningServer", "start_server"]

GRPC = "grpc"
"""The name of the operation GetUser over gRPC."""
CONNECT = "connect"
"""The name of the operation GetUser over Connect, in protobuf."""
_START_TIMEOUT = 60.0  # seconds
_IDS = 4096


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of the measured server, and the core of load and sources."""

    server: int
    load: int


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A running server, with one kind of lookups."""

    server: Server
    options: LaunchOptions
    pid: int
    cold_start: float
    """Seconds from its start to its first correct response."""
    sources: Sources

    def fetch(self, operation: Operation) -> Any:
        """Send one request; return the data in the shape in which all servers are compared."""
        request = self.server.dialect.build_request(self.options.port, operation, 1)
        return self.server.dialect.parse_response(send_request(self.options.port, request))

    def measure(self, operation: Operation, *, connections: int, seconds: float) -> Figures:
        """Measure the server under the load of an operation."""
        port, dialect = self.options.port, self.server.dialect
        requests = [dialect.build_request(port, operation, n) for n in range(_IDS)]
        return self._measure(lambda: generate_load(port, requests, connections=connections, seconds=seconds))

    def measure_grpc(self, *, connections: int, seconds: float) -> Figures:
        """Measure the server under the load of GetUser over gRPC."""
        port = self.options.grpc_port
        return self._measure(lambda: generate_grpc_load(port, connections=connections, seconds=seconds))

    def measure_connect(self, *, connections: int, seconds: float) -> Figures:
        """Measure the server under the load of GetUser over Connect."""
        return self._measure(lambda: self._connect_load(connections, seconds))

    def spend(self, operation: Operation, *, connections: int, seconds: float) -> Spent:
        """Return the CPU time under the load of an operation, exact enough for short measurements."""
        port, dialect = self.options.port, self.server.dialect
        requests = [dialect.build_request(port, operation, n) for n in range(_IDS)]
        return self._spend(lambda: generate_load(port, requests, connections=connections, seconds=seconds))

    def spend_grpc(self, *, connections: int, seconds: float) -> Spent:
        """Return the CPU time under the load of GetUser over gRPC."""
        port = self.options.grpc_port
        return self._spend(lambda: generate_grpc_load(port, connections=connections, seconds=seconds))

    def spend_connect(self, *, connections: int, seconds: float) -> Spent:
        """Return the CPU time under the load of GetUser over Connect."""
        return self._spend(lambda: self._connect_load(connections, seconds))

    def _connect_load(self, connections: int, seconds: float) -> Load:
        requests = [get_user(self.options.port, n) for n in range(_IDS)]
        return generate_load(self.options.port, requests, connections=connections, seconds=seconds)

    def resident_bytes(self) -> int:
        return proc.resident_bytes(self.pid)

    def _spend(self, generate: Callable[[], Load]) -> Spent:
        cpu_before = proc.exact_cpu_seconds(self.pid)
        try:
            load = generate()
        except (LoadError, OSError) as error:
            raise LoadError(f"{self.server.title}: {error}") from error
        return Spent(proc.exact_cpu_seconds(self.pid) - cpu_before, load.completed)

    def _measure(self, generate: Callable[[], Load]) -> Figures:
        calls_before, cpu_before = self.sources.calls(), proc.cpu_seconds(self.pid)
        try:
            load = generate()
        except (LoadError, OSError) as error:
            raise LoadError(f"{self.server.title}: {error}") from error
        cpu_spent, calls_made = proc.cpu_seconds(self.pid) - cpu_before, self.sources.calls() - calls_before
        return Figures(
            rate=load.completed / load.seconds,
            cpu=cpu_spent / load.completed * 1e6,
            p50=percentile(load.latencies, 0.5) * 1000,
            p99=percentile(load.latencies, 0.99) * 1000,
            calls=calls_made / load.completed,
        )


@contextmanager
def start_server(
    server: Server, lookups: Lookups, sources: Sources, cores: Cores, folder: Path
) -> Iterator[RunningServer]:
    """Start a server, yield it after its first correct response, and stop it at the end of the block.

    Raises:
        FailedStartError: the process ended, or gave no correct response within a minute.
    """
    options = LaunchOptions(free_port(), free_port(), sources.url, lookups, folder)
    launch = server.launch(options)
    log = folder / f"{server.name}-{lookups}.log"
    first_request = server.dialect.build_request(options.port, USER, 0)
    start = time.perf_counter()
    with running_process(launch.command, core=cores.server, log=log, environment=launch.environment) as process:
        wait_until(lambda: _is_ready(options.port, first_request), process, log, _START_TIMEOUT)
        yield RunningServer(server, options, process.pid, time.perf_counter() - start, sources)


def _is_ready(port: int, request: bytes) -> bool:
    try:
        return b'"errors"' not in send_request(port, request)
    except (OSError, LoadError):
        return False
