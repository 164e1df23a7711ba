"""A bucket of tokens, each of which comes back one window after it was taken. Pure: it never waits.

A bucket that refills evenly lets twice its size pass in its first window; the account API counts a
sliding window (account.md, 8), so that would be refused. In this one no window of any phase holds
more than `calls`, which a fixed window (reseller.md, 3) cannot either.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile

import msgspec

__all__ = ["Bucket", "Quota", "Rate", "quota"]

_DIGITS = 9
_COUNT = re.compile(rf"\s*([0-9]{{1,{_DIGITS}}})\s*(?:[,;].*)?")  # drafts before 2023 appended the policy: `20, 20;w=1`
_PERIOD = re.compile(r"\s*([0-9]{1,6})\s*([smhd])\s*")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Quota(msgspec.Struct, frozen=True):
    """Calls a period and calls left; seconds until there are more. None is what was not told."""

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None


_NOTHING = Quota()


def quota(headers: Mapping[str, str], *, now: datetime | None = None) -> Quota:
    """The quota that an answer's headers tell."""
    if "RateLimit-Remaining" in headers:
        reset = _count(headers.get("RateLimit-Reset"))
        return Quota(
            _count(headers.get("RateLimit-Limit")),
            _count(headers["RateLimit-Remaining"]),
            None if reset is None else float(reset),
        )
    if "X-Rate-Limit-Remaining" in headers:
        until = _until(headers.get("X-Rate-Limit-Reset"), now or datetime.now(UTC))
        period = _period(headers.get("X-Rate-Limit-Limit"))
        if until is not None and period is not None:
            until = min(until, period)  # whatever the two clocks say
        return Quota(None, _count(headers.get("X-Rate-Limit-Remaining")), until)
    return _NOTHING


def _count(text: str | None) -> int | None:
    if text and len(text) <= _DIGITS and text.isascii() and text.isdecimal():
        return int(text)  # nearly always, at half of what the pattern takes
    found = _COUNT.fullmatch(text or "")
    return int(found[1]) if found else None


def _period(text: str | None) -> float | None:
    found = _PERIOD.fullmatch(text or "")
    return int(found[1]) * _SECONDS[found[2]] if found else None


def _until(text: str | None, now: datetime) -> float | None:
    try:
        moment = datetime.fromisoformat((text or "").strip())
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp())
    except (ValueError, OverflowError):
        return None


_LONGEST_PAUSE = 900.0  # seconds: the longest wait that a source documents (account.md, 8)


@dataclass(frozen=True, slots=True)
class Rate:
    """`calls` in any `seconds`. A token comes back `margin` seconds late: calls arrive unevenly."""

    calls: int
    seconds: float
    margin: float = 0.05

    @classmethod
    def per_second(cls, calls: float) -> "Rate":
        """So many calls a second, also fewer than one."""
        return cls(round(calls), 1.0) if calls >= 1 else cls(1, 1 / calls)


class Bucket:
    """The tokens of one source and credential. Without a rate only pauses hold a call back."""

    def __init__(self, rate: Rate | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._limit = rate.calls if rate else 0
        self._window = rate.seconds + rate.margin if rate else 0.0
        self._clock = clock
        self._taken: deque[float] = deque()  # not back yet
        self._back: deque[float] = deque()  # back for less than a window
        self._paused_until = float("-inf")

    @property
    def idle(self) -> bool:
        """Whether a new bucket would be the same."""
        self._settle()
        return not self._taken and not self._back and self._paused_until <= self._clock()

    def wait(self, ahead: int = 0) -> float:
        """Seconds until there is a token, with so many others to be served before."""
        now = self._settle()
        rounds = 0
        moment = max(now, self._paused_until)
        if self._rate:
            rounds, place = divmod(ahead, self._limit)
            place -= self._limit - len(self._taken)
            if place >= 0:
                moment = max(moment, self._taken[place] + self._window)
        return moment - now + rounds * self._window

    def take_free(self) -> float | None:
        """Take a token if there is one now."""
        now = self._settle()
        if now < self._paused_until:
            return None
        if self._rate:
            if len(self._taken) >= self._limit:
                return None
            self._taken.append(now)
        return now

    def take(self) -> float:
        """Take a token; its instant is its name."""
        now = self._settle()
        if self._rate:
            self._taken.append(now)
        return now

    def give_back(self, token: float) -> None:
        """Put a token back that was not used."""
        if token in self._taken:
            self._taken.remove(token)

    def pause(self, seconds: float | None) -> None:
        """Let nothing through for so long, None being a window: the source said 429."""
        wait = (self._window or 1.0) if seconds is None else min(seconds, _LONGEST_PAUSE)
        self._paused_until = max(self._paused_until, self._clock() + wait)

    def correct(self, told: Quota, token: float) -> None:
        """Follow what the answer to the call with that token told: down only.

        What the source counted and this bucket did not was used by somebody else: those tokens are
        gone for a window. What the source has not counted yet is on its way there.
        """
        if self._rate is None:
            return
        now = self._settle()
        self._limit = self._rate.calls if told.limit is None else min(self._rate.calls, max(1, told.limit))
        if told.remaining is None or now - token > self._window:
            return  # nothing told, or too long ago
        others = self._limit - told.remaining - len(self._taken)
        if others > 0:
            # Those that are back may have been counted as ours too when the source answered.
            others -= sum(1 for _ in takewhile(lambda one: one > token - self._window, reversed(self._back)))
            self._taken.extend([now] * min(self._limit, others))
        if told.remaining == 0 and told.reset:
            self.pause(told.reset)

    def _settle(self) -> float:
        now = self._clock()
        while self._taken and self._taken[0] + self._window <= now:
            self._back.append(self._taken.popleft())
        while self._back and self._back[0] + 2 * self._window <= now:
            self._back.popleft()
        return now
