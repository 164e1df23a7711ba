"""What was counted in the last minutes, in intervals of equal length that are dropped when they are too old."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["RecentIntervals"]

Interval = TypeVar("Interval")


class RecentIntervals(Generic[Interval]):
    """The last `count` intervals of `length` seconds each, the present one among them; `clock` is monotonic.

    What an interval counts in is created by its first use. `latest` is that of the interval that was used last, which
    is the present one before `end`.
    """

    __slots__ = ("_clock", "_count", "_create", "_intervals", "_length", "end", "latest")
    latest: Interval

    def __init__(
        self, create: Callable[[], Interval], *, length: float, count: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._create = create
        self._length = length
        self._count = count
        self._clock = clock
        self._intervals: deque[tuple[int, Interval]] = deque(maxlen=count)
        self.end = -math.inf

    def present(self, now: float | None = None) -> Interval:
        """Return the interval of the present. `now` saves reading the clock again."""
        if now is None:
            now = self._clock()
        if now >= self.end:
            number = int(now / self._length)
            self.end = (number + 1) * self._length
            self.latest = self._create()
            self._intervals.append((number, self.latest))
        return self.latest

    def recent(self) -> Iterator[tuple[int, Interval]]:
        """Yield the intervals that were used, oldest first, each with its age in intervals: 0 is the present one."""
        number = int(self._clock() / self._length)
        for used, interval in self._intervals:
            age = number - used
            if age < self._count:
                yield age, interval
