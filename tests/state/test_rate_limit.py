"""Rate limits of callers in memory and in Redis, compared with a model."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from state.server import PATIENT, RedisServer

from gateway.kit.rate_limit import Allowance, RateLimit
from gateway.state.memory.rate_limit import MemoryRateLimit
from gateway.state.rate_limit import RateSettings
from gateway.state.redis.client import connect
from gateway.state.redis.rate_limit import RedisRateLimit

SLOW = RateSettings(
    limit=100, window=1e6
)  # 10,000 seconds for each unit, so that the duration of the test does not matter


class Allowances(Protocol):
    """A rate limit whose time a test can move."""

    store: RateLimit

    async def advance(self, seconds: float) -> None: ...


class MemoryAllowances:
    def __init__(self) -> None:
        self.now = 0.0
        self.store = MemoryRateLimit(SLOW, clock=lambda: self.now)

    async def advance(self, seconds: float) -> None:
        self.now += seconds


class RedisAllowances:
    """Time is that of the Redis server: instead of waiting, a test changes the stored times."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self.store = RedisRateLimit(client, SLOW)

    async def advance(self, seconds: float) -> None:
        for key in await self._client.keys("usergateway:rate:*"):
            assert 0 < await self._client.pttl(key) <= SLOW.window * 1000
            await self._client.incrby(key, -round(seconds * 1e6))


@pytest.fixture(params=["memory", "redis"])
async def allowances(request: pytest.FixtureRequest) -> AsyncIterator[Allowances]:
    """The rate limit in memory, then in Redis."""
    if request.param == "memory":
        yield MemoryAllowances()
        return
    client = connect(request.getfixturevalue("redis_url"))
    await client.flushdb()
    yield RedisAllowances(client)
    await client.aclose()


def rounded(allowance: Allowance) -> tuple[bool, int, int, int]:
    """Return whether it was allowed, the remaining units, and the times, rounded to units of the rate."""
    cost_unit = SLOW.window / SLOW.limit
    return (
        allowance.allowed,
        allowance.remaining,
        round(allowance.reset_after / cost_unit),
        round(allowance.retry_after / cost_unit),
    )


async def test_charges(allowances: Allowances) -> None:
    """A charge reduces the allowance, which refills evenly; a refused charge takes nothing."""
    take = allowances.store.take
    assert rounded(await take("a", 60)) == (True, 40, 60, 0)
    assert rounded(await take("a", 41)) == (False, 40, 60, 1)
    assert rounded(await take("a", 40)) == (True, 0, 100, 0)
    assert rounded(await take("a", 1)) == (False, 0, 100, 1)
    await allowances.advance(SLOW.window / 2)
    assert rounded(await take("a", 0)) == (True, 50, 50, 0)
    assert rounded(await take("a", 51)) == (False, 50, 50, 1)
    await allowances.advance(SLOW.window)
    assert rounded(await take("a", 100)) == (True, 0, 100, 0)


async def test_callers(allowances: Allowances) -> None:
    """Each caller has a separate allowance."""
    assert (await allowances.store.take("a", 100)).allowed
    assert not (await allowances.store.take("a", 1)).allowed
    assert (await allowances.store.take("b", 100)).allowed


async def test_a_cost_above_the_limit(allowances: Allowances) -> None:
    """A cost above the limit takes the whole allowance, so that it is not refused for ever."""
    assert rounded(await allowances.store.take("a", 1000)) == (True, 0, 100, 0)
    assert rounded(await allowances.store.take("a", 1000)) == (False, 0, 100, 100)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 120)),
        st.tuples(st.just("advance"), st.integers(0, 150)),
    ),
    max_size=20,
)


