"""The log in Redis when Redis lost some of it: that is noticed, and who may have missed something is told."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from events.reading import append, changed, names, settled, waiting
from redis.asyncio import Redis
from state.server import RedisServer

from gateway.errors import BadUserInput
from gateway.events.log import LogEvent, NoLongerHeld
from gateway.events.memory import MemoryEventLog
from gateway.state.redis.client import connect
from gateway.state.redis.event_stream import RedisEventStream


async def test_its_data_is_lost(server: RedisServer, replica: Any) -> None:
    """A Redis that comes back empty is noticed: who follows is told, old tokens are no longer held, new ones work."""
    happenings: list[Any] = []
    log = replica(observe=lambda *one: happenings.append(one))
    async with log.subscribe() as subscription:
        log.publish(*changed("a"))
        token = (await anext(subscription)).id
        async with Redis.from_url(server.url) as client:
            await client.flushall()
        await log.append(*changed("b"))
        async with asyncio.timeout(20):
            assert isinstance(await subscription.ended(), NoLongerHeld)
    with pytest.raises(NoLongerHeld):
        async with log.subscribe(after=token):
            pass
    assert (LogEvent.GAP, "") in happenings
    async with log.subscribe() as subscription:
        log.publish(*changed("c"))
        assert await names(subscription, 1) == ["c"]


async def test_an_older_copy(server: RedisServer, replica: Any, tmp_path: Path) -> None:
    """A Redis that was restored from an older copy is noticed, though its log has the same name and goes on."""
    log = replica()
    await append(log, "a")
    await asyncio.to_thread(server.stop)
    copy = {path: path.read_bytes() for path in (tmp_path / "appendonlydir").iterdir()}
    await asyncio.to_thread(server.start)
    for name in ("b", "c"):
        await append(log, name)
    await settled(log)
    async with log.subscribe() as subscription:
        await asyncio.to_thread(server.stop)
        for path, content in copy.items():
            path.write_bytes(content)
        await asyncio.to_thread(server.start)
        other = replica()
        for name in ("d", "e", "f"):
            await append(other, name)
        async with asyncio.timeout(20):
            assert isinstance(await subscription.ended(), NoLongerHeld)
    with pytest.raises(NoLongerHeld):
        async with log.subscribe(after=subscription.start):
            pass
    async with log.subscribe() as subscription:
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        await append(log, "g")
        while "g" not in await names(subscription, 1):
            pass


async def test_trimmed_before_it_was_read(server: RedisServer, replica: Any) -> None:
    """Where the stream was cut faster than a replica read it, its subscribers hear that something is missing."""
    log = replica(held=3)
    async with log.subscribe() as subscription:
        client = Redis.from_url(server.url)
        async with client, client.pipeline() as cut:
            await append(log, "a")
            assert await names(subscription, 1) == ["a"]
            cut.hincrby("usergateway:{events}:log", "last", 5)
            await cut.execute()
        await append(log, "g")
        async with asyncio.timeout(20):
            assert isinstance(await subscription.ended(), NoLongerHeld)


async def test_its_entries_are_gone(server: RedisServer, replica: Any) -> None:
    """A stream that Redis evicted, but not its place, holds up nobody: who missed something hears of it."""
    log = replica()
    async with log.subscribe() as subscription:
        await append(log, "a")
        assert await names(subscription, 1) == ["a"]
        async with Redis.from_url(server.url) as client, client.pipeline() as lost:
            lost.hincrby("usergateway:{events}:log", "last", 1).delete("usergateway:{events}:entries")
            await lost.execute()
        async with asyncio.timeout(20):
            assert isinstance(await subscription.ended(), NoLongerHeld)
    other = replica()
    with pytest.raises(NoLongerHeld):
        async with other.subscribe(after=subscription.start):
            pass
    async with log.subscribe() as one, other.subscribe() as two:
        await append(other, "b")
        assert await names(one, 1) == await names(two, 1) == ["b"]


async def test_an_entry_of_another_version(server: RedisServer, replica: Any) -> None:
    """An entry that this version cannot read is left out, and nothing after it."""
    log = replica()
    async with log.subscribe() as subscription:
        client = connect(server.url)
        for entry in (b"", b"exploded now\n{}", b"updated now\n[]"):
            marks = {"once": entry.hex(), "user": "u", "content": "c", "dated": False, "heard": False}
            await RedisEventStream(client).append(entry, **marks)
        await client.aclose()
        await append(log, "a")
        assert await names(subscription, 1) == ["a"]


async def test_the_token_of_another_form(replica: Any) -> None:
    """Tokens of a log in memory are no longer held here; what this log has not come to yet is no token."""
    memory = MemoryEventLog()
    async with memory.subscribe() as elsewhere:
        pass
    log = replica()
    with pytest.raises(NoLongerHeld):
        async with log.subscribe(after=elsewhere.start):
            pass
    async with log.subscribe() as subscription:
        pass
    with pytest.raises(BadUserInput):
        async with log.subscribe(after=subscription.start[:-1] + "7"):
            pass


async def test_too_much_waits(server: RedisServer, replica: Any) -> None:
    """While Redis is away no more waits than may; the oldest are lost, and counted."""
    happenings: list[Any] = []
    log = replica(waiting=3, observe=lambda *one: happenings.append(one))
    async with log.subscribe() as subscription:
        await asyncio.to_thread(server.stop)
        for number in range(10):
            log.publish(*changed(number))
            await asyncio.sleep(0)
        await asyncio.to_thread(server.start)
        await settled(log)
        told = await waiting(subscription)
    assert told[-3:] == ["7", "8", "9"]
    assert happenings.count((LogEvent.LOST, "account")) == 10 - len(told)
