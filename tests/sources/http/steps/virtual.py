"""An event loop whose time passes only when everybody waits: timers, timeouts and sleeps take no time and are exact."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]  # a platform's class
    """Instead of waiting for the next timer it moves the clock there."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        if not ready and timeout:
            self.loop.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    now = 1000.0

    def __init__(self) -> None:
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def clock() -> float:
    """The running loop's time: what the steps are given as their clock."""
    return asyncio.get_running_loop().time()


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run to the end; no task may be left over."""

    async def main() -> T:
        try:
            return await scenario
        finally:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, left

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
