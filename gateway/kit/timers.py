"""One timer for the time limits of all calls under way.

`asyncio.timeout` sets a timer a call and cancels it again, for calls that nearly all end long before: a tenth of what
a call costs. Here a timer is set when none rings early enough; when it rings, it looks whose time is up by then.
"""

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["IdleTimer", "TimeLimit", "Timers"]


class TimeLimit:
    """The limit of one call, as a context manager around it; `over` says whether its time ran out.

    Raises:
        TimeoutError: its time ran out, and nothing else cancelled the call.
    """

    __slots__ = ("_alarm", "_cancelling", "_seconds", "_task", "due", "over")

    def __init__(self, alarm: "Timers", seconds: float) -> None:
        self._alarm = alarm
        self._seconds = seconds
        self.due = math.inf
        self.over = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit is a task's")
        self._task = task
        self._cancelling = task.cancelling()
        self._alarm.watch(self, self._seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._alarm.forget(self)
        # The same bookkeeping as asyncio.timeout's: a cancellation by somebody else stays one.
        if self.over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def end(self) -> None:
        """Cancel the call, for its time is up."""
        self.over = True
        self._task.cancel()


class Timers:
    """Watches over the limits of one event loop's calls."""

    def __init__(self) -> None:
        self._limits: set[TimeLimit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._rings = math.inf

    def after(self, seconds: float) -> TimeLimit:
        """A limit of so many seconds, from when it is entered."""
        return TimeLimit(self, seconds)

    def watch(self, limit: TimeLimit, seconds: float) -> None:
        """Wake that call up when its time is over."""
        loop = asyncio.get_running_loop()
        limit.due = loop.time() + seconds
        self._limits.add(limit)
        if limit.due < self._rings:
            self._set(loop, limit.due)

    def forget(self, limit: TimeLimit) -> None:
        """That call has ended."""
        self._limits.discard(limit)

    def _set(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = due
        self._timer = loop.call_at(due, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, self._rings = None, math.inf
        now = loop.time()
        for limit in [one for one in self._limits if one.due <= now]:
            self._limits.discard(limit)
            limit.end()
        if self._limits:
            self._set(loop, min(one.due for one in self._limits))


class IdleTimer:
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
