"""Timers whose deadlines are cheap to set and to move.

`asyncio.timeout` creates and cancels an event loop timer for each call, which is a tenth of the cost of a call, though
nearly all calls end long before. Here an event loop timer is created only if none fires early enough. When it fires, it
compares the deadlines with the clock.
"""

import asyncio
import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["IdleTimer", "TimeLimit", "Timers", "loop_clock"]


_BUSY = 0.05  # seconds: a timer that fires later than that shows that the event loop was busy
_CATCH_UP = 0.05  # seconds for the tasks to run


def loop_clock(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """Return the clock of an event loop. That of asyncio is a function in C with a method around it."""
    is_plain = isinstance(loop, asyncio.BaseEventLoop) and type(loop).time is asyncio.BaseEventLoop.time
    return time.monotonic if is_plain else loop.time


class TimeLimit:
    """The time limit of one call, as a context manager around it; `expired`: whether the limit cancelled the call.

    `deadline` is an instant of the event loop's clock.

    Raises:
        TimeoutError: the time ran out, and nothing else cancelled the call.
    """

    __slots__ = ("_cancelling", "_seconds", "_task", "_timers", "deadline", "expired")

    def __init__(self, timers: "Timers", seconds: float) -> None:
        self._timers = timers
        self._seconds = seconds
        self.deadline = math.inf
        self.expired = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit works only inside a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._timers.add(self, self._seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._timers.remove(self)
        # As in asyncio.timeout: a cancellation by other code stays a cancellation.
        if self.expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cancel the call."""
        self.expired = True
        self._task.cancel()


class Timers:
    """The time limits of all calls of one event loop, with one event loop timer.

    If the event loop was too busy to fire the timer in time, the limits expire a moment later: what a call waits for
    may have arrived meanwhile, and its task has to run to see it.
    """

    def __init__(self) -> None:
        self._postponed = False
        self._limits: set[TimeLimit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = math.inf

    def limit(self, seconds: float) -> TimeLimit:
        """Return a limit of so many seconds, counted from when it is entered."""
        return TimeLimit(self, seconds)

    def add(self, limit: TimeLimit, seconds: float) -> None:
        """Let a limit expire after so many seconds."""
        loop = asyncio.get_running_loop()
        limit.deadline = loop.time() + seconds
        self._limits.add(limit)
        if limit.deadline < self._fires_at:
            self._schedule(loop, limit.deadline)

    def remove(self, limit: TimeLimit) -> None:
        """Forget a limit whose call has ended."""
        self._limits.discard(limit)

    def _schedule(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires_at = deadline
        self._timer = loop.call_at(deadline, self._fire, loop)

    def _fire(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        self._postponed = not self._postponed and now - self._fires_at > _BUSY
        if self._postponed:
            self._schedule(loop, now + _CATCH_UP)
            return
        self._timer, self._fires_at = None, math.inf
        for limit in [limit for limit in self._limits if limit.deadline <= now]:
            self._limits.discard(limit)
            limit.expire()
        if self._limits:
            self._schedule(loop, min(limit.deadline for limit in self._limits))


class IdleTimer:
    """Calls `on_timeout` when the deadline that was set last has passed.

    Moving the deadline is cheap: an event loop timer that fires early enough stays, and compares the clock with the
    deadline when it fires. If the event loop was too busy for that, it fires once more a moment later, as in `Timers`.
    """

    __slots__ = ("_clock", "_deadline", "_fires_at", "_loop", "_on_timeout", "_postponed", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_timeout: Callable[[], None]) -> None:
        self._loop = loop
        self._clock = loop_clock(loop)
        self._on_timeout = on_timeout
        self._deadline = self._fires_at = math.inf
        self._postponed = math.inf  # the last deadline for which the event loop was too busy
        self._timer: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        """Set the deadline to so many seconds from now, whether or not there is one."""
        self._deadline = deadline = self._clock() + seconds
        if deadline < self._fires_at:
            self._schedule(deadline)

    def stop(self) -> None:
        """Remove the deadline."""
        self._deadline = math.inf

    def close(self) -> None:
        """Remove the deadline and cancel the event loop timer, which refers to this object."""
        self._deadline = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self, fires_at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires_at = fires_at
        self._timer = self._loop.call_at(fires_at, self._fire)

    def _fire(self) -> None:
        self._timer, self._fires_at = None, math.inf
        now = self._loop.time()
        late = now - self._deadline
        if late > _BUSY and self._postponed != self._deadline:
            self._postponed = self._deadline
            self._schedule(now + _CATCH_UP)
        elif late >= 0:
            self._deadline = math.inf
            self._on_timeout()
        elif self._deadline < math.inf:
            self._schedule(self._deadline)
