"""The event log after Redis has lost a part of it: the loss is noticed, and affected subscriptions are ended."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from events.reading import append, changed, next_ids, queued_ids, settled
from redis.asyncio import Redis
from state.server import RedisServer

from gateway.errors import BadUserInput
from gateway.events.entries import check_of
from gateway.events.log import LogEvent, NoLongerHeld
from gateway.events.memory import MemoryEventLog
from gateway.kit.event_stream import Report
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


@pytest.mark.parametrize("with_more_events", [True, False])
async def test_an_older_copy_with_new_gateways(
    server: RedisServer,
    replica: Any,
    tmp_path: Path,
    with_more_events: bool,  # noqa: FBT001 - a parameter
) -> None:
    """After a restore from an older copy, a gateway that starts anew refuses tokens whose events were lost.

    The log has its old name, and may have given their numbers to other events in the meantime.
    """
    log = replica()
    async with log.subscribe() as subscription:
        await append(log, "a")
        kept = (await anext(subscription)).id
        await asyncio.to_thread(server.stop)
        copy = {path: path.read_bytes() for path in (tmp_path / "appendonlydir").iterdir()}
        await asyncio.to_thread(server.start)
        await append(log, "b")
        lost = (await anext(subscription)).id
    await log.aclose()
    await asyncio.to_thread(server.stop)
    for path, content in copy.items():
        path.write_bytes(content)
    await asyncio.to_thread(server.start)
    other = replica()
    if with_more_events:
        for name in ("c", "d"):
            await append(other, name)
    with pytest.raises(NoLongerHeld):
        async with other.subscribe(after=lost):
            pass
    async with other.subscribe(after=kept) as subscription:
        await append(other, "e")
        expected = ["c", "d", "e"] if with_more_events else ["e"]
        assert await next_ids(subscription, len(expected)) == expected


async def test_a_token_of_an_event_that_is_not_held_here(server: RedisServer, replica: Any) -> None:
    """The check of a token is compared with the entry in Redis where this process does not hold the event."""
    log = replica(max_events=50)
    async with log.subscribe() as subscription:
        for number in range(3):
            await append(log, number)
        tokens = [event.id for event in [await anext(subscription) for _ in range(3)]]
    late = replica(max_events=1)  # it starts to read at the last event
    async with late.subscribe(after=tokens[1]) as subscription:
        assert await next_ids(subscription, 1) == ["2"]
    with pytest.raises(NoLongerHeld):
        async with late.subscribe(after=tokens[1][:-8] + "00000000"):
            pass


@pytest.mark.parametrize("idle", [True, False])
async def test_a_failover_without_an_error(server: RedisServer, replica: Any, *, idle: bool) -> None:
    """Entries that a failover lost are noticed although the connection was never interrupted: numbers appear again."""
    log = replica()
    async with log.subscribe() as subscription:
        for name in ("a", "b"):
            await append(log, name)
        assert await next_ids(subscription, 2) == ["a", "b"]
        client = connect(server.url)
        stream = RedisEventStream(client)
        other: dict[str, Any] = {"content": "", "dated": False, "order": "", "deletion": False}
        [(_, fields)] = await client.xrevrange("usergateway:{events}:entries", count=1)
        async with client.pipeline() as pipeline:  # as if the new primary had not received "b"
            pipeline.hset("usergateway:{events}:log", mapping={"last": 1, "check": ""})
            pipeline.delete("usergateway:{events}:entries")
            await pipeline.execute()
        for name in ["c"] if idle else ["c", "d"]:
            entry = fields[b"entry"].replace(b'"b"', f'"{name}"'.encode())
            await stream.append([Report(entry, check_of(entry), event=name, user=name, report=name, **other)])
        await client.aclose()
        async with asyncio.timeout(20):
            assert isinstance(await subscription.ended(), NoLongerHeld)


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
            report = Report(entry, "", entry.hex(), "u", "c", dated=False, order="", deletion=False, report=entry.hex())
            await RedisEventStream(client).append([report])
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
