"""Fixtures: a real Redis, and the idempotency store in memory and in Redis with the same interface for both."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from faults.toxic import proxied
from ports import free_port
from redis.asyncio import Redis
from state.server import PATIENT, RedisPair, RedisServer
from steady_loop import SteadyLoop

from gateway.state.idempotency import IdempotencySettings, IdempotencyStore
from gateway.state.memory.idempotency import MemoryIdempotency
from gateway.state.redis.client import connect
from gateway.state.redis.idempotency import RedisIdempotency

_START_TIMEOUT = 30.0  # seconds


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run these tests in an event loop for which no time passes while a busy machine stops this process."""
    return {"steady": SteadyLoop}


class Records(Protocol):
    """A store on two replicas, whose time a test can move."""

    store: IdempotencyStore
    replica: IdempotencyStore

    async def end_leases(self) -> None:
        """End all leases."""

    async def expire(self) -> None:
        """End the time to live of all records."""


class MemoryRecords:
    def __init__(self, settings: IdempotencySettings | None = None) -> None:
        self.now = 0.0
        self._settings = settings or IdempotencySettings()
        self.store = self.replica = MemoryIdempotency(self._settings, clock=lambda: self.now)

    async def end_leases(self) -> None:
        self.now += self._settings.lease

    async def expire(self) -> None:
        self.now += self._settings.ttl


class RedisRecords:
    """Time is that of the Redis server: instead of waiting, a test changes the times in the records."""

    def __init__(self, client: Redis, settings: IdempotencySettings | None = None) -> None:
        self._client = client
        self._settings = settings or IdempotencySettings()
        self.store, self.replica = (RedisIdempotency(client, self._settings) for _ in range(2))

    async def end_leases(self) -> None:
        for key in await self._client.keys():
            if await self._client.type(key) == b"hash":  # a record
                await self._client.hset(key, "until", 0)

    async def expire(self) -> None:
        for key in await self._client.keys():
            assert 0 < await self._client.pttl(key) <= self._settings.ttl * 1000
            await self._client.delete(key)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a `redis-server` for these tests, on a free port of the loopback interface, without persistence.

    Its clients do not give up before it replies, however busy the machine is.
    """
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.fail("redis-server is missing: tests/debian-packages.sh lists the packages that the tests need")
    port = free_port()
    process = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 10).close()
                break
            except OSError:
                assert process.poll() is None, "redis-server stopped unexpectedly"
                assert time.monotonic() < deadline, "redis-server did not respond in time"
                time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}/0?{PATIENT}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(params=["memory", "redis"])
def storage(request: pytest.FixtureRequest) -> str:
    """Where the records are."""
    return request.param


@pytest.fixture
async def records(storage: str, request: pytest.FixtureRequest) -> AsyncIterator[Records]:
    """The store in memory, then in Redis; a test can give the settings by indirect parameters."""
    settings: IdempotencySettings | None = getattr(request, "param", None)
    if storage == "memory":
        yield MemoryRecords(settings)
        return
    client = connect(request.getfixturevalue("redis_url"))
    await client.flushdb()
    yield RedisRecords(client, settings)
    await client.aclose()


@pytest.fixture
async def redis_pair(tmp_path: Path) -> AsyncIterator[RedisPair]:
    """A primary and a replica that has caught up, with a proxy in front of the primary."""
    servers = []
    try:
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            servers.append(RedisServer(tmp_path / name, persistent=False))
            await asyncio.to_thread(servers[-1].start)
        await asyncio.to_thread(servers[1].replicate, servers[0])
        async with proxied("127.0.0.1", servers[0].port, http=False) as proxy:
            pair = RedisPair(servers[0], servers[1], proxy)
            await pair.caught_up()
            yield pair
    finally:
        for server in servers:
            await asyncio.to_thread(server.stop)
