"""Rate limits per client address, counted as two of the three APIs do."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["UNLIMITED", "FixedWindow", "RateLimitStatus", "SlidingWindow"]

UNLIMITED = 1_000_000  # requests in a window: more than any client sends; the headers report this number


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """The state of a rate limit after a request; `reset` and `retry_after` are in seconds from now."""

    allowed: bool
    remaining: int
    reset: float
    retry_after: int = 0


@dataclass(slots=True)
class _ClientLog:
    accepted: deque[float] = field(default_factory=deque)
    rejections_in_a_row: int = 0


class SlidingWindow:
    """Counts accepted requests; rejected ones lengthen the wait (docs/upstreams/account.md, "Rate limits")."""

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
        self._logs: dict[str, _ClientLog] = {}

    def peek(self, remote: str) -> RateLimitStatus:
        """Return the state without counting a request."""
        log = self._log(remote)
        reset = max(0.0, log.accepted[0] + self._seconds - self._clock()) if log.accepted else 0.0
        return RateLimitStatus(allowed=True, remaining=max(0, self.limit - len(log.accepted)), reset=reset)

    def take(self, remote: str) -> RateLimitStatus:
        """Count a request, or reject it with a wait of 1.5^n seconds (at most 900) after n rejections."""
        log = self._log(remote)
        if len(log.accepted) >= self.limit:
            log.rejections_in_a_row += 1
            wait = int(max(1.0, min(1.5 ** min(log.rejections_in_a_row, 20), 900.0)))
            current = self.peek(remote)
            return RateLimitStatus(allowed=False, remaining=0, reset=current.reset, retry_after=wait)
        log.rejections_in_a_row = 0
        log.accepted.append(self._clock())
        return self.peek(remote)

    def _log(self, remote: str) -> _ClientLog:
        log = self._logs.setdefault(remote, _ClientLog())
        window_start = self._clock() - self._seconds
        while log.accepted and log.accepted[0] <= window_start:
            log.accepted.popleft()
        return log


class FixedWindow:
    """Counts requests from zero in each window (docs/upstreams/reseller.md, "Rate limits")."""

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

    def take(self, remote: str) -> RateLimitStatus:
        """Count a request, or reject it until the window ends."""
        now = self._clock()
        start, count = self._windows.get(remote, (now, 0))
        if now - start >= self._seconds:
            start, count = now, 0
        seconds_left = max(0.0, start + self._seconds - now)
        if count >= self.limit:
            return RateLimitStatus(
                allowed=False, remaining=0, reset=seconds_left, retry_after=max(1, math.ceil(seconds_left))
            )
        self._windows[remote] = (start, count + 1)
        return RateLimitStatus(allowed=True, remaining=max(0, self.limit - count - 1), reset=seconds_left)
