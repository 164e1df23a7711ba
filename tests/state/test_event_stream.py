"""The stream in Redis by itself; what is made of it is tested with the event log."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.errors import SourceUnavailable
from gateway.state.redis.client import connect
from gateway.state.redis.event_stream import RedisEventStream


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty Redis."""
    client = connect(redis_url)
    await client.flushdb()
    yield client
    await client.aclose()


def marks(once: str, **other: Any) -> dict[str, Any]:
    """The marks of an entry."""
    return {"once": once, "user": once, "content": "c", "dated": True, "heard": True} | other


async def test_numbers(client: Redis) -> None:
    """Entries get numbers without gaps, whoever writes them at once, and are read in that order, each once."""
    one, other = RedisEventStream(client), RedisEventStream(client)
    log, since, last = await one.place()
    assert (since, last) == (0, 0)
    numbers = await asyncio.gather(
        *((one, other)[at % 2].append(str(at).encode(), **marks(str(at))) for at in range(100))
    )
    assert sorted(numbers) == list(range(1, 101))
    read = list(await other.read(0))
    assert [(name, number) for name, number, _ in read] == [(log, number) for number in range(1, 101)]
    assert {int(entry): number for _, number, entry in read} == dict(enumerate(numbers))
    assert (await one.place(), await one.read(100)) == ((log, 0, 100), [])
    assert (await one.entry(7), await one.entry(101)) == (read[6][2], None)


async def test_no_more_is_held(client: Redis) -> None:
    """The oldest entries go; Redis cuts whole nodes, so that some more are held than were asked for."""
    stream = RedisEventStream(client, held=100)
    for number in range(1000):
        await stream.append(b"x", **marks(str(number)))
    held = await client.xlen("usergateway:{events}:entries")
    assert 100 <= held <= 300
    assert (await stream.read(0))[0][1] == 1000 - held + 1


async def test_known_for_a_while(client: Redis) -> None:
    """What was told is forgotten by Redis itself."""
    stream = RedisEventStream(client, window=60.0)
    assert await stream.append(b"x", **marks("a")) == 1
    assert await stream.append(b"x", **marks("a")) == 0
    for key in ("once:a", "user:a"):
        assert 0 < await client.pttl("usergateway:{events}:" + key) <= 60_000


async def test_a_new_name(client: Redis) -> None:
    """A log is renamed once, by whoever first found that entries were lost, and begins where it is."""
    stream = RedisEventStream(client)
    await stream.append(b"x", **marks("a"))
    log, _, _ = await stream.place()
    await stream.renew(log)
    renamed, since, last = await stream.place()
    assert (renamed != log, since, last) == (True, 1, 1)
    await stream.renew(log)
    assert await stream.place() == (renamed, 1, 1)


@pytest.mark.parametrize("lost", ["log", "entries"])
async def test_half_is_lost(client: Redis, lost: str) -> None:
    """Where Redis evicted one of its keys the other does no harm: without the name it is another log."""
    stream = RedisEventStream(client)
    for name in ("a", "b"):
        await stream.append(b"x", **marks(name))
    log, _, _ = await stream.place()
    await client.delete(f"usergateway:{{events}}:{lost}")
    number = await stream.append(b"y", **marks("c"))
    assert number == (1 if lost == "log" else 3)
    assert ((await stream.place())[0] == log) is (lost == "entries")
    assert [(number, entry) for _, number, entry in await stream.read(number - 1)] == [(number, b"y")]


async def test_redis_is_away() -> None:
    """Without Redis nothing is appended and nothing read, and that is told."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = connect(f"redis://127.0.0.1:{closed.getsockname()[1]}/0")
        stream = RedisEventStream(client)
        for step in (stream.place(), stream.append(b"x", **marks("a")), stream.read(0), stream.entry(1)):
            with pytest.raises(SourceUnavailable):
                await step
        await client.aclose()
