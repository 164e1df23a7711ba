"""The polling lock: one replica has it at a time, by the clock of Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from ports import refusing_port

from gateway.errors import SourceUnavailable
from gateway.kit.polling_lock import DatedPollingLock
from gateway.state.memory.polling_lock import MemoryPollingLock
from gateway.state.redis.client import connect
from gateway.state.redis.polling_lock import RedisPollingLock


@pytest.fixture
async def new_lock(redis_url: str) -> AsyncIterator[Callable[..., RedisPollingLock]]:
    """A function that returns the lock as another replica has it."""
    client = connect(redis_url)
    await client.flushdb()
    yield lambda name="poll", lease=60.0: RedisPollingLock(client, name, lease=lease)
    await client.aclose()


async def test_one_at_a_time(new_lock: Callable[..., RedisPollingLock]) -> None:
    """The holder keeps the lock by acquiring it again; no other replica gets it until it is released."""
    first, second = new_lock(), new_lock()
    assert await first.acquire() == (1, None)
    assert await second.acquire() is None
    assert await first.acquire() == (1, None)
    await first.release(1)
    assert await second.acquire() == (2, None)
    assert await first.acquire() is None


async def test_locks_of_two_names(new_lock: Callable[..., RedisPollingLock]) -> None:
    """Locks with different names do not affect each other."""
    assert await new_lock("a").acquire() == (1, None)
    assert await new_lock("b").acquire() == (1, None)


async def test_saved_position(new_lock: Callable[..., RedisPollingLock]) -> None:
    """The next holder gets the position that the one before saved."""
    first, second = new_lock(), new_lock()
    await first.acquire()
    assert await first.save(1, "position ü")
    assert await first.acquire() == (1, "position ü")
    await first.release(1)
    assert await second.acquire() == (2, "position ü")


async def test_a_lease_ends(new_lock: Callable[..., RedisPollingLock]) -> None:
    """After a lease has ended another replica gets the lock; the former holder can neither save nor release it."""
    former, holder = new_lock(lease=0.02), new_lock()
    assert await former.acquire() == (1, None)
    await asyncio.sleep(0.03)
    assert await holder.acquire() == (2, None)
    assert await holder.save(2, "new")
    assert not await former.save(1, "old")
    await former.release(1)
    assert await holder.acquire() == (2, "new")
    assert await former.acquire() is None  # the last step: whoever asks for a short lease shortens a longer one


async def test_renewing(new_lock: Callable[..., RedisPollingLock], redis_url: str) -> None:
    """A lease that is renewed does not end; the former holder of a lease cannot renew it."""
    holder, other = new_lock(), new_lock()
    client = connect(redis_url)
    assert await holder.acquire() == (1, None)
    for _ in range(4):
        await client.hincrby("usergateway:turn:poll", "until", -20_000)  # as if 20 of its 60 seconds had passed
        assert await holder.renew(1)
        assert await other.acquire() is None
    await client.aclose()
    await holder.release(1)
    assert await other.acquire() == (2, None)
    assert not await holder.renew(1)


async def test_a_clock_that_is_set_back(new_lock: Callable[..., RedisPollingLock], redis_url: str) -> None:
    """If the clock of Redis is set back, a lease lasts at most as long as one that begins now."""
    former, other = new_lock(lease=0.1), new_lock(lease=0.1)
    assert await former.acquire() == (1, None)
    client = connect(redis_url)
    seconds, microseconds = await client.time()
    twelve_minutes_later = int(seconds * 1000 + microseconds / 1000 + 720_000)
    await client.hset("usergateway:turn:poll", "until", twelve_minutes_later)  # what the set back clock leaves
    await client.aclose()
    assert await other.acquire() is None
    await asyncio.sleep(0.15)
    assert await other.acquire() == (2, None)


async def test_a_lease_that_ended_unnoticed(new_lock: Callable[..., RedisPollingLock]) -> None:
    """A holder whose lease ended can still save its position while no other replica has acquired the lock."""
    slow = new_lock(lease=0.001)
    await slow.acquire()
    await asyncio.sleep(0.01)
    assert await slow.save(1, "position")
    assert await slow.acquire() == (2, "position")


async def test_the_age_of_a_round(new_lock: Callable[..., RedisPollingLock], redis_url: str) -> None:
    """Every replica learns from the lock when the last successful round began; a former holder does not set it."""
    holder, other = new_lock(), new_lock()
    assert isinstance(other, DatedPollingLock)
    await holder.acquire()
    assert await other.round_age() is None
    assert await holder.save(1, "without a time")
    assert await other.round_age() is None
    assert await holder.save_round(1, "position", 30.0)
    age = await other.round_age()
    assert age is not None
    assert 30.0 <= age < 60.0
    assert not await holder.save_round(7, "position", 0.0)
    assert (await other.round_age() or 0.0) >= age
    assert await holder.acquire() == (1, "position")
    client = connect(redis_url)
    await client.hincrby("usergateway:turn:poll", "begun", 3_600_000)  # as if the clock had been set back by an hour
    await client.aclose()
    assert await other.round_age() is None


async def test_unreachable() -> None:
    """While Redis is unreachable, every method raises SourceUnavailable."""
    with refusing_port() as port:
        client = connect(f"redis://127.0.0.1:{port}/0")
        lock = RedisPollingLock(client, "poll", lease=1.0)
        saving = (lock.save(1, "x"), lock.save_round(1, "x", 0.0), lock.round_age())
        for call in (lock.acquire(), lock.renew(1), *saving, lock.release(1)):
            with pytest.raises(SourceUnavailable):
                await call
        await client.aclose()


async def test_in_memory() -> None:
    """The lock in memory is always granted."""
    lock = MemoryPollingLock()
    assert await lock.acquire() == (1, None)
    assert await lock.save(1, "position")
    assert await lock.renew(1)
    await lock.release(1)
    assert await lock.acquire() == (1, "position")
