"""What was told of late, in the memory of one process."""

import time
from collections import OrderedDict
from collections.abc import Callable

from gateway.events.marks import Marks

__all__ = ["Told"]

_MOST = 100_000  # of each kind: some 20 MiB


class Told:
    """Tells news from echoes. Remembers for `window` seconds, and no more than so many."""

    def __init__(self, window: float, *, most: int = _MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = window
        self._most = most
        self._clock = clock
        self._once: OrderedDict[str, float] = OrderedDict()  # until when; the oldest first
        self._last: OrderedDict[str, tuple[float, str, bool]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._once)

    def is_news(self, marks: Marks, *, heard: bool) -> bool:
        """Whether it was not told; it is from then on. `heard` is what we did not do ourselves."""
        now = self._clock()
        self._forget(now)
        if marks.once in self._once:
            return False
        until = now + self._window
        self._once[marks.once] = until
        _, content, dated = self._last.get(marks.user, (0.0, "", False))
        echo = heard and content == marks.content and dated != marks.dated
        # An echo says when it was: what comes with another time after it is another change.
        self._last[marks.user] = until, marks.content, marks.dated or echo
        self._last.move_to_end(marks.user)
        return not echo

    def _forget(self, now: float) -> None:
        while self._once and (len(self._once) >= self._most or next(iter(self._once.values())) <= now):
            self._once.popitem(last=False)
        while self._last and (len(self._last) >= self._most or next(iter(self._last.values()))[0] <= now):
            self._last.popitem(last=False)
