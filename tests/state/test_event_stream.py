"""The event stream in Redis alone; the event log over it is tested in tests/events."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from ports import refusing_port
from redis.asyncio import Redis

from gateway.errors import SourceUnavailable
from gateway.kit.event_stream import Report
from gateway.state.redis.client import connect
from gateway.state.redis.event_stream import RedisEventStream


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty Redis."""
    client = connect(redis_url)
    await client.flushdb()
    yield client
    await client.aclose()


def report(entry: bytes, name: str, **fields: Any) -> Report:
    """Return a report of a source about the user of that name; its check and its event have the same name."""
    fields = {"event": name, "user": name, "content": "c", "dated": True, "order": "1", "deletion": False} | fields
    return Report(entry, name, **fields)


async def append(stream: RedisEventStream, entry: bytes, name: str, **fields: Any) -> int:
    """Append one report and return its number."""
    [number] = await stream.append([report(entry, name, **fields)])
    return number


async def test_numbers(client: Redis) -> None:
    """Entries get numbers without gaps, also from concurrent writers, and are read in that order, each once."""
    stream, replica = RedisEventStream(client), RedisEventStream(client)
    log, first, last, _ = await stream.bounds()
    assert (first, last) == (0, 0)
    numbers = await asyncio.gather(*(append((stream, replica)[n % 2], str(n).encode(), str(n)) for n in range(100)))
    assert sorted(numbers) == list(range(1, 101))
    read = list(await replica.read(0))
    assert [(name, number) for name, number, _, _ in read] == [(log, number) for number in range(1, 101)]
    assert {int(entry): number for _, number, entry, _ in read} == dict(enumerate(numbers))
    # The name of each event is its check here.
    assert [check for *_, check in read] == ["", *(entry.decode() for _, _, entry, _ in read[:-1])]
    assert (await stream.bounds(), await stream.read(100)) == ((log, 0, 100, read[-1][2].decode()), [])
    assert (await stream.get(7), await stream.get(101)) == (read[6][2], None)


async def test_trimming(client: Redis) -> None:
    """The oldest entries are dropped; Redis trims whole nodes, so that some more than the maximum are held."""
    stream = RedisEventStream(client, max_entries=100)
    for number in range(1000):
        await append(stream, b"x", str(number))
    held = await client.xlen("usergateway:{events}:entries")
    assert 100 <= held <= 300
    assert (await stream.read(0))[0][1] == 1000 - held + 1


async def test_deduplication_keys_expire(client: Redis) -> None:
    """Redis drops the deduplication keys after the window."""
    stream = RedisEventStream(client, window=60.0)
    assert await append(stream, b"x", "a") == 1
    assert await append(stream, b"x", "a") == 0
    for key in ("once:a", "user:a", "order:a"):
        assert 0 < await client.pttl("usergateway:{events}:" + key) <= 60_000


async def test_a_lost_reply(client: Redis) -> None:
    """A report of the gateway that is sent again, since its reply was lost, gets the same reply and no second entry."""
    stream = RedisEventStream(client)
    for id_, number in (("r1", 1), ("r1", 1), ("r2", 2), ("r1", 1)):
        assert await append(stream, b"x", "a", report=id_) == number
    assert [await append(stream, b"x", "b", user="a", order="0", report="r3") for _ in range(2)] == [-1, -1]
    assert await client.xlen("usergateway:{events}:entries") == 2
    assert 0 < await client.pttl("usergateway:{events}:report:r1") <= 3_600_000


async def test_several_at_once(client: Redis) -> None:
    """Several reports are appended in their order; each gets a number, also if some are repeated or superseded."""
    stream = RedisEventStream(client)
    orders = {"a": "2", "b": "1", "old": "1"}
    reports = [report(b"x", name, user="b" if name == "b" else "a", order=order) for name, order in orders.items()]
    assert await stream.append([*reports, reports[0]]) == [1, 2, -1, 0]
    assert [(number, check) for _, number, _, check in await stream.read(0)] == [(1, ""), (2, "a")]


async def test_renaming(client: Redis) -> None:
    """A log is renamed once, by the first replica that finds a loss, and continues with the next number."""
    stream = RedisEventStream(client)
    await append(stream, b"x", "a")
    log, *_ = await stream.bounds()
    await stream.rename(log)
    renamed, first, last, check = await stream.bounds()
    assert (renamed != log, first, last) == (True, 1, 1)
    await stream.rename(log)
    assert await stream.bounds() == (renamed, 1, 1, check)


@pytest.mark.parametrize("lost", ["log", "entries"])
async def test_one_key_is_lost(client: Redis, lost: str) -> None:
    """Where Redis evicted one of the two keys, appending continues; without the name it is another log."""
    stream = RedisEventStream(client)
    for name in ("a", "b"):
        await append(stream, b"x", name)
    log, *_ = await stream.bounds()
    await client.delete(f"usergateway:{{events}}:{lost}")
    number = await append(stream, b"y", "c")
    assert number == (1 if lost == "log" else 3)
    assert ((await stream.bounds())[0] == log) is (lost == "entries")
    assert [(number, entry) for _, number, entry, _ in await stream.read(number - 1)] == [(number, b"y")]


async def test_unreachable() -> None:
    """While Redis is unreachable, every method raises SourceUnavailable."""
    with refusing_port() as port:
        client = connect(f"redis://127.0.0.1:{port}/0")
        stream = RedisEventStream(client)
        for call in (stream.bounds(), append(stream, b"x", "a"), stream.read(0), stream.get(1)):
            with pytest.raises(SourceUnavailable):
                await call
        await client.aclose()
