"""The log in Redis while Redis comes and goes: what was acknowledged is neither lost nor told twice."""

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import Any

import pytest
from events.reading import append, changed, names, settled, waiting
from state.server import RedisServer

from gateway.errors import SourceUnavailable
from gateway.events.log import Draining


async def test_replicas(replica: Any) -> None:
    """Every replica's subscribers get every event once, in one order, whoever published it."""
    logs = [replica() for _ in range(3)]
    async with AsyncExitStack() as stack:
        following = [await stack.enter_async_context(log.subscribe()) for log in logs]
        for number in range(60):
            logs[number % 3].publish(*changed(number))
        told = [await names(one, 60) for one in following]
        assert [await waiting(one) for one in following] == [[], [], []]
    assert told[0] == told[1] == told[2]
    assert sorted(map(int, told[0])) == list(range(60))
    for number in range(3):
        assert [int(name) for name in told[0] if int(name) % 3 == number] == list(range(number, 60, 3))


async def test_resuming_at_another_replica(replica: Any) -> None:
    """A token is good at every replica, also at one that was started later or has not yet read so far."""
    first = replica()
    async with first.subscribe() as subscription:
        first.publish(*changed("a"))
        token = (await anext(subscription)).id
    first.publish(*changed("b"))
    await settled(first)
    second = replica()
    async with second.subscribe(after=token) as resumed:
        assert await names(resumed, 1) == ["b"]
        for number in range(20):
            await first.append(*changed(number))
            async with first.subscribe() as newest, second.subscribe(after=newest.start):
                pass


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restart(server: RedisServer, replica: Any, how: signal.Signals) -> None:
    """Redis ends, and comes back: subscribers go on with what was published and told meanwhile, once and in order."""
    here, there = replica(), replica()
    async with here.subscribe() as one, there.subscribe() as other:
        here.publish(*changed("before"))
        assert await names(one, 1) == await names(other, 1) == ["before"]
        await asyncio.to_thread(server.stop, how)
        for number in range(5):
            here.publish(*changed(number))
        with pytest.raises(SourceUnavailable):
            await there.append(*changed("refused"))
        telling = asyncio.create_task(append(there, "told"))
        await asyncio.to_thread(server.start)
        await telling
        there.publish(*changed("end"))
        told = await names(one, 7)
        assert told == await names(other, 7)
        assert sorted(told) == ["0", "1", "2", "3", "4", "end", "told"]
        assert [name for name in told if name.isdigit()] == ["0", "1", "2", "3", "4"]
        token = one.start
    async with there.subscribe(after=token) as again:
        assert await names(again, 8) == ["before", *told]


async def test_killed_again_and_again(server: RedisServer, replica: Any) -> None:
    """Whatever was acknowledged while Redis is killed over and over reaches all, once."""
    here, there = replica(queue=1000), replica(queue=1000)
    async with here.subscribe() as one, there.subscribe() as other:

        async def tell() -> None:
            for number in range(300):
                await append(here if number % 2 else there, number)

        telling = asyncio.create_task(tell())
        for _ in range(3):
            await asyncio.sleep(0.03)
            await asyncio.to_thread(server.stop, signal.SIGKILL)
            await asyncio.to_thread(server.start)
        await telling
        told = await names(one, 300)
        assert told == await names(other, 300) == [str(number) for number in range(300)]
        assert await waiting(one) == await waiting(other) == []


async def test_a_pause(server: RedisServer, replica: Any) -> None:
    """A Redis that hangs makes nobody wait for long, and loses nothing."""
    log = replica()
    async with log.subscribe() as subscription:
        log.publish(*changed("a"))
        assert await names(subscription, 1) == ["a"]
        server.pause()
        try:
            log.publish(*changed("b"))
            with pytest.raises(SourceUnavailable):
                await log.append(*changed("c"), name="c")
        finally:
            server.resume()
        await append(log, "c")
        assert sorted(await names(subscription, 2)) == ["b", "c"]
        assert await waiting(subscription) == []


async def test_redis_is_not_there_at_the_start(server: RedisServer, replica: Any) -> None:
    """A process can start before its Redis: until then nobody can follow, and what is published waits."""
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
        assert await names(subscription, 1) == ["b"]


async def test_closing_while_redis_is_away(server: RedisServer, replica: Any) -> None:
    """A process whose Redis is gone still ends, and so do its subscribers."""
    log = replica()
    async with log.subscribe() as subscription:
        await asyncio.to_thread(server.stop)
        log.publish(*changed("a"))
        await log.close()
        with pytest.raises(Draining):
            await anext(subscription)


async def test_what_waits_is_written_on_closing(replica: Any) -> None:
    """What was published just before the end still reaches the other replicas."""
    log, other = replica(), replica()
    async with other.subscribe() as subscription:
        for number in range(20):
            log.publish(*changed(number))
        await log.close()
        assert await names(subscription, 20) == [str(number) for number in range(20)]
