"""Polling a system: what is asked, what becomes of the answers, and who of several replicas does it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from events.reading import settled, waiting
from redis.asyncio import Redis

from gateway.errors import SourceUnavailable
from gateway.events.memory import MemoryEventLog
from gateway.events.polling import Poll, Poller
from gateway.state.memory.polling_lock import MemoryPollingLock
from gateway.state.redis.client import connect
from gateway.state.redis.polling_lock import RedisPollingLock
from gateway.users.model import Timestamp, User, UserChange, UserSource
from gateway.users.source import PolledSource, SourceChanges

MARKET = UserSource.SOFTWAREONE


class System:
    """A system that gives its answers in their order, then no news; a position is how many it gave."""

    name = MARKET

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str | None] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.was_asked = asyncio.Event()

    async def changes_since(self, position: str | None) -> SourceChanges:
        self.asked.append(position)
        self.was_asked.set()
        await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        changes = tuple((UserChange.UPDATED, User(MARKET, name, updated_at=Timestamp(name))) for name in answer)
        return SourceChanges(changes, str(len(self.asked)))


class Clock:
    """A sleep that ends when it is told to; it knows what was asked of it."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._steps = asyncio.Semaphore(0)
        self._asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._asleep.set()
        await self._steps.acquire()

    async def round(self) -> None:
        """One round more, to its end."""
        await self.asleep()
        self._asleep.clear()
        self._steps.release()
        await self.asleep()

    async def asleep(self) -> None:
        """Wait until a round has ended."""
        async with asyncio.timeout(10):
            await self._asleep.wait()


@pytest.fixture
async def poll() -> AsyncIterator[Callable[..., tuple[Poller, Clock, list[Any]]]]:
    """Starts pollers; each with its clock and what it told."""
    async with AsyncExitStack() as stack:

        def poll(system: Any, log: Any, turn: Any = None, interval: float = 10.0) -> tuple[Poller, Clock, list[Any]]:
            clock, told = Clock(), []
            turn = MemoryPollingLock() if turn is None else turn
            poller = Poller(
                system, log, turn, interval=interval, observe=lambda *one: told.append(one), sleep=clock.sleep
            )
            poller.start()
            stack.push_async_callback(poller.close)
            return poller, clock, told

        yield poll


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty Redis."""
    client = connect(redis_url)
    await client.flushdb()
    yield client
    await client.aclose()


async def test_rounds(logs: Any, poll: Any) -> None:
    """Each round asks from where the last one came to, and puts what is new into the log."""
    log = await logs.new()
    system = System([], ["a", "b"], ["b", "c"])
    assert isinstance(system, PolledSource)
    async with log.subscribe() as subscription:
        _, clock, told = poll(system, log)
        for _ in range(3):
            await clock.round()
        await settled(log)
        assert await waiting(subscription) == ["a", "b", "c"]
    assert system.asked == [None, "1", "2", "3"]
    assert told == [(MARKET, one) for one in (Poll.NOTHING, Poll.NEWS, Poll.NEWS, Poll.NOTHING)]
    assert clock.slept == [10.0] * 4


async def test_an_echo(logs: Any, poll: Any) -> None:
    """A change of ours that the system then tells of is one event."""
    log = await logs.new()
    async with log.subscribe() as subscription:
        log.publish(UserChange.UPDATED, User(MARKET, "a", updated_at=Timestamp("a")))
        await settled(log)
        _, clock, told = poll(System(["a"]), log)
        await clock.asleep()
        await settled(log)
        assert await waiting(subscription) == ["a"]
    assert told == [(MARKET, Poll.NOTHING)]


@pytest.mark.parametrize("failure", [SourceUnavailable("away"), RuntimeError("a defect")])
async def test_a_system_that_fails(poll: Any, failure: Exception) -> None:
    """It is asked again from the same position, later each time, and as ever once it answers."""
    log = MemoryEventLog()
    system = System([], failure, failure, ["a"])
    _, clock, told = poll(system, log)
    for _ in range(4):
        await clock.round()
    assert system.asked == [None, "1", "1", "1", "4"]
    assert clock.slept == [10.0, 20.0, 40.0, 10.0, 10.0]
    assert [one for _, one in told] == [Poll.NOTHING, Poll.FAILED, Poll.FAILED, Poll.NEWS, Poll.NOTHING]
    assert len(log) == 1


async def test_a_system_that_fails_for_days(poll: Any) -> None:
    """After thousands of failures it is still asked, every five minutes, and as ever once it answers."""
    system = System(*[SourceUnavailable("away")] * 2000)
    _, clock, told = poll(system, MemoryEventLog())
    for _ in range(2000):
        await clock.round()
    assert (len(system.asked), set(clock.slept[5:2000])) == (2001, {300.0})
    assert (clock.slept[-1], told[-1]) == (10.0, (MARKET, Poll.NOTHING))


async def test_its_own_wish(poll: Any) -> None:
    """A system that says when to come back is not asked before."""
    _, clock, _ = poll(System(SourceUnavailable("away", retry_after=77.0)), MemoryEventLog())
    await clock.asleep()
    assert clock.slept == [77.0]


async def test_the_log_takes_nothing(poll: Any) -> None:
    """What the log did not take is asked for again: the position stays where it was."""
    log = MemoryEventLog()
    system = System([], ["a"])
    _, clock, told = poll(system, log)
    await clock.asleep()
    await log.close()
    await clock.round()
    await clock.round()
    assert system.asked == [None, "1", "1"]
    assert told[1] == (MARKET, Poll.FAILED)


async def test_one_of_the_replicas(redis: Redis, poll: Any) -> None:
    """One replica polls; when it ends, another goes on where it was."""
    log, systems = MemoryEventLog(), [System([], ["a"]), System(["b"])]
    one, clock, first = poll(systems[0], log, RedisPollingLock(redis, "market", lease=60.0))
    await clock.asleep()
    _, other_clock, second = poll(systems[1], log, RedisPollingLock(redis, "market", lease=60.0))
    await other_clock.asleep()
    await clock.round()
    assert (systems[0].asked, systems[1].asked) == ([None, "1"], [])
    await one.close()
    await other_clock.round()
    assert systems[1].asked == ["2"]
    assert [told for _, told in first] == [Poll.NOTHING, Poll.NEWS]
    assert [told for _, told in second] == [Poll.STANDBY, Poll.NEWS]
    assert len(log) == 2


async def test_overtaken(redis: Redis, poll: Any) -> None:
    """A replica that was away for longer than its lease spoils nothing: the next one's position stays."""
    log, slow, quick = MemoryEventLog(), System(["a"]), System(["a", "b"])
    slow.gate.clear()
    _, clock, told = poll(slow, log, RedisPollingLock(redis, "market", lease=0.001))
    await slow.was_asked.wait()
    await asyncio.sleep(0.01)
    _, other_clock, _ = poll(quick, log, RedisPollingLock(redis, "market", lease=60.0))
    await other_clock.asleep()
    slow.gate.set()
    await clock.asleep()
    assert told == [(MARKET, Poll.OVERTAKEN)]
    await other_clock.round()
    assert quick.asked == [None, "1"]
    assert len(log) == 2


async def test_closing_in_the_middle(poll: Any) -> None:
    """Closing ends a round under way."""
    system = System([])
    system.gate.clear()
    before = asyncio.all_tasks()
    poller, _, told = poll(system, MemoryEventLog())
    await system.was_asked.wait()
    await poller.close()
    assert (told, asyncio.all_tasks()) == ([], before)
