"""Allowances against a model of them, in both forms."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.kit.rate_limit import Allowance, RateLimit
from gateway.state.memory.rate_limit import MemoryRateLimit, RateSettings
from gateway.state.redis.client import connect
from gateway.state.redis.rate_limit import RedisRateLimit

SLOW = RateSettings(limit=100, window=1e6)  # 10,000 seconds a unit: the time that a test takes is none


class Allowances(Protocol):
    """Allowances whose time a test can move."""

    store: RateLimit

    async def passes(self, seconds: float) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self.now = 0.0
        self.store = MemoryRateLimit(SLOW, clock=lambda: self.now)

    async def passes(self, seconds: float) -> None:
        self.now += seconds


class InRedis:
    """Its clock is the server's: instead of waiting, the instants are moved."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self.store = RedisRateLimit(client, SLOW)

    async def passes(self, seconds: float) -> None:
        for key in await self._client.keys("usergateway:rate:*"):
            assert 0 < await self._client.pttl(key) <= SLOW.window * 1000
            await self._client.incrby(key, -round(seconds * 1e6))


@pytest.fixture(params=["memory", "redis"])
async def allowances(request: pytest.FixtureRequest) -> AsyncIterator[Allowances]:
    """The allowances in both of their forms."""
    if request.param == "memory":
        yield InMemory()
        return
    client = connect(request.getfixturevalue("redis_url"))
    await client.flushdb()
    yield InRedis(client)
    await client.aclose()


def near(allowance: Allowance) -> tuple[bool, int, int, int]:
    """Allowed, what is left, and the times in units of the rate, rounded."""
    a_unit = SLOW.window / SLOW.limit
    return (
        allowance.allowed,
        allowance.remaining,
        round(allowance.reset_after / a_unit),
        round(allowance.retry_after / a_unit),
    )


async def test_takes(allowances: Allowances) -> None:
    """What is taken is missing until it has come back, evenly; what is refused takes nothing."""
    take = allowances.store.take
    assert near(await take("a", 60)) == (True, 40, 60, 0)
    assert near(await take("a", 41)) == (False, 40, 60, 1)
    assert near(await take("a", 40)) == (True, 0, 100, 0)
    assert near(await take("a", 1)) == (False, 0, 100, 1)
    await allowances.passes(SLOW.window / 2)
    assert near(await take("a", 0)) == (True, 50, 50, 0)
    assert near(await take("a", 51)) == (False, 50, 50, 1)
    await allowances.passes(SLOW.window)
    assert near(await take("a", 100)) == (True, 0, 100, 0)


async def test_callers(allowances: Allowances) -> None:
    """One caller's allowance is none of another's."""
    assert (await allowances.store.take("a", 100)).allowed
    assert not (await allowances.store.take("a", 1)).allowed
    assert (await allowances.store.take("b", 100)).allowed


async def test_more_than_all(allowances: Allowances) -> None:
    """What costs more than the whole allowance takes all of it: it is not refused for ever."""
    assert near(await allowances.store.take("a", 1000)) == (True, 0, 100, 0)
    assert near(await allowances.store.take("a", 1000)) == (False, 0, 100, 100)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 120)),
        st.tuples(st.just("passes"), st.integers(0, 150)),
    ),
    max_size=20,
)


@pytest.mark.parametrize("form", ["memory", "redis"])
def test_model(form: str, request: pytest.FixtureRequest) -> None:
    """In any order of takings and time, there is as much as in a bucket that fills evenly."""
    url = request.getfixturevalue("redis_url") if form == "redis" else None

    async def run(steps: list[tuple[str, int]]) -> None:
        client = connect(url) if url else None
        if client is not None:
            await client.flushdb()
        allowances: Allowances = InMemory() if client is None else InRedis(client)
        left = 100
        for step, number in steps:
            if step == "passes":
                await allowances.passes(number * SLOW.window / SLOW.limit)
                left = min(100, left + number)
                continue
            allowance = await allowances.store.take("a", number)
            spent = min(number, 100)
            allowed = spent <= left
            left -= spent if allowed else 0
            assert near(allowance) == (allowed, left, 100 - left, 0 if allowed else spent - left)
        if client is not None:
            await client.aclose()

    @settings(max_examples=60, deadline=None)
    @given(STEPS)
    def check(steps: list[tuple[str, int]]) -> None:
        asyncio.run(run(steps))

    check()


