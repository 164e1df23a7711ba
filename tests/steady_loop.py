"""An event loop for tests in which callers, gateway and sources are tasks of one process, on a machine that is busy.

While the machine does not run the process, none of them can do anything. A time limit of one of them would run out in
that time, and the result of the test would depend on the machine.
"""

import asyncio
import selectors
import time

__all__ = ["SteadyLoop"]

_LATE = 0.05  # seconds after its end until a wait shows that the process was stopped


class SteadyLoop(asyncio.SelectorEventLoop):
    """Has a clock that stands still while the process is stopped: it counts the time of waiting and that of the CPU."""

    def __init__(self) -> None:
        self._waits = _Waits()
        self._began = time.monotonic() - time.thread_time()
        super().__init__(self._waits)

    def time(self) -> float:
        """Return the seconds that the loop has waited or worked."""
        return self._began + self._waits.seconds + time.thread_time()


class _Waits(selectors.DefaultSelector):
    """Adds up how long the loop waits."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as other selectors do."""
        began, worked = time.monotonic(), time.thread_time()
        found = super().select(timeout)
        took = time.monotonic() - began - (time.thread_time() - worked)
        if timeout is None or took <= timeout + _LATE:
            self.seconds += took
        elif not found:
            self.seconds += timeout
        # Otherwise the process was stopped, and what was found may have been there from the beginning.
        return found
