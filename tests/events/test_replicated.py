"""The event log while Redis stops and restarts: acknowledged events are neither lost nor repeated."""

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import Any

import pytest
from events.reading import append, changed, next_ids, queued_ids, settled
from state.server import RedisServer

from gateway.errors import SourceUnavailable
from gateway.events.log import Draining, LogEvent
from gateway.state.redis.client import connect


async def test_replicas(replica: Any) -> None:
    """The subscriptions of all replicas get every event once, in the same order, whichever replica published it."""
    logs = [replica() for _ in range(3)]
    async with AsyncExitStack() as stack:
        subscriptions = [await stack.enter_async_context(log.subscribe()) for log in logs]
        for number in range(60):
            logs[number % 3].publish(*changed(number))
        received = [await next_ids(subscription, 60) for subscription in subscriptions]
        assert [await queued_ids(subscription) for subscription in subscriptions] == [[], [], []]
    assert received[0] == received[1] == received[2]
    assert sorted(map(int, received[0])) == list(range(60))
    for number in range(3):
        assert [int(name) for name in received[0] if int(name) % 3 == number] == list(range(number, 60, 3))


async def test_resuming_at_another_replica(replica: Any) -> None:
    """A token is accepted by every replica, also by one that started later or has not read as far yet."""
    first = replica()
    async with first.subscribe() as subscription:
        first.publish(*changed("a"))
        token = (await anext(subscription)).id
    first.publish(*changed("b"))
    await settled(first)
    second = replica()
    async with second.subscribe(after=token) as resumed:
        assert await next_ids(resumed, 1) == ["b"]
        for number in range(20):
            await first.append(*changed(number))
            async with first.subscribe() as newest, second.subscribe(after=newest.start):
                pass


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restart(server: RedisServer, replica: Any, stop_signal: signal.Signals) -> None:
    """When Redis restarts, subscriptions continue with the events of the meantime, each once and in order."""
    first, second = replica(), replica()
    async with first.subscribe() as one, second.subscribe() as other:
        first.publish(*changed("before"))
        assert await next_ids(one, 1) == await next_ids(other, 1) == ["before"]
        await asyncio.to_thread(server.stop, stop_signal)
        for number in range(5):
            first.publish(*changed(number))
        with pytest.raises(SourceUnavailable):
            await second.append(*changed("refused"))
        appending = asyncio.create_task(append(second, "appended"))
        await asyncio.to_thread(server.start)
        await appending
        second.publish(*changed("end"))
        received = await next_ids(one, 7)
        assert received == await next_ids(other, 7)
        assert sorted(received) == ["0", "1", "2", "3", "4", "appended", "end"]
        assert [name for name in received if name.isdigit()] == ["0", "1", "2", "3", "4"]
        token = one.start
    async with second.subscribe(after=token) as resumed:
        assert await next_ids(resumed, 8) == ["before", *received]


async def test_killed_repeatedly(server: RedisServer, replica: Any) -> None:
    """Every event that was acknowledged while Redis is killed repeatedly reaches all replicas once."""
    first, second = replica(queue_size=1000), replica(queue_size=1000)
    async with first.subscribe() as one, second.subscribe() as other:

        async def append_all() -> None:
            for number in range(300):
                await append(first if number % 2 else second, number)

        appending = asyncio.create_task(append_all())
        for _ in range(3):
            await asyncio.sleep(0.03)
            await asyncio.to_thread(server.stop, signal.SIGKILL)
            await asyncio.to_thread(server.start)
        await appending
        received = await next_ids(one, 300)
        assert received == await next_ids(other, 300) == [str(number) for number in range(300)]
        assert await queued_ids(one) == await queued_ids(other) == []