async def test_bounded() -> None:
    """No more callers are remembered than may be: those heard of least recently go, also if they were refused."""
    store = MemoryRateLimit(RateSettings(limit=1, window=60, callers=2))
    for caller in "abac":
        await store.take(caller, 1)
    assert len(store) == 2
    assert not (await store.take("c", 1)).allowed
    assert not (await store.take("a", 1)).allowed
    assert (await store.take("b", 1)).allowed


@pytest.mark.parametrize("limit", [3, 6, 7, 11, 49, 50])
@pytest.mark.parametrize("form", ["memory", "redis"])
async def test_all_in_parts(form: str, limit: int, request: pytest.FixtureRequest) -> None:
    """The whole allowance can be taken one by one: fractions of seconds do not add up to a refusal."""
    client = connect(request.getfixturevalue("redis_url"))
    await client.flushdb()
    settings = RateSettings(limit=limit, window=1000)
    store: RateLimit = MemoryRateLimit(settings, clock=lambda: 1e6 + 0.1)
    if form == "redis":
        store = RedisRateLimit(client, settings)
    taken = [(await store.take("a", 1)).remaining for _ in range(limit)]
    assert taken == list(range(limit - 1, -1, -1))
    assert not (await store.take("a", 1)).allowed
    await client.aclose()


async def test_shared(redis_url: str) -> None:
    """Replicas count together, also when they ask at the same time."""
    client = connect(redis_url)
    await client.flushdb()
    replicas = [RedisRateLimit(client, SLOW) for _ in range(3)]
    taken = await asyncio.gather(*(replicas[n % 3].take("a", 1) for n in range(150)))
    assert sum(one.allowed for one in taken) == 100
    await client.aclose()


async def test_forgotten(redis_url: str) -> None:
    """Redis itself forgets a caller whose allowance is whole again."""
    client = connect(redis_url)
    await client.flushdb()
    store = RedisRateLimit(client, RateSettings(limit=10, window=0.01))
    await store.take("a", 10)
    await asyncio.sleep(0.02)
    assert await client.keys() == []
    await client.aclose()


@contextmanager
def redis_on(port: int) -> Iterator[None]:
    """A `redis-server` on that port."""
    process = subprocess.Popen(
        [shutil.which("redis-server") or "", "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < until, "redis-server does not answer"
                time.sleep(0.01)
        yield
    finally:
        process.terminate()
        process.wait(10)


async def test_one_asks_for_all() -> None:
    """Of many that come when a Redis that is gone is asked again, one asks; the others are counted here meanwhile."""
    connections = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    now = 0.0
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        client = connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
        store = RedisRateLimit(client, SLOW, clock=lambda: now)
        assert (await store.take("a", 1)).allowed
        by_one = connections
        now = 5.0
        taken = await asyncio.gather(*(store.take("a", 1) for _ in range(120)))
        assert (connections, sum(one.allowed for one in taken)) == (2 * by_one, 99)
        await client.aclose()


async def test_gone_and_back(caplog: pytest.LogCaptureFixture) -> None:
    """Without Redis a replica counts by itself, says so once, and shares again when Redis is there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    now = 0.0
    client = connect(f"redis://127.0.0.1:{port}/0")
    store = RedisRateLimit(client, SLOW, clock=lambda: now)
    assert (await store.take("a", 100)).allowed
    assert not (await store.take("a", 1)).allowed
    now = 5.0
    assert not (await store.take("a", 1)).allowed
    with redis_on(port):
        assert not (await store.take("a", 1)).allowed  # not asked again yet
        now = 10.0
        assert (await store.take("a", 100)).allowed
        assert not (await store.take("a", 1)).allowed
        await client.aclose()
    assert [record.getMessage() for record in caplog.records] == [
        "rate limits: Redis cannot be reached (ConnectionError); each replica counts by itself",
        "rate limits: Redis is back",
    ]
