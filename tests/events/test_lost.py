"""The event log after Redis has lost a part of it: the loss is noticed, and affected subscriptions are ended."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from events.reading import append, changed, next_ids, queued_ids, settled
from redis.asyncio import Redis
from state.server import RedisServer

from gateway.errors import BadUserInput
from gateway.events.log import LogEvent, NoLongerHeld
from gateway.events.memory import MemoryEventLog
from gateway.state.redis.client import connect
from gateway.state.redis.event_stream import RedisEventStream


async def test_all_data_is_lost(server: RedisServer, replica: Any) -> None:
    """When Redis comes back empty, subscriptions end, old tokens are no longer held, and new ones work."""
    log_events: list[Any] = []
    log = replica(observe=lambda *event: log_events.append(event))
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
    assert (LogEvent.GAP, "") in log_events
    async with log.subscribe() as subscription:
        log.publish(*changed("c"))
        assert await next_ids(subscription, 1) == ["c"]


async def test_an_older_copy(server: RedisServer, replica: Any, tmp_path: Path) -> None:
    """A Redis that was restored from an older copy is noticed, although its log has the same name and continues."""
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
        while "g" not in await next_ids(subscription, 1):
            pass


async def test_trimmed_before_it_was_read(server: RedisServer, replica: Any) -> None:
    """Where the stream was trimmed before a replica read it, the subscriptions of the replica end."""
    log = replica(max_events=3)
    async with log.subscribe() as subscription:
        client = Redis.from_url(server.url)
        async with client, client.pipeline() as pipeline:
            await append(log, "a")
            assert await next_ids(subscription, 1) == ["a"]
            pipeline.hincrby("usergateway:{events}:log", "last", 5)
            await pipeline.execute()
        await append(log, "g")
        async with asyncio.timeout(20):
            assert isinstance(await subscription.ended(), NoLongerHeld)


async def test_evicted_entries(server: RedisServer, replica: Any) -> None:
    """Where Redis evicted the entries but not the last number, subscriptions end and new ones work."""
    log = replica()
    async with log.subscribe() as subscription:
        await append(log, "a")
        assert await next_ids(subscription, 1) == ["a"]
        async with Redis.from_url(server.url) as client, client.pipeline() as pipeline:
            pipeline.hincrby("usergateway:{events}:log", "last", 1).delete("usergateway:{events}:entries")
            await pipeline.execute()
        async with asyncio.timeout(20):
            assert isinstance(await subscription.ended(), NoLongerHeld)
    other = replica()
    with pytest.raises(NoLongerHeld):
        async with other.subscribe(after=subscription.start):
            pass
    async with log.subscribe() as first, other.subscribe() as second:
        await append(other, "b")
        assert await next_ids(first, 1) == await next_ids(second, 1) == ["b"]


async def test_an_entry_of_another_version(server: RedisServer, replica: Any) -> None:
    """An entry that this version cannot read is skipped; the entries after it are read."""
    log = replica()
    async with log.subscribe() as subscription:
        client = connect(server.url)
        for entry in (b"", b"exploded now\n{}", b"updated now\n[]"):
            keys = {"event": entry.hex(), "user": "u", "content": "c", "dated": False}
            await RedisEventStream(client).append(entry, **keys, external=False)
        await client.aclose()
        await append(log, "a")
        assert await next_ids(subscription, 1) == ["a"]


async def test_the_token_of_another_log(replica: Any) -> None:
    """A token of a log in memory is no longer held here; one with a number that this log has not reached is invalid."""
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


async def test_a_full_outbox(server: RedisServer, replica: Any) -> None:
    """While Redis is unreachable, the oldest events of a full outbox are lost, and counted."""
    log_events: list[Any] = []
    log = replica(outbox_size=3, observe=lambda *event: log_events.append(event))
    async with log.subscribe() as subscription:
        await asyncio.to_thread(server.stop)
        for number in range(10):
            log.publish(*changed(number))
            await asyncio.sleep(0)
        await asyncio.to_thread(server.start)
        await settled(log)
        received = await queued_ids(subscription)
    assert received[-3:] == ["7", "8", "9"]
    assert log_events.count((LogEvent.LOST, "account")) == 10 - len(received)
