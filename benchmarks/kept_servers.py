"""The servers of the benchmark of kept records: the source with its history, Redis, and the gateways."""

import http.client
import shutil
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from benchmarks.fleet import Cores
from benchmarks.history import HistoryConfiguration, configuration_json
from benchmarks.operations import Lookups
from benchmarks.processes import FailedStartError, free_port, running_process, wait_until
from benchmarks.servers import LaunchOptions, gateway_server

__all__ = ["KeptServers", "start_servers"]

_START_TIMEOUT = 60.0  # seconds
_OK = 200


@dataclass(frozen=True, slots=True)
class KeptServers:
    """The ports of the source and of the gateways, and the process ids of the gateways."""

    source: int
    gateways: list[int]
    pids: list[int]

    def history(self) -> Any:
        """Return the changes and the counts of the source."""
        return orjson.loads(_get(self.source, "/history")[1])


def start_servers(
    stack: ExitStack,
    configuration: HistoryConfiguration,
    settings: Mapping[str, str],
    *,
    replicas: int,
    folder: Path,
    cores: Cores,
) -> KeptServers:
    """Start the servers until `stack` is closed; several replicas share a Redis.

    Raises:
        FailedStartError: one did not start.
    """
    file = folder / "history.json"
    file.write_bytes(configuration_json(configuration))
    source = free_port()
    _start(stack, [sys.executable, "-m", "benchmarks.history", str(source), str(file)], source, folder, cores.load)
    if replicas > 1:
        settings = {**settings, "GATEWAY_REDIS_URL": f"redis://127.0.0.1:{_start_redis(stack, folder, cores.load)}/0"}
    servers = KeptServers(source, [], [])
    for number in range(replicas):
        options = LaunchOptions(free_port(), free_port(), f"http://127.0.0.1:{source}", Lookups.BEST, folder)
        launch = gateway_server("gateway", settings).launch(options)
        log = folder / f"gateway-{number}.log"
        running = running_process(launch.command, core=cores.server, log=log, environment=launch.environment)
        process = stack.enter_context(running)
        wait_until(partial(_is_ready, options.port), process, log, _START_TIMEOUT)
        servers.gateways.append(options.port)
        servers.pids.append(process.pid)
    return servers


def _start_redis(stack: ExitStack, folder: Path, core: int) -> int:
    redis = shutil.which("redis-server")
    if redis is None:
        raise FailedStartError("redis-server is missing. Install it with `apt-get install redis-server`.")
    port = free_port()
    command = [redis, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    _start(stack, command, port, folder, core)
    return port


def _start(stack: ExitStack, command: list[str], port: int, folder: Path, core: int) -> None:
    """Start a program, and wait until it accepts connections."""
    log = folder / f"{port}.log"
    process = stack.enter_context(running_process(command, core=core, log=log))
    wait_until(lambda: _accepts_connections(port), process, log, _START_TIMEOUT)


def _get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _is_ready(port: int) -> bool:
    try:
        return _get(port, "/readyz")[0] == _OK
    except OSError:
        return False


def _accepts_connections(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
