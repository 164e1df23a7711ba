"""Polling a source: the requests, the events in the log, the delays, and the lock among replicas."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
from events.reading import queued_ids, settled
from moved_time import MovedTime
from redis.asyncio import Redis

from gateway.errors import SourceUnavailable
from gateway.events.feeds import ChangeFeeds
from gateway.events.memory import MemoryEventLog
from gateway.events.polling import Poller, PollResult
from gateway.kit.clock import RealClock
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.single_flight import SingleFlight
from gateway.sources.softwareone.errors import softwareone_error
from gateway.state.memory.polling_lock import MemoryPollingLock
from gateway.state.redis.client import connect
from gateway.state.redis.polling_lock import RedisPollingLock
from gateway.users.model import Timestamp, User, UserChange, UserSource
from gateway.users.source_changes import PolledSource, SourceChanges

MARKET = UserSource.SOFTWAREONE
UNCHANGED, CHANGED, STANDBY, FAILED, OVERTAKEN = PollResult


class FakeSource:
    """A source with prepared responses, then without changes; a position is the number of requests so far."""

    name = MARKET

    def __init__(self, *responses: Any) -> None:
        self.responses = list(responses)
        self.positions: list[str | None] = []
        self.called = asyncio.Event()
        self.unblocked = asyncio.Event()
        self.unblocked.set()

    async def changes_since(self, position: str | None) -> SourceChanges:
        self.positions.append(position)
        self.called.set()
        await self.unblocked.wait()
        response = self.responses.pop(0) if self.responses else []
        if isinstance(response, Exception):
            raise response
        changes = tuple((UserChange.UPDATED, User(MARKET, name, updated_at=Timestamp(name))) for name in response)
        return SourceChanges(changes, str(len(self.positions)))


class FakeClock(RealClock):
    """A clock whose sleep the test ends; it records the seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._wakeups = asyncio.Semaphore(0)
        self._asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._asleep.set()
        await self._wakeups.acquire()

    async def round(self) -> None:
        """Run one more round of the poller to its end."""
        await self.asleep()
        self._asleep.clear()
        self._wakeups.release()
        await self.asleep()

    async def asleep(self) -> None:
        """Wait until a round has ended."""
        async with asyncio.timeout(30):
            await self._asleep.wait()


class ManualClock(RealClock):
    """A clock that a test sets forward by `offset` seconds."""

    offset = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.offset


async def _never() -> None:
    """Return as a lock does that another replica has."""


def reported(*results: PollResult) -> list[tuple[UserSource, PollResult]]:
    """What the poller reports to its observer for rounds with these results."""
    return [(MARKET, result) for result in results]


