"""What was counted in the last minutes, in slots of equal length that are dropped when they are too old."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["RecentSlots"]

Slot = TypeVar("Slot")


class RecentSlots(Generic[Slot]):
    """The last `count` slots of `length` seconds each, the present one among them. A slot is created by its first use.

    `clock` is monotonic.
    """

    __slots__ = ("_clock", "_count", "_create", "_length", "_number", "_present", "_slots")

    def __init__(
        self, create: Callable[[], Slot], *, length: float, count: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._create = create
        self._length = length
        self._count = count
        self._clock = clock
        self._slots: deque[tuple[int, Slot]] = deque(maxlen=count)
        self._number = -1
        self._present: Slot | None = None

    def present(self) -> Slot:
        """Return the slot of the present."""
        number = int(self._clock() / self._length)
        if number != self._number or self._present is None:
            self._number = number
            self._present = self._create()
            self._slots.append((number, self._present))
        return self._present

    def recent(self) -> Iterator[tuple[int, Slot]]:
        """Yield the slots that were used, oldest first, each with its age in slots: 0 is the present one."""
        number = int(self._clock() / self._length)
        for used, slot in self._slots:
            age = number - used
            if age < self._count:
                yield age, slot