@pytest.mark.parametrize("patient", [False])  # Redis is away
async def test_a_pause(server: RedisServer, replica: Any) -> None:
    """While Redis hangs, no caller waits for long, and no event is lost."""
    log = replica()
    async with log.subscribe() as subscription:
        log.publish(*changed("a"))
        assert await next_ids(subscription, 1) == ["a"]
        server.pause()
        try:
            log.publish(*changed("b"))
            with pytest.raises(SourceUnavailable):
                await log.append(*changed("c"), name="c")
        finally:
            server.resume()
        await append(log, "c")
        assert sorted(await next_ids(subscription, 2)) == ["b", "c"]
        assert await queued_ids(subscription) == []


@pytest.mark.parametrize("patient", [False])  # Redis is away
async def test_redis_is_unreachable_at_the_start(server: RedisServer, replica: Any) -> None:
    """A process can start before its Redis: until then no subscription starts, and published events wait."""
    await asyncio.to_thread(server.stop)
    log = replica()
    log.publish(*changed("a"))
    with pytest.raises(SourceUnavailable):
        async with log.subscribe():
            pass
    await asyncio.to_thread(server.start)
    await settled(log)
    async with log.subscribe() as subscription:
        log.publish(*changed("b"))
        assert await next_ids(subscription, 1) == ["b"]


@pytest.mark.parametrize("patient", [False])  # Redis is away
async def test_publishing_and_waiting(server: RedisServer, replica: Any) -> None:
    """Whoever waits for published events finds them in Redis; if Redis hangs, nobody waits for long."""
    log = replica()
    client = connect(server.url)
    async with log.subscribe() as subscription:
        await asyncio.gather(*(log.publish_and_wait(*changed(number)) for number in range(20)))
        assert await client.xlen("usergateway:{events}:entries") == 20
        assert await next_ids(subscription, 20) == [str(number) for number in range(20)]
        await client.aclose()
        server.pause()
        try:
            async with asyncio.timeout(20):  # a second, for both at the same time
                await asyncio.gather(*(log.publish_and_wait(*changed(name)) for name in ("a", "b")))
        finally:
            server.resume()
        assert await next_ids(subscription, 2) == ["a", "b"]


async def test_closing_while_redis_is_unreachable(
    server: RedisServer, replica: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A process whose Redis is unreachable stops; its subscriptions end, and the events that are lost are reported."""
    log_events: list[Any] = []
    log = replica(observe=lambda *event: log_events.append(event), close_timeout=0.3)
    async with log.subscribe() as subscription:
        await asyncio.to_thread(server.stop)
        with pytest.raises(SourceUnavailable):
            await log.require_writable()
        for name in ("a", "b"):
            log.publish(*changed(name))
        await log.aclose()
        with pytest.raises(Draining):
            await anext(subscription)
    log.publish(*changed("late"))
    assert log_events.count((LogEvent.LOST, "account")) == 3
    lost = [record.getMessage() for record in caplog.records if record.name == "gateway.events"]
    assert lost == [
        "events were lost: Redis did not accept them until this process stopped: 2 of users of account",
        "an event of a user of account was lost: it could not be written to the event log",
    ]


async def test_closing_until_redis_is_back(server: RedisServer, replica: Any) -> None:
    """A process that stops while Redis is unreachable writes its events if Redis returns in time."""
    log, other = replica(close_timeout=60.0), replica()
    async with other.subscribe() as subscription:
        log.publish(*changed("a"))
        assert await next_ids(subscription, 1) == ["a"]
        await asyncio.to_thread(server.stop)
        log.publish(*changed("b"))
        closing = asyncio.create_task(log.aclose())
        await asyncio.sleep(0.2)
        await asyncio.to_thread(server.start)
        await closing
        assert await next_ids(subscription, 1) == ["b"]


async def test_closing_writes_the_outbox(replica: Any) -> None:
    """Events that were published just before closing still reach the other replicas."""
    log, other = replica(), replica()
    async with other.subscribe() as subscription:
        for number in range(20):
            log.publish(*changed(number))
        await log.aclose()
        assert await next_ids(subscription, 20) == [str(number) for number in range(20)]
