"""Catching up with what other replicas have written: the round trips, outages, and lost logs."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from events.reading import caught_up, changed, settled
from sources.http.steps.virtual import clock, on_virtual_time
from state.server import RedisServer

from gateway.errors import SourceUnavailable
from gateway.events.log import EventLogSettings
from gateway.events.replicated import ReplicatedEventLog
from gateway.kit.event_stream import Report
from gateway.operation import operation, seconds_left
from gateway.state.redis.client import connect


class HeldStream:
    """A stream in memory whose calls the test answers one by one; it counts the reads of its end."""

    def __init__(self) -> None:
        self.log, self.entries, self.reads = "one", [b"UNKNOWN account\n"] * 3, 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.fails = False

    async def bounds(self) -> tuple[str, int, int, str]:
        self.reads += 1
        if self.fails:
            raise SourceUnavailable("away")
        await self.may_answer.wait()
        return self.log, 0, len(self.entries), ""

    async def append(self, reports: Sequence[Report]) -> Sequence[int]:
        raise NotImplementedError

    async def read(self, after: int) -> Sequence[tuple[str, int, bytes, str]]:
        await asyncio.sleep(0.001)
        return [(self.log, number, entry, "") for number, entry in enumerate(self.entries, 1) if number > after]

    async def get(self, number: int) -> bytes | None:
        return self.entries[number - 1] if number <= len(self.entries) else None

    async def rename(self, log: str) -> None:
        raise NotImplementedError


async def started(stream: Any) -> ReplicatedEventLog:
    """Return a log of a stream, which has read it."""
    log = ReplicatedEventLog(stream, EventLogSettings(close_timeout=0.01))
    log.start()
    async with log.subscribe():
        return log


@on_virtual_time
async def test_one_round_trip_for_all_who_wait() -> None:
    """All who wait while the end of the log is being read share the next read of it: theirs begins after they came."""
    stream = HeldStream()
    log = await started(stream)
    stream.read = lambda _: asyncio.sleep(10)  # type: ignore[method-assign,assignment,return-value]  # nor any of its own
    await asyncio.sleep(0.01)
    before = stream.reads
    stream.may_answer.clear()
    first = asyncio.create_task(log.catch_up())
    for _ in range(3):
        await asyncio.sleep(0)
    assert stream.reads == before + 1
    others = [asyncio.create_task(log.catch_up()) for _ in range(50)]
    await asyncio.sleep(0)
    stream.may_answer.set()
    assert await first
    assert all(await asyncio.gather(*others))
    assert stream.reads - before == 2
    await log.aclose()


@on_virtual_time
async def test_another_log_under_the_same_number() -> None:
    """A log that was lost and begins anew is not the one that was read, whatever the number of its last entry is."""
    stream = HeldStream()
    log = await started(stream)
    assert await log.catch_up()
    drops: list[Any] = []
    log.on_change(drops.append)
    stream.log = "two"
    assert drops or not await log.catch_up()
    await caught_up(log)
    assert drops
    await log.aclose()


@on_virtual_time
async def test_lost_entries() -> None:
    """Where the log ends before what was read here, a failover has lost entries: nobody has caught up."""
    stream = HeldStream()
    log = await started(stream)
    del stream.entries[1:]
    assert not await log.catch_up()
    await log.aclose()


@on_virtual_time
async def test_a_cancelled_caller() -> None:
    """A caller that leaves does not disturb those who wait for the same read, nor does the end of the log."""
    stream = HeldStream()
    log = await started(stream)
    stream.may_answer.clear()
    waiting = [asyncio.create_task(log.catch_up()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    stream.may_answer.set()
    assert await asyncio.gather(*waiting[1:]) == [True, True]
    stream.may_answer.clear()
    last = asyncio.create_task(log.catch_up())
    await asyncio.sleep(0)
    await log.aclose()
    assert not await last


async def test_other_replicas(replica: Callable[..., ReplicatedEventLog]) -> None:
    """Whoever has caught up has every event that another replica had written before."""
    writer, reader = replica(), replica()
    await settled(writer)
    async with reader.subscribe():
        received: list[Any] = []
        reader.on_change(received.append)
        for number in range(30):
            await writer.append(*changed(number))
            assert await reader.catch_up()
            assert received[-1].user.source_id == str(number)


@on_virtual_time
async def test_events_from_an_outage() -> None:
    """After an outage nobody catches up before the other replicas had the time to write what they could not."""
    stream = HeldStream()
    log = await started(stream)
    read, outage, over = stream.read, asyncio.Event(), asyncio.Event()

    async def read_after_outage(after: int) -> Sequence[tuple[str, int, bytes, str]]:
        if not outage.is_set():
            outage.set()
            raise SourceUnavailable("away")
        over.set()
        return await read(after)

    stream.read = read_after_outage  # type: ignore[method-assign]  # for an outage at this moment
    await over.wait()
    assert not await log.catch_up()
    await caught_up(log)
    await log.aclose()


@pytest.mark.parametrize("patient", [False])  # Redis is away
async def test_redis_is_away(server: RedisServer, replica: Callable[..., ReplicatedEventLog]) -> None:
    """While Redis is away nobody catches up, and but the first callers do not wait; afterwards it works again."""
    log = replica()
    async with log.subscribe():
        assert await log.catch_up()
        server.pause()
        try:
            assert not any(await asyncio.gather(*(log.catch_up() for _ in range(10))))
            async with asyncio.timeout(60):  # with a wait of a second for each, it would be a quarter of an hour
                assert not any([await log.catch_up() for _ in range(1000)])
        finally:
            server.resume()
        await caught_up(log)
        await asyncio.to_thread(server.stop)
        assert not await log.catch_up()
        await asyncio.to_thread(server.start)
        await caught_up(log)


async def test_a_flushed_redis(server: RedisServer, replica: Callable[..., ReplicatedEventLog]) -> None:
    """After Redis has lost the log, nobody catches up before what was kept has been dropped."""
    log = replica(close_timeout=0.1)
    await log.append(*changed("a"))
    drops: list[Any] = []
    async with log.subscribe():
        assert await log.catch_up()
        log.on_change(drops.append)
        client = connect(server.url)
        await client.flushall()
        await client.aclose()
        await caught_up(log)
    assert drops


@on_virtual_time
async def test_a_reader_that_stands_still() -> None:
    """Where entries are known and do not arrive, the next callers do not wait for them too."""
    stream = HeldStream()
    log = await started(stream)
    stream.read = lambda _: asyncio.sleep(60)  # type: ignore[method-assign,assignment,return-value]  # it stands still
    await asyncio.sleep(0.01)
    stream.entries.append(b"UNKNOWN account\n")
    with operation(timeout=0.1, clock=clock):
        assert not await log.catch_up()
        assert seconds_left()  # some of the time is left for a call to the source
    with operation(timeout=0.6, clock=clock):
        assert not await log.catch_up()
    before = stream.reads
    assert not any([await log.catch_up() for _ in range(10)])
    assert stream.reads == before
    await log.aclose()
