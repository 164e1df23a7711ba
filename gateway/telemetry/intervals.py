"""What was counted in the last minutes, in intervals of equal length that are dropped when they are too old."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["RecentIntervals"]

Interval = TypeVar("Interval")


class RecentIntervals(Generic[Interval]):
    """The last `count` intervals of `length` seconds each, the present one among them; `clock` is monotonic.

    What an interval counts in is created by its first use.
    """

    __slots__ = ("_clock", "_count", "_create", "_intervals", "_length", "_number", "_present")

    def __init__(
        self, create: Callable[[], Interval], *, length: float, count: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._create = create
        self._length = length
        self._count = count
        self._clock = clock
        self._intervals: deque[tuple[int, Interval]] = deque(maxlen=count)
        self._number = -1
        self._present: Interval | None = None

    def present(self, now: float | None = None) -> Interval:
        """Return the interval of the present. `now` saves reading the clock again."""
        number = int((self._clock() if now is None else now) / self._length)
        if number != self._number or self._present is None:
            self._number = number
            self._present = self._create()
            self._intervals.append((number, self._present))
        return self._present

    def recent(self) -> Iterator[tuple[int, Interval]]:
        """Yield the intervals that were used, oldest first, each with its age in intervals: 0 is the present one."""
        number = int(self._clock() / self._length)
        for used, interval in self._intervals:
            age = number - used
            if age < self._count:
                yield age, interval
