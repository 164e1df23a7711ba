"""Time limits that share a timer: each as exact as one of its own."""

import asyncio
import contextlib
from typing import Any

import pytest
from sources.http.steps.virtual import clock, run

from gateway.kit.timers import Timers


def test_each_in_its_time() -> None:
    """Limits set in any order each end when they are due, to the moment; calls that are quick end by themselves."""

    async def scenario() -> None:
        alarm, begun = Timers(), clock()

        async def one(wait: float, seconds: float) -> tuple[float, bool]:
            limit = alarm.after(seconds)
            with contextlib.suppress(TimeoutError), limit:
                await asyncio.sleep(wait)
            return clock() - begun, limit.over

        told = await asyncio.gather(*(one(*each) for each in [(1, 9), (99, 5), (99, 2), (3, 4), (99, 7)]))
        assert told == [(1, False), (5, True), (2, True), (3, False), (7, True)]

    run(scenario())


def test_over() -> None:
    """A call whose time ran out fails with TimeoutError, and its task goes on."""

    async def scenario() -> None:
        alarm = Timers()
        for _ in range(3):
            with pytest.raises(TimeoutError), alarm.after(1.5):
                await asyncio.sleep(60)
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]  # this is a task

    run(scenario())


@pytest.mark.parametrize("first", ["cancelled", "over"])
def test_cancelled_as_well(first: str) -> None:
    """A call that somebody cancels stays cancelled, also when its time runs out at the same moment."""

    async def scenario() -> None:
        alarm = Timers()

        async def limited() -> None:
            with alarm.after(1):
                await asyncio.sleep(60)

        task = asyncio.create_task(limited())
        await asyncio.sleep(0)
        loop: Any = asyncio.get_running_loop()
        if first == "cancelled":
            loop.call_later(0.5, task.cancel)
        else:
            loop.call_at(alarm._rings, task.cancel)  # in the same round of the loop, after it
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run(scenario())


def test_other_failures_pass() -> None:
    """A failure of the call's own is told as it is, a TimeoutError too."""

    async def scenario() -> None:
        limit = Timers().after(1)
        with pytest.raises(TimeoutError, match="my own"), limit:
            raise TimeoutError("my own")
        assert not limit.over

    run(scenario())


def test_nested() -> None:
    """Of two limits around a call the one that is over ends it, and only that one says so."""

    async def scenario() -> None:
        alarm = Timers()
        outer, inner = alarm.after(1), alarm.after(2)
        with pytest.raises(TimeoutError), outer, inner:
            await asyncio.sleep(60)
        assert (outer.over, inner.over) == (True, False)

    run(scenario())


def test_one_timer() -> None:
    """A thousand calls at once have one timer."""

    async def scenario() -> None:
        alarm = Timers()
        loop: Any = asyncio.get_running_loop()

        async def limited() -> int:
            with alarm.after(10):
                await asyncio.sleep(0)
                return len(loop._scheduled)

        assert set(await asyncio.gather(*(limited() for _ in range(1000)))) == {1}

    run(scenario())