@pytest.mark.parametrize("storage", ["memory", "redis"])
def test_model(storage: str, request: pytest.FixtureRequest) -> None:
    """After any charges and delays, the allowance is that of a bucket that fills evenly."""
    url = request.getfixturevalue("redis_url") if storage == "redis" else None

    async def run(steps: list[tuple[str, int]]) -> None:
        client = connect(url) if url else None
        if client is not None:
            await client.flushdb()
        allowances: Allowances = MemoryAllowances() if client is None else RedisAllowances(client)
        remaining = 100
        for step, number in steps:
            if step == "advance":
                await allowances.advance(number * SLOW.window / SLOW.limit)
                remaining = min(100, remaining + number)
                continue
            allowance = await allowances.store.take("a", number)
            charge = min(number, 100)
            allowed = charge <= remaining
            remaining -= charge if allowed else 0
            assert rounded(allowance) == (allowed, remaining, 100 - remaining, 0 if allowed else charge - remaining)
        if client is not None:
            await client.aclose()

    @settings(max_examples=60, deadline=None)
    @given(STEPS)
    def check(steps: list[tuple[str, int]]) -> None:
        asyncio.run(run(steps))

    check()


async def test_bounded() -> None:
    """No more callers are stored than the maximum: the least recently seen are dropped, also refused ones."""
    store = MemoryRateLimit(RateSettings(limit=1, window=60, max_callers=2))
    for caller in "abac":
        await store.take(caller, 1)
    assert len(store) == 2
    assert not (await store.take("c", 1)).allowed
    assert not (await store.take("a", 1)).allowed
    assert (await store.take("b", 1)).allowed


@pytest.mark.parametrize("limit", [3, 6, 7, 11, 49, 50])
@pytest.mark.parametrize("storage", ["memory", "redis"])
async def test_all_in_parts(storage: str, limit: int, request: pytest.FixtureRequest) -> None:
    """The whole allowance can be taken unit by unit: rounding errors do not add up to a refusal."""
    client = connect(request.getfixturevalue("redis_url"))
    await client.flushdb()
    settings = RateSettings(limit=limit, window=1000)
    store: RateLimit = MemoryRateLimit(settings, clock=lambda: 1e6 + 0.1)
    if storage == "redis":
        store = RedisRateLimit(client, settings)
    remaining = [(await store.take("a", 1)).remaining for _ in range(limit)]
    assert remaining == list(range(limit - 1, -1, -1))
    assert not (await store.take("a", 1)).allowed
    await client.aclose()


async def test_shared(redis_url: str) -> None:
    """Replicas count in common, also concurrent charges."""
    client = connect(redis_url)
    await client.flushdb()
    replicas = [RedisRateLimit(client, SLOW) for _ in range(3)]
    charged = await asyncio.gather(*(replicas[n % 3].take("a", 1) for n in range(150)))
    assert sum(allowance.allowed for allowance in charged) == 100
    await client.aclose()


async def test_expired(redis_url: str) -> None:
    """Redis drops a caller whose allowance is full again."""
    client = connect(redis_url)
    await client.flushdb()
    store = RedisRateLimit(client, RateSettings(limit=10, window=0.01))
    await store.take("a", 10)
    await asyncio.sleep(0.02)
    assert await client.keys() == []
    await client.aclose()


async def test_one_request_tries_an_unreachable_redis() -> None:
    """When an unreachable Redis is tried again, one of many requests does so; the others are counted in memory."""
    connections = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    now = 0.0
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        client = connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0?{PATIENT}")
        store = RedisRateLimit(client, SLOW, clock=lambda: now)
        assert (await store.take("a", 1)).allowed
        connections_of_one = connections
        now = 5.0
        charged = await asyncio.gather(*(store.take("a", 1) for _ in range(120)))
        assert (connections, sum(allowance.allowed for allowance in charged)) == (2 * connections_of_one, 99)
        await client.aclose()


async def test_redis_returns(tmp_path: Path) -> None:
    """While Redis is unreachable a replica counts alone; it uses Redis again when it returns."""
    server = RedisServer(tmp_path, persistent=False)
    now = 0.0
    client = connect(server.patient_url)
    store = RedisRateLimit(client, SLOW, clock=lambda: now)
    assert (await store.take("a", 100)).allowed
    assert not (await store.take("a", 1)).allowed
    now = 5.0
    assert not (await store.take("a", 1)).allowed
    await asyncio.to_thread(server.start)
    try:
        assert not (await store.take("a", 1)).allowed  # not tried again yet
        now = 10.0
        assert (await store.take("a", 100)).allowed
        assert not (await store.take("a", 1)).allowed
        await client.aclose()
    finally:
        await asyncio.to_thread(server.stop)
