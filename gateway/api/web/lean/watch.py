"""A time that something has to happen by, which moves all the time."""

import asyncio
import math
from collections.abc import Callable

__all__ = ["Watch"]


class Watch:
    """Calls `late` at the time that was set last.

    To move that time is cheap: a timer that rings early enough stays as it is, and looks when it rings at what the
    time is by then.
    """

    __slots__ = ("_due", "_late", "_loop", "_rings", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, late: Callable[[], None]) -> None:
        self._loop = loop
        self._late = late
        self._due = self._rings = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> None:
        """From now on."""
        self._due = due = self._loop.time() + seconds
        if due < self._rings:
            self._set()

    def off(self) -> None:
        """There is no such time."""
        self._due = math.inf

    def end(self) -> None:
        """There will be none any more."""
        self._due = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = self._due
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer, self._rings = None, math.inf
        if self._loop.time() >= self._due:
            self._due = math.inf
            self._late()
        elif self._due < math.inf:
            self._set()