@pytest.fixture
async def poll() -> AsyncIterator[Callable[..., tuple[Poller, FakeClock, list[Any]]]]:
    """A function that starts a poller; it returns the poller, its sleep and the results that it reports."""
    async with AsyncExitStack() as stack:

        def poll(
            source: Any, log: Any, lock: Any = None, complete: Any = lambda _: None
        ) -> tuple[Poller, FakeClock, list[Any]]:
            sleep, results = FakeClock(), []
            lock = MemoryPollingLock() if lock is None else lock
            poller = Poller(
                source,
                log,
                lock,
                interval=10.0,
                observe=lambda *result: results.append(result[:2]),
                complete=complete,
                clock=sleep,
            )
            poller.start()
            stack.push_async_callback(poller.aclose)
            return poller, sleep, results

        yield poll


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty Redis."""
    client = connect(redis_url)
    await client.flushdb()
    yield client
    await client.aclose()


async def test_rounds(logs: Any, poll: Any) -> None:
    """Each round continues at the position of the one before, and appends new events to the log."""
    log = await logs.new()
    source = FakeSource([], ["a", "b"], ["b", "c"])
    assert isinstance(source, PolledSource)
    async with log.subscribe() as subscription:
        _, sleep, results = poll(source, log)
        for _ in range(3):
            await sleep.round()
        await settled(log)
        assert await queued_ids(subscription) == ["a", "b", "c"]
    assert source.positions == [None, "1", "2", "3"]
    assert results == reported(UNCHANGED, CHANGED, CHANGED, UNCHANGED)
    assert sleep.seconds == [10.0] * 4


def test_results_are_labels_of_the_metric() -> None:
    """The values of the results are the labels of `gateway_polls_total`."""
    assert list(PollResult) == ["nothing", "news", "standby", "failed", "overtaken"]


async def test_an_echo(logs: Any, poll: Any) -> None:
    """A published change that polling then finds is one event."""
    log = await logs.new()
    async with log.subscribe() as subscription:
        log.publish(UserChange.UPDATED, User(MARKET, "a", updated_at=Timestamp("a")))
        await settled(log)
        _, sleep, results = poll(FakeSource(["a"]), log)
        await sleep.asleep()
        await settled(log)
        assert await queued_ids(subscription) == ["a"]
    assert results == reported(UNCHANGED)


@pytest.mark.parametrize("failure", [SourceUnavailable("unreachable"), RuntimeError("a defect")])
async def test_a_failing_source(poll: Any, failure: Exception) -> None:
    """A failing source is polled again at the same position with growing delays, and as before once it responds."""
    log = MemoryEventLog()
    source = FakeSource([], failure, failure, ["a"])
    _, sleep, results = poll(source, log)
    for _ in range(4):
        await sleep.round()
    assert source.positions == [None, "1", "1", "1", "4"]
    assert sleep.seconds == [10.0, 20.0, 40.0, 10.0, 10.0]
    assert results == reported(UNCHANGED, FAILED, FAILED, CHANGED, UNCHANGED)
    assert len(log) == 1


async def test_a_source_that_fails_for_days(poll: Any) -> None:
    """After thousands of failures a source is polled every five minutes, and at its interval once it responds."""
    source = FakeSource(*[SourceUnavailable("unreachable")] * 2000)
    _, sleep, results = poll(source, MemoryEventLog())
    for _ in range(2000):
        await sleep.round()
    assert (len(source.positions), set(sleep.seconds[5:2000])) == (2001, {300.0})
    assert (sleep.seconds[-1], results[-1]) == (10.0, (MARKET, UNCHANGED))


async def test_retry_after(poll: Any) -> None:
    """A source that fails with a retry delay is not polled before it has passed."""
    _, sleep, _ = poll(FakeSource(SourceUnavailable("unreachable", retry_after=77.0)), MemoryEventLog())
    await sleep.asleep()
    assert sleep.seconds == [77.0]


async def test_a_failing_log(poll: Any) -> None:
    """Changes that could not be appended are requested again: the position is unchanged."""
    log = MemoryEventLog()
    source = FakeSource([], ["a"])
    _, sleep, results = poll(source, log)
    await sleep.asleep()
    await log.aclose()
    await sleep.round()
    await sleep.round()
    assert source.positions == [None, "1", "1"]
    assert results[1] == (MARKET, FAILED)


async def test_one_of_the_replicas(redis: Redis, poll: Any) -> None:
    """One replica polls; when it stops, another continues at the saved position."""
    log, source, other_source = MemoryEventLog(), FakeSource([], ["a"]), FakeSource(["b"])
    poller, sleep, results = poll(source, log, RedisPollingLock(redis, "market", lease=60.0))
    await sleep.asleep()
    _, other_sleep, other_results = poll(other_source, log, RedisPollingLock(redis, "market", lease=60.0))
    await other_sleep.asleep()
    await sleep.round()
    assert (source.positions, other_source.positions) == ([None, "1"], [])
    await poller.aclose()
    await other_sleep.round()
    assert other_source.positions == ["2"]
    assert results == reported(UNCHANGED, CHANGED)
    assert other_results == reported(STANDBY, CHANGED)
    assert len(log) == 2


async def test_overtaken(redis: Redis, poll: Any) -> None:
    """A replica that another one took the lease from during a round does not overwrite the position of that one."""
    log, slow, quick = MemoryEventLog(), FakeSource(["a"]), FakeSource(["a", "b"])
    slow.unblocked.clear()
    _, slow_sleep, results = poll(slow, log, RedisPollingLock(redis, "market", lease=60.0))
    await slow.called.wait()
    await redis.hset("usergateway:turn:market", "until", 0)  # as after a pause of the process
    _, quick_sleep, _ = poll(quick, log, RedisPollingLock(redis, "market", lease=60.0))
    await quick_sleep.asleep()
    slow.unblocked.set()
    await slow_sleep.asleep()
    assert results == reported(OVERTAKEN)
    await quick_sleep.round()
    assert quick.positions == [None, "1"]
    assert len(log) == 2


async def test_a_round_that_takes_longer_than_the_lease(redis: Redis, poll: Any, moved_time: MovedTime) -> None:
    """The lease is renewed while a round lasts, so that no other replica polls at the same time."""
    log, slow, other_source = MemoryEventLog(), FakeSource([], ["a"]), FakeSource()
    slow.unblocked.clear()
    _, sleep, results = poll(slow, log, RedisPollingLock(redis, "market", lease=600))
    await slow.called.wait()
    _, other_sleep, other_results = poll(other_source, log, RedisPollingLock(redis, "market", lease=600))
    await other_sleep.asleep()
    for _ in range(4):
        await redis.hincrby("usergateway:turn:market", "until", -300_000)  # as half of the lease passes for Redis
        shortened = int(await redis.hget("usergateway:turn:market", "until") or 0)
        moved_time.move(300)
        async with asyncio.timeout(30):
            while int(await redis.hget("usergateway:turn:market", "until") or 0) <= shortened:  # noqa: ASYNC110 - Redis sets no event
                await asyncio.sleep(0.01)
        await other_sleep.round()
    slow.unblocked.set()
    await sleep.asleep()
    assert (results, set(other_results), other_source.positions) == (reported(UNCHANGED), set(reported(STANDBY)), [])


async def test_the_feed_of_a_standby_replica(redis: Redis, poll: Any) -> None:
    """A replica that waits for the lock knows that the source is polled, until the one that polls fails."""
    log, clock = MemoryEventLog(), ManualClock()
    feeds = [ChangeFeeds({MARKET: 1000.0}, clock.monotonic) for _ in range(2)]
    source = FakeSource([], SourceUnavailable("unreachable"), [])
    locks = [RedisPollingLock(redis, "market", lease=600.0) for _ in feeds]
    _, sleep, _ = poll(source, log, locks[0], partial(feeds[0].complete, MARKET))
    await sleep.asleep()
    _, other_sleep, results = poll(FakeSource(), log, locks[1], partial(feeds[1].complete, MARKET))
    await other_sleep.asleep()
    assert [feed.is_reported(MARKET) for feed in feeds] == [True, True]
    for offset, reported_changes in ((1000.0, True), (1900.0, True), (2100.0, False)):
        clock.offset = offset
        assert [feed.is_reported(MARKET) for feed in feeds] == [reported_changes] * 2
    clock.offset = 0.0
    # While every round fails for an hour, a replica that starts then does not take the changes as reported.
    await redis.hincrby("usergateway:turn:market", "begun", -3_600_000)
    await sleep.round()
    late = ChangeFeeds({MARKET: 1000.0}, clock.monotonic)
    late_lock = RedisPollingLock(redis, "market", lease=600.0)
    _, late_sleep, _ = poll(FakeSource(), log, late_lock, partial(late.complete, MARKET))
    await late_sleep.asleep()
    assert not late.is_reported(MARKET)
    await sleep.round()
    await late_sleep.round()
    assert late.is_reported(MARKET)
    assert other_sleep.seconds == [5.0]
    assert results == reported(STANDBY)


async def test_a_lock_without_times(poll: Any) -> None:
    """With a lock that does not save the time of a round, a replica that waits for it cannot know of any."""
    completed: list[float] = []
    lock = MemoryPollingLock()
    lock.acquire = _never  # type: ignore[method-assign]  # another replica has it
    _, sleep, results = poll(FakeSource(), MemoryEventLog(), lock, completed.append)
    await sleep.asleep()
    assert (results, completed) == (reported(STANDBY), [])


async def test_a_round_that_fails_or_takes_long(poll: Any) -> None:
    """Changes are reported as of the start of the last round that succeeded, however long it took."""
    completed: list[float] = []
    source = FakeSource([], SourceUnavailable("unreachable"), [])
    source.unblocked.clear()
    before = time.monotonic()
    _, sleep, results = poll(source, MemoryEventLog(), None, completed.append)
    await source.called.wait()
    after = time.monotonic()
    await asyncio.sleep(0.01)
    source.unblocked.set()
    await sleep.asleep()
    assert before <= completed[0] <= after
    await sleep.round()
    assert (results, len(completed)) == (reported(UNCHANGED, FAILED), 1)
    await sleep.round()
    assert len(completed) == 2


async def test_calls_from_before_a_round(poll: Any) -> None:
    """A round shares no call of a reader: its response may be from before the change that the round is about."""
    request = Request("softwareone", "GET", "http://source/users/a", "/users/{id}", {}, to_error=softwareone_error)
    step, names, responded = SingleFlight(), iter(["before", "after"]), asyncio.Event()

    async def send(_: Request) -> Response:
        name = next(names)
        if name == "before":
            await responded.wait()
        return Response(200, {}, name.encode())

    class ReadingSource(FakeSource):
        async def changes_since(self, position: str | None) -> SourceChanges:  # noqa: ARG002 - each round finds the same
            response = await step(request, send)
            return SourceChanges(((UserChange.UPDATED, User(MARKET, "a", name=response.body.decode())),), "1")

    reader = asyncio.ensure_future(step(request, send))
    await asyncio.sleep(0)
    log = MemoryEventLog()
    async with log.subscribe() as subscription:
        _, sleep, _ = poll(ReadingSource(), log)
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(responded.set)
        await sleep.asleep()
        assert (await anext(subscription)).user.name == "after"
    assert (await reader).body == b"before"


async def test_closing_during_a_round(poll: Any) -> None:
    """Closing cancels a running round."""
    source = FakeSource([])
    source.unblocked.clear()
    before = asyncio.all_tasks()
    poller, _, results = poll(source, MemoryEventLog())
    await source.called.wait()
    await poller.aclose()
    assert (results, asyncio.all_tasks()) == ([], before)
