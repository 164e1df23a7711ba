"""Time limits that have one event loop timer in common: as exact as separate ones."""

import asyncio
import contextlib
from typing import Any

import pytest
from sources.http.steps.virtual import clock, run

from gateway.kit.timers import IdleTimer, Timers


def test_each_limit_expires_on_time() -> None:
    """Limits entered in any order expire exactly at their deadlines; quick calls end by themselves."""

    async def scenario() -> None:
        timers, started = Timers(), clock()

        async def call(duration: float, seconds: float) -> tuple[float, bool]:
            limit = timers.limit(seconds)
            with contextlib.suppress(TimeoutError), limit:
                await asyncio.sleep(duration)
            return clock() - started, limit.expired

        ended = await asyncio.gather(*(call(*times) for times in [(1, 9), (99, 5), (99, 2), (3, 4), (99, 7)]))
        assert ended == [(1, False), (5, True), (2, True), (3, False), (7, True)]

    run(scenario())


def test_expired() -> None:
    """An expired limit raises TimeoutError, and its task is not cancelled any more."""

    async def scenario() -> None:
        timers = Timers()
        for _ in range(3):
            with pytest.raises(TimeoutError), timers.limit(1.5):
                await asyncio.sleep(60)
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]  # this is a task

    run(scenario())


@pytest.mark.parametrize("first", ["cancelled", "expired"])
def test_cancelled_as_well(first: str) -> None:
    """A call that other code cancels stays cancelled, even if its limit expires in the same moment."""

    async def scenario() -> None:
        timers = Timers()

        async def limited() -> None:
            with timers.limit(1):
                await asyncio.sleep(60)

        task = asyncio.create_task(limited())
        await asyncio.sleep(0)
        loop: Any = asyncio.get_running_loop()
        if first == "cancelled":
            loop.call_later(0.5, task.cancel)
        else:
            loop.call_at(timers._fires_at, task.cancel)  # in the same iteration of the loop, after the limit
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run(scenario())


def test_other_failures_pass() -> None:
    """An exception of the call itself passes unchanged, a TimeoutError too."""

    async def scenario() -> None:
        limit = Timers().limit(1)
        with pytest.raises(TimeoutError, match="of the call"), limit:
            raise TimeoutError("of the call")
        assert not limit.expired

    run(scenario())


def test_nested() -> None:
    """Of two limits around a call the earlier one ends it, and only that one is expired."""

    async def scenario() -> None:
        timers = Timers()
        outer, inner = timers.limit(1), timers.limit(2)
        with pytest.raises(TimeoutError), outer, inner:
            await asyncio.sleep(60)
        assert (outer.expired, inner.expired) == (True, False)

    run(scenario())


def test_one_timer() -> None:
    """A thousand calls at the same time have one event loop timer."""

    async def scenario() -> None:
        timers = Timers()
        loop: Any = asyncio.get_running_loop()

        async def limited() -> int:
            with timers.limit(10):
                await asyncio.sleep(0)
                return len(loop._scheduled)

        assert set(await asyncio.gather(*(limited() for _ in range(1000)))) == {1}

    run(scenario())


@pytest.mark.parametrize("arrives", [True, False])
def test_busy_event_loop(*, arrives: bool) -> None:
    """What arrived while the event loop was too busy to see it is used, although the limit has passed meanwhile."""

    async def scenario() -> None:
        loop: Any = asyncio.get_running_loop()
        timers, started, arrival = Timers(), clock(), loop.create_future()

        def work() -> None:
            loop.now += 2  # as a computation would
            if arrives:
                loop.call_soon(arrival.set_result, "response")

        loop.call_later(0.5, work)
        limit = timers.limit(1)
        with contextlib.suppress(TimeoutError), limit:
            assert await arrival == "response"
        assert limit.expired is not arrives
        assert clock() - started == pytest.approx(2.5 if arrives else 2.55)

    run(scenario())


def observed_idle_timer() -> tuple[Any, IdleTimer, list[float]]:
    """Return the running event loop, a timer of it, and the times from now on at which that has fired."""
    loop: Any = asyncio.get_running_loop()
    fired: list[float] = []
    started = clock()
    return loop, IdleTimer(loop, lambda: fired.append(clock() - started)), fired


@pytest.mark.parametrize("arrives", [True, False])
def test_idle_timer_of_a_busy_event_loop(*, arrives: bool) -> None:
    """What arrived while the event loop was too busy to see it stops the timer, although its deadline has passed."""

    async def scenario() -> None:
        loop, timer, fired = observed_idle_timer()

        def work() -> None:
            loop.now += 2  # as a computation would
            if arrives:
                loop.call_soon(loop.call_soon, timer.stop)  # by the task that what has arrived wakes

        loop.call_later(0.5, work)
        timer.start(1)
        await asyncio.sleep(5)
        timer.start(1)
        await asyncio.sleep(5)
        assert fired == pytest.approx([6] if arrives else [2.55, 6])

    run(scenario())


def test_idle_timer_of_an_event_loop_that_is_busy_twice() -> None:
    """A deadline that was set while the timer was postponed is postponed itself, if the event loop is busy again."""

    async def scenario() -> None:
        loop, timer, fired = observed_idle_timer()

        def work() -> None:
            loop.now += 2
            loop.call_later(0.01, begin_again)

        def begin_again() -> None:
            timer.start(1)
            loop.now += 2
            loop.call_soon(loop.call_soon, timer.stop)

        loop.call_later(0.5, work)
        timer.start(1)
        await asyncio.sleep(10)
        assert fired == []

    run(scenario())
