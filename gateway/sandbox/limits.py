"""Rate limits per client address, as two of the three systems count them."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["UNLIMITED", "FixedWindow", "SlidingWindow", "Verdict"]

UNLIMITED = 1_000_000  # calls in a window: more than anybody makes, and the headers say so too


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one call: `reset` and `retry_after` are in seconds from now."""

    allowed: bool
    remaining: int
    reset: float
    retry_after: int = 0


@dataclass(slots=True)
class _Log:
    accepted: deque[float] = field(default_factory=deque)
    rejected_in_a_row: int = 0


class SlidingWindow:
    """A log of accepted calls; rejected ones do not count but lengthen the wait (account.md, section 8)."""

    def __init__(
        self,
        limit: int,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self._seconds = seconds
        self._clock = clock
        self._logs: dict[str, _Log] = {}

    def peek(self, remote: str) -> Verdict:
        """The state, without counting a call."""
        log = self._log(remote)
        reset = max(0.0, log.accepted[0] + self._seconds - self._clock()) if log.accepted else 0.0
        return Verdict(allowed=True, remaining=max(0, self.limit - len(log.accepted)), reset=reset)

    def take(self, remote: str) -> Verdict:
        """Count a call, or reject it with a wait of 1.5^n seconds (at most 900) after n rejections."""
        log = self._log(remote)
        if len(log.accepted) >= self.limit:
            log.rejected_in_a_row += 1
            wait = int(max(1.0, min(1.5 ** min(log.rejected_in_a_row, 20), 900.0)))
            seen = self.peek(remote)
            return Verdict(allowed=False, remaining=0, reset=seen.reset, retry_after=wait)
        log.rejected_in_a_row = 0
        log.accepted.append(self._clock())
        return self.peek(remote)

    def _log(self, remote: str) -> _Log:
        log = self._logs.setdefault(remote, _Log())
        horizon = self._clock() - self._seconds
        while log.accepted and log.accepted[0] <= horizon:
            log.accepted.popleft()
        return log


class FixedWindow:
    """A counter that starts anew when its window ends (reseller.md, section 3)."""

    def __init__(
        self,
        limit: int,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self._seconds = seconds
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}

    def take(self, remote: str) -> Verdict:
        """Count a call, or reject it until the window ends."""
        instant = self._clock()
        started, count = self._windows.get(remote, (instant, 0))
        if instant - started >= self._seconds:
            started, count = instant, 0
        left = max(0.0, started + self._seconds - instant)
        if count >= self.limit:
            return Verdict(allowed=False, remaining=0, reset=left, retry_after=max(1, math.ceil(left)))
        self._windows[remote] = (started, count + 1)
        return Verdict(allowed=True, remaining=max(0, self.limit - count - 1), reset=left)
