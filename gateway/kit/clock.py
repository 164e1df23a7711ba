"""The clock of a gateway: what its expiry times, its rate limits and its pauses are measured by.

A program that embeds the gateway may pass another one, `Gateway(settings, clock=…)`, above all a test that lets time
pass without waiting for it. Timeouts are not measured by it: they bound the wait for a network, so they use the clock
of the event loop. Nor are the durations and timestamps of the log, of metrics and of traces.
"""

import asyncio
import time
from typing import Protocol

__all__ = ["REAL_CLOCK", "Clock", "RealClock"]


class Clock(Protocol):
    """Returns the time, and waits. All methods are called in the thread of the event loop of the gateway.

    A clock that a test moves on returns greater values from then on, and wakes those that wait in `sleep`.
    """

    def time(self) -> float:
        """Return the seconds since 1970, UTC."""

    def monotonic(self) -> float:
        """Return seconds that never decrease, counted from any instant."""

    async def sleep(self, seconds: float, /) -> None:
        """Wait until so many seconds have passed on this clock; at least let other tasks run once."""


class RealClock:
    """The clock of the operating system."""

    # The functions themselves, without another call around them: they are called for each call to a source.
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    async def sleep(self, seconds: float, /) -> None:
        """Wait for so many seconds."""
        await asyncio.sleep(seconds)


REAL_CLOCK = RealClock()
