"""The servers while they run: started and timed, checked against each other, asked and measured."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import proc
from benchmarks.figures import Figures, percentile
from benchmarks.grpc_load import put_grpc_load
from benchmarks.load import Load, LoadError, ask, put_load
from benchmarks.nginx import Sources
from benchmarks.operations import USER, Lookups, Operation
from benchmarks.processes import free_port, running, wait_until
from benchmarks.servers import Place, Server

__all__ = ["GRPC", "Cores", "Running", "started"]

GRPC = "grpc"
"""The name of GetUser over gRPC among the operations."""
_START = 60.0  # seconds
_IDS = 4096


@dataclass(frozen=True, slots=True)
class Cores:
    """One core for the server that is measured, another for load and sources."""

    server: int
    load: int


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs, in one way of looking up."""

    server: Server
    place: Place
    pid: int
    cold_start: float
    """Seconds from its start to its first right answer."""
    sources: Sources

    def answer(self, operation: Operation) -> Any:
        """What it says to one request, in the shape that all are compared in."""
        request = self.server.dialect.request(self.place.port, operation, 1)
        return self.server.dialect.read(ask(self.place.port, request))

    def measured(self, operation: Operation, *, connections: int, seconds: float) -> Figures:
        """Under load for so many seconds."""
        port, dialect = self.place.port, self.server.dialect
        requests = [dialect.request(port, operation, n) for n in range(_IDS)]
        return self._measured(lambda: put_load(port, requests, connections=connections, seconds=seconds))

    def measured_over_grpc(self, *, connections: int, seconds: float) -> Figures:
        """GetUser under load."""
        port = self.place.grpc_port
        return self._measured(lambda: put_grpc_load(port, connections=connections, seconds=seconds))

    def resident_bytes(self) -> int:
        return proc.resident_bytes(self.pid)

    def _measured(self, put: Callable[[], Load]) -> Figures:
        calls, cpu = self.sources.calls(), proc.cpu_seconds(self.pid)
        try:
            load = put()
        except (LoadError, OSError) as error:
            raise LoadError(f"{self.server.title}: {error}") from error
        spent, called = proc.cpu_seconds(self.pid) - cpu, self.sources.calls() - calls
        return Figures(
            rate=load.completed / load.seconds,
            cpu=spent / load.completed * 1e6,
            p50=percentile(load.latencies, 0.5) * 1000,
            p99=percentile(load.latencies, 0.99) * 1000,
            calls=called / load.completed,
        )


@contextmanager
def started(server: Server, lookups: Lookups, sources: Sources, cores: Cores, folder: Path) -> Iterator[Running]:
    """A server, from its first right answer to the end of the block.

    Raises:
        FailedStartError: it ended, or gave no right answer in a minute.
    """
    place = Place(free_port(), free_port(), sources.url, lookups, folder)
    launch = server.launch(place)
    log = folder / f"{server.name}-{lookups}.log"
    first = server.dialect.request(place.port, USER, 0)
    began = time.perf_counter()
    with running(launch.command, core=cores.server, log=log, environment=launch.environment) as process:
        wait_until(lambda: _answers(place.port, first), process, log, _START)
        yield Running(server, place, process.pid, time.perf_counter() - began, sources)


def _answers(port: int, request: bytes) -> bool:
    try:
        return b'"errors"' not in ask(port, request)
    except (OSError, LoadError):
        return False
