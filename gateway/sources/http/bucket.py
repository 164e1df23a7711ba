"""A bucket of tokens for a rate limit, and the quota that sources report. It computes times and never waits.

A token becomes available again one window after it was taken, so no interval of that length has more than `calls`
calls. A bucket that refills evenly would allow twice as many in its first window, which the account source with its
sliding window refuses (docs/upstreams/account.md, "Rate limits"). What suits a sliding window also suits the fixed one
of the reseller source (docs/upstreams/reseller.md, "Rate limits").
"""

import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile

import msgspec

__all__ = ["Bucket", "Quota", "Rate", "parse_quota"]

_MAX_DIGITS = 9
# Drafts of the RateLimit headers before 2023 appended the policy: `20, 20;w=1`.
_COUNT = re.compile(rf"\s*([0-9]{{1,{_MAX_DIGITS}}})\s*(?:[,;].*)?")
_PERIOD = re.compile(r"\s*([0-9]{1,6})\s*([smhd])\s*")
_UNIT_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MAX_PAUSE = (
    900.0  # seconds: the longest `Retry-After` that a source documents (docs/upstreams/account.md, "Rate limits")
)


class Quota(msgspec.Struct, frozen=True):
    """The calls of a window, the calls left in it, and the seconds until it is reset. None: not reported."""

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None


_NO_QUOTA = Quota()


def parse_quota(headers: Mapping[str, str], *, now: datetime | None = None) -> Quota:
    """Return the quota that the headers of a response report: `RateLimit-*` or `X-Rate-Limit-*`."""
    if "RateLimit-Remaining" in headers:
        reset = _parse_count(headers.get("RateLimit-Reset"))
        return Quota(
            _parse_count(headers.get("RateLimit-Limit")),
            _parse_count(headers["RateLimit-Remaining"]),
            None if reset is None else float(reset),
        )
    if "X-Rate-Limit-Remaining" in headers:
        seconds = _seconds_until(headers.get("X-Rate-Limit-Reset"), now or datetime.now(UTC))
        period = _parse_period(headers.get("X-Rate-Limit-Limit"))
        if seconds is not None and period is not None:
            seconds = min(seconds, period)  # the two clocks may differ
        return Quota(None, _parse_count(headers.get("X-Rate-Limit-Remaining")), seconds)
    return _NO_QUOTA


def _parse_count(text: str | None) -> int | None:
    if text and len(text) <= _MAX_DIGITS and text.isascii() and text.isdecimal():
        return int(text)  # the common case, in half the time of the pattern
    found = _COUNT.fullmatch(text or "")
    return int(found[1]) if found else None


def _parse_period(text: str | None) -> float | None:
    found = _PERIOD.fullmatch(text or "")
    return int(found[1]) * _UNIT_SECONDS[found[2]] if found else None


def _seconds_until(text: str | None, now: datetime) -> float | None:
    try:
        moment = datetime.fromisoformat((text or "").strip())
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp())
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `calls` in any interval of `seconds`.

    A token is kept back `margin` seconds longer, because calls do not take equally long to arrive.
    """

    calls: int
    seconds: float
    margin: float = 0.05

    @classmethod
    def per_second(cls, calls: float) -> "Rate":
        """Return the rate of that many calls a second, which may be less than one."""
        return cls(round(calls), 1.0) if calls >= 1 else cls(1, 1 / calls)


class Bucket:
    """The tokens of one source and credential. Without a rate, tokens are unlimited and only a pause delays calls."""

    def __init__(self, rate: Rate | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._limit = rate.calls if rate else 0
        self._window = rate.seconds + rate.margin if rate else 0.0
        self._clock = clock
        self._taken: deque[float] = deque()  # the times at which the unavailable tokens were taken
        self._returned: deque[float] = deque()  # the same of tokens that became available within the last window
        self._paused_until = float("-inf")

    @property
    def idle(self) -> bool:
        """Whether a new bucket would behave the same."""
        self._update()
        return not self._taken and not self._returned and self._paused_until <= self._clock()

    def wait(self, ahead: int = 0) -> float:
        """Return the seconds until a token is available, if `ahead` other calls take theirs first."""
        now = self._update()
        windows = 0
        available_at = max(now, self._paused_until)
        if self._rate:
            windows, index = divmod(ahead, self._limit)
            index -= self._limit - len(self._taken)
            if index >= 0:
                available_at = max(available_at, self._taken[index] + self._window)
        return available_at - now + windows * self._window

    def try_take(self) -> float | None:
        """Take a token if one is available now; else return None."""
        now = self._update()
        if now < self._paused_until:
            return None
        if self._rate:
            if len(self._taken) >= self._limit:
                return None
            self._taken.append(now)
        return now

    def take(self) -> float:
        """Take a token and return the time, which identifies it."""
        now = self._update()
        if self._rate:
            self._taken.append(now)
        return now

    def give_back(self, token: float) -> None:
        """Make a token available again that was not used."""
        if token in self._taken:
            self._taken.remove(token)

    def pause(self, seconds: float | None) -> None:
        """Make no token available for that many seconds, or for a window if None: the source responded with 429."""
        wait = (self._window or 1.0) if seconds is None else min(seconds, _MAX_PAUSE)
        self._paused_until = max(self._paused_until, self._clock() + wait)

    def correct(self, reported: Quota, token: float) -> None:
        """Reduce the available tokens to the quota in the response to the call with this token; never increase them.

        Calls that the source counted and this bucket did not were made by other clients: that many tokens are taken
        for a window. Calls that only this bucket counted have not arrived at the source yet.
        """
        if self._rate is None:
            return
        now = self._update()
        self._limit = self._rate.calls if reported.limit is None else min(self._rate.calls, max(1, reported.limit))
        if reported.remaining is None or now - token > self._window:
            return  # not reported, or out of date
        others = self._limit - reported.remaining - len(self._taken)
        if others > 0:
            # When the source sent the response, it may still have counted tokens that are available again by now.
            others -= sum(1 for _ in takewhile(lambda taken: taken > token - self._window, reversed(self._returned)))
            self._taken.extend([now] * min(self._limit, others))
        if reported.remaining == 0 and reported.reset:
            self.pause(reported.reset)

    def _update(self) -> float:
        """Make tokens available whose window has passed, and return the current time."""
        now = self._clock()
        while self._taken and self._taken[0] + self._window <= now:
            self._returned.append(self._taken.popleft())
        while self._returned and self._returned[0] + 2 * self._window <= now:
            self._returned.popleft()
        return now
