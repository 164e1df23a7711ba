"""Renewing the lease of a change while the change is running."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import SourceUnavailable
from gateway.state.idempotency import Begun, IdempotencySettings, InProgress
from gateway.state.memory.idempotency import MemoryIdempotency
from gateway.state.once import renewed_lease


class FakeTime:
    """A clock that a test moves, and a sleep that ends by it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self._sleepers.append((self.now + seconds, event))
        await event.wait()

    async def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 1)
            for wakes_at, event in self._sleepers:
                if wakes_at <= self.now:
                    event.set()
            for _ in range(5):
                await asyncio.sleep(0)


@pytest.fixture
def time() -> FakeTime:
    """A clock at 0."""
    return FakeTime()


async def test_renewed(time: FakeTime) -> None:
    """The lease is renewed until the block ends, however long the change takes, and not after it."""
    store = MemoryIdempotency(IdempotencySettings(lease=30), clock=time.clock)
    assert isinstance(await store.begin("s", "f", "o"), Begun)
    async with renewed_lease(store, "s", "o", sleep=time.sleep):
        await time.advance(300)
        assert isinstance(await store.begin("s", "f", "another"), InProgress)
    await time.advance(31)
    assert isinstance(await store.begin("s", "f", "another"), Begun)


async def test_renewed_by_the_loop() -> None:
    """Without a `sleep` the event loop waits between renewals: no task is left by a block that ended before one."""
    renewals: asyncio.Queue[str] = asyncio.Queue()

    class Counting(MemoryIdempotency):
        async def renew(self, record_id: str, owner: str) -> bool:
            renewals.put_nowait(record_id)
            return await super().renew(record_id, owner)

    store = Counting(IdempotencySettings(lease=0.03))
    assert isinstance(await store.begin("s", "f", "o"), Begun)
    async with renewed_lease(store, "s", "o", sleep=None):
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert [await renewals.get() for _ in range(3)] == ["s", "s", "s"]
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await asyncio.sleep(0.05)
    assert renewals.empty()


async def test_unreachable(time: FakeTime) -> None:
    """A renewal that fails is repeated, and the change continues."""

    class Unreliable(MemoryIdempotency):
        failures = 2

        async def renew(self, record_id: str, owner: str) -> bool:
            if self.failures:
                self.failures -= 1
                raise SourceUnavailable("unreachable")
            return await super().renew(record_id, owner)

    store = Unreliable(IdempotencySettings(lease=30), clock=time.clock)
    assert isinstance(await store.begin("s", "f", "o"), Begun)
    async with renewed_lease(store, "s", "o", sleep=time.sleep):
        await time.advance(100)
        assert isinstance(await store.begin("s", "f", "another"), InProgress)


@pytest.mark.parametrize("end", [lambda: None, lambda: 1 / 0])
async def test_no_task_is_left(time: FakeTime, end: Callable[[], Any]) -> None:
    """No task is left, however the block ends."""
    store = MemoryIdempotency(clock=time.clock)
    try:
        async with renewed_lease(store, "s", "nobody", sleep=time.sleep):
            end()
    except ZeroDivisionError:
        pass
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_taken_over(time: FakeTime) -> None:
    """Once another owner has the lease, renewing stops."""
    store = MemoryIdempotency(clock=time.clock)
    async with renewed_lease(store, "s", "nobody", sleep=time.sleep):
        await time.advance(20)
        assert len(asyncio.all_tasks()) == 1
