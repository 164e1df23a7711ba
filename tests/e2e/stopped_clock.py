"""A clock that stands still until a test advances it."""

import time

from gateway.sandbox.clock import SECOND
from gateway.testing import AdjustableClock

__all__ = ["StoppedClock"]


class StoppedClock(AdjustableClock):
    """For a sandbox and a gateway in whose test nothing expires, however slow the machine is.

    Each reading is a microsecond later than the one before, so that records that are changed one after the other have
    different times.
    """

    def __init__(self) -> None:
        super().__init__()
        self._offset = time.time() - time.monotonic()
        self._monotonic = time.monotonic()

    def time(self) -> float:
        return self.monotonic() + self._offset

    def monotonic(self) -> float:
        self._monotonic += 1 / SECOND
        return self._monotonic + self.advanced

    def now(self) -> int:
        return int(self.time() * SECOND)
