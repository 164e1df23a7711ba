"""A clock that a test lets run ahead."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.sandbox.clock import SandboxClock

__all__ = ["AdjustableClock"]


class AdjustableClock(SandboxClock):
    """The time of the machine, and what it was advanced by: for a sandbox, a gateway, or both.

    It may be advanced in any thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._sleepers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def advance(self, seconds: float) -> None:
        """Let time pass at once, and wake all that wait in `sleep` so long.

        Raises:
            ValueError: the number is negative, since no time can be taken back, or leads beyond the year 9999.
        """
        with self._lock:
            super().advance(seconds)
            for loop, advanced in self._sleepers:
                loop.call_soon_threadsafe(advanced.set)

    async def sleep(self, seconds: float, /) -> None:
        """Wait until so many seconds have passed on this clock."""
        end = self.monotonic() + seconds
        await asyncio.sleep(0)
        with self._woken() as advanced:
            while (left := end - self.monotonic()) > 0:
                advanced.clear()
                try:
                    async with asyncio.timeout(left):
                        await advanced.wait()
                except TimeoutError:
                    pass

    @contextmanager
    def _woken(self) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever the clock is advanced."""
        sleeper = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            self._sleepers.add(sleeper)
        try:
            yield sleeper[1]
        finally:
            with self._lock:
                self._sleepers.discard(sleeper)
