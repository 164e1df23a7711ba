"""The list of replicas in Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from security.outside import wait_until

from gateway.errors import SourceUnavailable
from gateway.state.redis.client import connect
from gateway.state.redis.replicas import RedisReplicas


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty Redis."""
    client = connect(redis_url)
    await client.flushdb()
    yield client
    await client.aclose()


async def listed(replicas: RedisReplicas, expected: set[bytes]) -> None:
    """Wait until exactly these are listed."""

    async def are_listed() -> bool:
        return set(await replicas.descriptions()) == expected

    await wait_until(are_listed)


async def shrinks_to(client: Redis, count: int) -> None:
    """Wait until the set in Redis has at most so many entries."""

    async def is_small() -> bool:
        return await client.zcard("usergateway:replicas") <= count

    await wait_until(is_small)


async def test_each_replica_lists_all(client: Redis) -> None:
    """Each replica lists all that run, and none that has stopped."""
    first, second = RedisReplicas(client, b"first"), RedisReplicas(client, b"second")
    first.start()
    second.start()
    for replicas in (first, second):
        await listed(replicas, {b"first", b"second"})
    await second.aclose()
    await listed(first, {b"first"})
    await first.aclose()
    assert await client.keys() == []


async def test_a_replica_that_was_killed(client: Redis) -> None:
    """A replica that no longer describes itself is listed until its lifetime ends, and then removed."""
    killed, alive = (RedisReplicas(client, name, interval=0.1, lifetime=0.5) for name in (b"killed", b"alive"))
    killed.start()
    alive.start()
    await listed(alive, {b"killed", b"alive"})
    assert killed._task is not None
    killed._task.cancel()
    await listed(alive, {b"alive"})
    await shrinks_to(client, 1)
    await alive.aclose()


async def test_the_list_is_bounded(client: Redis) -> None:
    """Whatever is in the set, a replica removes the oldest entries beyond the limit."""
    await client.zadd("usergateway:replicas", {f"other{number}": 4e9 + number for number in range(500)})
    replicas = RedisReplicas(client, b"this", lifetime=3e9)
    replicas.start()
    await shrinks_to(client, 200)
    await replicas.aclose()


async def test_without_redis(client: Redis) -> None:
    """Where Redis cannot be reached, the list says so, and describing goes on in the background."""
    lost = connect("redis://127.0.0.1:1/0")
    replicas = RedisReplicas(lost, b"this", interval=0.05)
    replicas.start()
    with pytest.raises(SourceUnavailable):
        await replicas.descriptions()
    await asyncio.sleep(0.15)
    assert replicas._task is not None
    assert not replicas._task.done()
    await replicas.aclose()
    await lost.aclose()
