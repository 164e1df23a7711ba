"""Long steps: one in each iteration of the event loop beyond 10 ms, in rotation by caller."""

import asyncio
from itertools import count

from gateway.kit.long_steps import LongSteps


def quick_steps() -> LongSteps:
    """Return steps on a clock by which they take no time."""
    return LongSteps(clock=lambda: 0)


def slow_steps() -> LongSteps:
    """Return steps on a clock by which each takes a second."""
    return LongSteps(clock=count().__next__)


async def test_short_ones() -> None:
    """Short steps begin in the same iteration."""
    steps, happened = quick_steps(), []

    async def step() -> None:
        await steps.wait("a")
        happened.append("step")

    async def other() -> None:
        await asyncio.sleep(0)
        happened.append("other")

    await asyncio.gather(other(), *(step() for _ in range(5)))
    assert happened == ["step"] * 5 + ["other"]


async def test_one_in_each_iteration() -> None:
    """Between two long steps the event loop does everything else that is ready."""
    steps, happened = slow_steps(), []

    async def step(caller: str) -> None:
        await steps.wait(caller)
        happened.append(caller)

    async def others() -> None:
        for _ in range(12):
            happened.append("-")
            await asyncio.sleep(0)

    await asyncio.gather(*(step(caller) for caller in "aaabc"), others())
    assert [text.strip("-") for text in "".join(happened).split("-") if text] == ["a", "a", "b", "c", "a"]


async def test_alone() -> None:
    """A step that is alone begins at once."""
    steps, began = quick_steps(), []

    async def step() -> None:
        await steps.wait("a")
        began.append("step")

    async def other() -> None:
        began.append("other")

    await asyncio.gather(step(), other())
    assert began == ["step", "other"]


async def test_cancelled() -> None:
    """A step whose task is cancelled takes no iteration, and the next one begins."""
    steps, began = slow_steps(), []

    async def step(name: str) -> None:
        await steps.wait("a")
        began.append(name)

    tasks = [asyncio.ensure_future(step(name)) for name in "abc"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await steps.wait("a")
    assert began == ["a", "c"]


def test_another_event_loop() -> None:
    """Steps of a loop that was closed do not stop those of the next one."""
    steps = slow_steps()

    async def two() -> None:
        await steps.wait("a")
        asyncio.ensure_future(steps.wait("a"))  # noqa: RUF006 - it never ends

    for _ in range(2):
        asyncio.run(two())
    asyncio.run(asyncio.wait_for(steps.wait("a"), 30))
