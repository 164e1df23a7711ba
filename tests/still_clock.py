"""A clock that stands still until a test advances it: however slow the machine is, nothing becomes older by that."""

import time

from gateway.sandbox.clock import SECOND
from gateway.testing.clock import AdjustableClock

__all__ = ["StillClock"]


class StillClock(AdjustableClock):
    """Time that passes by `advance` alone: for a gateway, a sandbox, or both."""

    def __init__(self) -> None:
        super().__init__()
        self._start = time.time() // 1

    def time(self) -> float:
        return self._start + self.advanced

    def monotonic(self) -> float:
        return self._start + self.advanced

    def now(self) -> int:
        return int(self.time() * SECOND)
