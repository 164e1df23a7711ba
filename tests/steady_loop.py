"""An event loop for tests in which callers, gateway and sources are tasks of one process, which a busy machine stops.

While the process does not run, none of them can do anything. A time limit of one of them would run out in that time,
and the result of the test would depend on the machine.
"""

import asyncio
import selectors
import time

__all__ = ["SteadyLoop"]

_LONGEST_STEP = 0.05  # seconds: what takes longer between two looks at the clock is not work, but a stop


class SteadyLoop(asyncio.SelectorEventLoop):
    """Has a clock that stands still while the process is stopped: time limits run out only by waiting and by work."""

    def __init__(self) -> None:
        self._waiting = _Waiting()
        self._now = self._looked = time.monotonic()
        super().__init__(self._waiting)

    def time(self) -> float:
        """Return the seconds that the loop has waited or worked."""
        looked = time.monotonic()
        worked = looked - self._looked - self._waiting.took
        self._now += self._waiting.counted + min(max(worked, 0.0), _LONGEST_STEP)
        self._looked = looked
        self._waiting.took = self._waiting.counted = 0.0
        return self._now


class _Waiting(selectors.DefaultSelector):
    """Measures how long the loop waits: `took` by the clock of the machine, of which `counted` without stops."""

    took = counted = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as other selectors do."""
        began = time.monotonic()
        found = super().select(timeout)
        took = time.monotonic() - began
        self.took += took
        if timeout is None or took <= timeout + _LONGEST_STEP:
            self.counted += took
        elif not found:
            self.counted += timeout
        # Otherwise the process was stopped, and what was found may have been there from the beginning.
        return found
