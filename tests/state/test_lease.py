import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import SourceUnavailable
from gateway.state.idempotency import Begun, IdempotencySettings, InProgress
from gateway.state.memory.idempotency import MemoryIdempotency
from gateway.state.once import renewed


class Time:
    """Seconds that pass when told to, and sleepers that wake by them."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self._sleepers.append((self.now + seconds, event))
        await event.wait()

    async def passes(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 1)
            for at, event in self._sleepers:
                if at <= self.now:
                    event.set()
            for _ in range(5):
                await asyncio.sleep(0)


@pytest.fixture
def time() -> Time:
    return Time()


async def test_renewed(time: Time) -> None:
    """A change may take longer than its lease while its process lives, and not once the block has ended."""
    store = MemoryIdempotency(IdempotencySettings(lease=30), clock=time.clock)
    first = await store.begin("s", "f")
    assert isinstance(first, Begun)
    async with renewed(store, "s", first.owner, sleep=time.sleep):
        await time.passes(300)
        assert isinstance(await store.begin("s", "f"), InProgress)
    await time.passes(31)
    assert isinstance(await store.begin("s", "f"), Begun)


async def test_unreachable(time: Time) -> None:
    """A renewal that fails is tried again, and the change goes on."""

    class Shaky(MemoryIdempotency):
        failures = 2

        async def renew(self, scope: str, owner: str) -> bool:
            if self.failures:
                self.failures -= 1
                raise SourceUnavailable("gone")
            return await super().renew(scope, owner)

    store = Shaky(IdempotencySettings(lease=30), clock=time.clock)
    first = await store.begin("s", "f")
    assert isinstance(first, Begun)
    async with renewed(store, "s", first.owner, sleep=time.sleep):
        await time.passes(100)
        assert isinstance(await store.begin("s", "f"), InProgress)


@pytest.mark.parametrize("end", [lambda: None, lambda: 1 / 0])
async def test_ends(time: Time, end: Callable[[], Any]) -> None:
    """However the block ends, nothing is left running."""
    store = MemoryIdempotency(clock=time.clock)
    try:
        async with renewed(store, "s", "nobody", sleep=time.sleep):
            end()
    except ZeroDivisionError:
        pass
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_taken_over(time: Time) -> None:
    """Once somebody else has taken the change over there is nothing to renew."""
    store = MemoryIdempotency(clock=time.clock)
    async with renewed(store, "s", "nobody", sleep=time.sleep):
        await time.passes(20)
        assert len(asyncio.all_tasks()) == 1
