"""Whose turn it is: one replica's at a time, by the clock of Redis."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.errors import SourceUnavailable
from gateway.state.memory.polling_lock import MemoryPollingLock
from gateway.state.redis.client import connect
from gateway.state.redis.polling_lock import RedisPollingLock


@pytest.fixture
async def turn(redis_url: str) -> AsyncIterator[Callable[..., RedisPollingLock]]:
    """Makes replicas' views of one turn."""
    client = connect(redis_url)
    await client.flushdb()
    yield lambda name="poll", lease=60.0: RedisPollingLock(client, name, lease=lease)
    await client.aclose()


async def test_one_at_a_time(turn: Callable[..., RedisPollingLock]) -> None:
    """Who has the turn keeps it by taking it again; nobody else gets it until it is given up."""
    one, other = turn(), turn()
    assert await one.take() == (1, None)
    assert await other.take() is None
    assert await one.take() == (1, None)
    await one.give_up(1)
    assert await other.take() == (2, None)
    assert await one.take() is None


async def test_turns_by_their_names(turn: Callable[..., RedisPollingLock]) -> None:
    """Turns of different names have nothing to do with each other."""
    assert await turn("a").take() == (1, None)
    assert await turn("b").take() == (1, None)


async def test_what_was_noted(turn: Callable[..., RedisPollingLock]) -> None:
    """The next one finds what the one before noted."""
    one, other = turn(), turn()
    await one.take()
    assert await one.note(1, "as far as ü")
    assert await one.take() == (1, "as far as ü")
    await one.give_up(1)
    assert await other.take() == (2, "as far as ü")


async def test_a_lease_ends(turn: Callable[..., RedisPollingLock]) -> None:
    """Of one that is gone the turn passes on; what it notes after that is refused, and it cannot give up another's."""
    gone, next_one = turn(lease=0.02), turn()
    assert await gone.take() == (1, None)
    await asyncio.sleep(0.03)
    assert await next_one.take() == (2, None)
    assert await next_one.note(2, "new")
    assert not await gone.note(1, "old")
    await gone.give_up(1)
    assert await gone.take() is None
    assert await next_one.take() == (2, "new")


async def test_late_but_nobody_came(turn: Callable[..., RedisPollingLock]) -> None:
    """A lease that ended does no harm as long as nobody else has had the turn."""
    slow = turn(lease=0.001)
    await slow.take()
    await asyncio.sleep(0.01)
    assert await slow.note(1, "far")
    assert await slow.take() == (2, "far")


async def test_redis_is_away() -> None:
    """Without Redis nobody has the turn, and that is told."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = connect(f"redis://127.0.0.1:{closed.getsockname()[1]}/0")
        turn = RedisPollingLock(client, "poll", lease=1.0)
        for step in (turn.take(), turn.note(1, "x"), turn.give_up(1)):
            with pytest.raises(SourceUnavailable):
                await step
        await client.aclose()


async def test_in_memory() -> None:
    """In one process it is always its turn."""
    turn = MemoryPollingLock()
    assert await turn.take() == (1, None)
    assert await turn.note(1, "far")
    await turn.give_up(1)
    assert await turn.take() == (1, "far")
