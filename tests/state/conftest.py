"""A real Redis for the tests of the shared state, and the two forms of each store under one handle."""

import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import pytest
from redis.asyncio import Redis

from gateway.state.idempotency import IdempotencySettings, IdempotencyStore
from gateway.state.memory.idempotency import MemoryIdempotency
from gateway.state.redis.client import connect
from gateway.state.redis.idempotency import RedisIdempotency

_READY = 10.0  # seconds


class Records(Protocol):
    """A store whose time a test can move."""

    store: IdempotencyStore
    replica: IdempotencyStore

    async def lapse(self) -> None:
        """All leases end."""

    async def forget(self) -> None:
        """Everything's time to live ends."""


class InMemory:
    def __init__(self, settings: IdempotencySettings | None = None) -> None:
        self.now = 0.0
        self._settings = settings or IdempotencySettings()
        self.store = self.replica = MemoryIdempotency(self._settings, clock=lambda: self.now)

    async def lapse(self) -> None:
        self.now += self._settings.lease

    async def forget(self) -> None:
        self.now += self._settings.ttl


class InRedis:
    """Its clock is the server's: instead of waiting, the instants in the records are moved."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self.store, self.replica = RedisIdempotency(client), RedisIdempotency(client)

    async def lapse(self) -> None:
        for key in await self._client.keys():
            await self._client.hset(key, "until", 0)

    async def forget(self) -> None:
        settings = IdempotencySettings()
        for key in await self._client.keys():
            assert 0 < await self._client.pttl(key) <= settings.ttl * 1000
            await self._client.delete(key)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A `redis-server` of the tests' own, on a free port of the loopback, keeping nothing."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.fail("redis-server is missing: tests/debian-packages.sh says which packages the tests need")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + _READY
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, "redis-server ended by itself"
                assert time.monotonic() < until, "redis-server does not answer"
                time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=["memory", "redis"])
async def records(request: pytest.FixtureRequest) -> AsyncIterator[Records]:
    """The store in both of its forms."""
    if request.param == "memory":
        yield InMemory()
        return
    client = connect(request.getfixturevalue("redis_url"))
    await client.flushdb()
    yield InRedis(client)
    await client.aclose()
