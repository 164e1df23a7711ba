"""A clock that stands still until a test advances it, however slow the machine is, and one that begins with an hour."""

import time

from gateway.sandbox.clock import SECOND
from gateway.testing.clock import AdjustableClock

__all__ = ["StillClock", "running_clock"]

_HOUR = 3600.0  # seconds


class StillClock(AdjustableClock):
    """Time that passes by `advance` alone: for a gateway, a sandbox, or both.

    It starts at the beginning of the present hour, the moment in which the URLs of pictures change: whatever the time
    of the day is, the next change is an hour away.
    """

    def __init__(self) -> None:
        super().__init__()
        self._start = time.time() // _HOUR * _HOUR

    def time(self) -> float:
        return self._start + self.advanced

    def monotonic(self) -> float:
        return self._start + self.advanced

    def now(self) -> int:
        return int(self.time() * SECOND)


def running_clock() -> AdjustableClock:
    """Return a clock that goes on by itself, from the beginning of the next hour: for tests that compare URLs."""
    clock = AdjustableClock()
    clock.advance(_HOUR - time.time() % _HOUR)
    return clock
