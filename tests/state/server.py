"""A `redis-server` for one test, which can stop, kill and restart it with its files, and a pair that fails over."""

import asyncio
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from faults.toxic import Proxy
from ports import free_port

from gateway.state.redis.client import connect

__all__ = ["PATIENT", "RedisPair", "RedisServer"]

PATIENT = "socket_timeout=30&socket_connect_timeout=30"
"""A query of a URL of Redis: clients wait for its replies as long as a busy machine takes, where that is not tested."""

_START_TIMEOUT = 30.0  # seconds


class RedisServer:
    """A Redis process. Its port stays the same; if `persistent`, it keeps in `folder` what it acknowledged.

    A `cluster` has one server, and refuses what a cluster refuses; call `join_cluster` after its start.
    """

    def __init__(self, folder: Path, *, persistent: bool = True, cluster: bool = False) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            pytest.fail("redis-server is missing: tests/debian-packages.sh lists the packages that the tests need")
        self.port = free_port()
        persistence = ["--appendonly", "yes", "--appendfsync", "always"] if persistent else ["--appendonly", "no"]
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        # The default is a port 10,000 higher, which may be too high.
        clustering = ["--cluster-enabled", "yes", "--cluster-port", str(free_port())] if cluster else []
        self._command = [binary, *options, *persistence, *clustering]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def patient_url(self) -> str:
        """The URL for clients that no slow reply is to affect."""
        return f"{self.url}?{PATIENT}"

    def start(self) -> None:
        """Start the server and wait until it responds."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(5) == b"+PONG":
                        return
            except OSError:
                pass
            assert self._process.poll() is None, "redis-server stopped unexpectedly"
            assert time.monotonic() < deadline, "redis-server did not respond in time"
            time.sleep(0.01)

    def stop(self, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        """Stop the server, with SIGKILL at once, and wait for its end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(stop_signal)
            self._process.wait(30)
            self._process = None

    def join_cluster(self) -> None:
        """Serve all slots of the cluster, and wait until it does."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.sendall(b"CLUSTER ADDSLOTSRANGE 0 16383\r\n")
            assert connection.recv(64).startswith(b"+OK")
            deadline = time.monotonic() + _START_TIMEOUT
            while True:
                connection.sendall(b"CLUSTER INFO\r\n")
                if b"cluster_state:ok" in connection.recv(4096):
                    return
                assert time.monotonic() < deadline, "the cluster did not start in time"
                time.sleep(0.05)

    def replicate(self, primary: "RedisServer | None") -> None:
        """Become a replica of another server, None to be the primary."""
        arguments = ["NO", "ONE"] if primary is None else ["127.0.0.1", str(primary.port)]
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.sendall(f"REPLICAOF {' '.join(arguments)}\r\n".encode())
            assert connection.recv(64).startswith(b"+OK")

    def pause(self) -> None:
        """Suspend the process: its connections stay open and get no reply."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class RedisPair:
    """Two servers behind one address: a primary and its replica."""

    def __init__(self, primary: RedisServer, replica: RedisServer, proxy: Proxy) -> None:
        self.primary, self.replica, self.proxy = primary, replica, proxy

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.proxy.port}/0?{PATIENT}"

    async def fail_over(self) -> None:
        """Make the replica the primary and the other way round; the open connections stay with the old primary."""
        await self.caught_up()
        self.primary, self.replica = self.replica, self.primary
        await asyncio.to_thread(self.primary.replicate, None)
        await asyncio.to_thread(self.replica.replicate, self.primary)
        self.proxy.redirect(self.primary.port)

    async def caught_up(self) -> None:
        """Wait until the replica has all that the primary has."""
        client = connect(self.primary.patient_url)
        async with asyncio.timeout(30):
            await client.set("written", "yes")
            while await client.wait(1, 100) == 0:
                pass
        await client.aclose()
