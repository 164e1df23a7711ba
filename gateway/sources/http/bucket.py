"""A bucket of tokens for a rate limit. It computes times and never waits.

A token becomes available again one window after its call was written, so no interval of that length has more than
`calls` calls. A bucket that refills evenly would allow twice as many in its first window, which the account source with
its sliding window refuses (docs/upstreams/account.md, "Rate limits"). What suits a sliding window also suits the fixed
one of the reseller source (docs/upstreams/reseller.md, "Rate limits").
"""

import time
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import merge
from itertools import islice, takewhile

import msgspec

from gateway.sources.http.quota import Quota

__all__ = ["Bucket", "Rate", "Token"]

# Seconds. The account source documents waits up to 900 s (docs/upstreams/account.md, "Rate limits"), but it accepts
# calls as soon as its window has room, so a single call that tries earlier costs nothing and may end the pause.
_MAX_PAUSE = 30.0
_RESERVE = 4  # one token of so many is kept for calls that somebody waits for
_INFINITY = float("inf")


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


class Token(msgspec.Struct, eq=False):
    """The right to one call. It is used once: `mark_sent` immediately before the call is written, then `mark_answered`.

    `sent_at` is the time at which the call was written; None until then. `refusals` is how often the source had refused
    a call by then.
    """

    bucket: "Bucket"
    probes: bool
    sent_at: float | None = None
    refusals: int = 0

    def mark_sent(self) -> None:
        """Start the window of the token: the call is written now."""
        if self.sent_at is None:
            self.bucket.start_window(self)

    def mark_answered(self) -> None:
        """Note that the source has responded, so that it has counted the call by now."""
        self.bucket.fix_window(self)

    def release(self) -> bool:
        """Give the token back if its call was not written; return whether it was given back."""
        return self.sent_at is None and self.bucket.give_back(self)


class Bucket:
    """The tokens of one source and credential. Without a rate, tokens are unlimited and only a pause delays calls.

    A token is unavailable while its call waits to be written, and for one window after that. The source counts a call
    when it arrives, which may be later than usual: so the window begins later by the time that the response took
    longer than the fastest one, at most by one window. Until there is a response, it is taken to be the latest.
    """

    def __init__(self, rate: Rate | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._limit = rate.calls if rate else 0
        self._window = rate.seconds + rate.margin if rate else 0.0
        self._clock = clock
        self._unsent = 0  # the number of tokens whose calls are not written yet
        self._unanswered: dict[Token, float] = {}  # with the times at which their calls were written, oldest first
        # The times at which the other tokens become available, in order, each with the time at which it was used.
        self._returning: list[tuple[float, float]] = []
        self._returned: deque[float] = deque()  # the times at which tokens were used that are available again
        self._fastest = float("inf")  # seconds of a fast response
        self._paused_until = float("-inf")
        self._refusals = 0  # the number of pauses because of a 429
        self.is_refused = False  # the source has not accepted a call since the last pause

    @property
    def idle(self) -> bool:
        """Whether a new bucket would behave the same."""
        now = self._clock()
        self._update(now)
        used = self._unsent or self._unanswered or self._returning or self._returned
        return not used and not self.is_refused and self._paused_until <= now

    @property
    def available(self) -> int | None:
        """The number of calls that may be made now; None without a rate and a pause."""
        now = self._clock()
        self._update(now)
        if now < self._paused_until:
            return 0
        return max(0, self._free()) if self._rate else None

    @property
    def limit(self) -> int | None:
        """The calls that may be made in a window, as the source has reported last; None without a rate."""
        return self._limit if self._rate else None

    def wait(self, ahead: int = 0) -> float:
        """Return the seconds until a token is available, if `ahead` other calls take theirs first.

        It is an estimate where it depends on calls that have no response yet.
        """
        now = self._clock()
        self._update(now)
        windows = 0
        available_at = max(now, self._paused_until)
        if self._rate:
            windows, index = divmod(ahead, self._limit)
            index -= self._free()
            if index >= 0:
                available_at = max(available_at, self._return_time(index, now))
        return available_at - now + windows * self._window

    def try_take(self) -> Token | None:
        """Take a token if one is available now; else return None."""
        now = self._clock()
        if now < self._paused_until:
            return None
        if self._rate and self._free() <= 0:
            self._update(now)
            if self._free() <= 0:
                return None
        if self.is_refused:
            # This call probes whether the source accepts calls again. The next one may if there is no response.
            self._paused_until = now + self._pause(None)
        self._unsent += 1
        return Token(self, self.is_refused)

    def try_take_spare(self) -> Token | None:
        """Take a token if one is left beyond the reserve for calls that somebody waits for; else return None.

        The reserve is a quarter of the limit. After a 429, none is left until such a call has been accepted again.
        """
        self._update(self._clock())
        if self.is_refused or (self._rate and self._free() <= self._limit // _RESERVE):
            return None
        return self.try_take()

    def start_window(self, token: Token) -> None:
        """Keep the token unavailable for a window from now on: its call is written now."""
        token.sent_at = now = self._clock()
        token.refusals = self._refusals
        self._unsent -= 1
        if self._rate:
            self._unanswered[token] = now

    def fix_window(self, token: Token) -> None:
        """Set the time at which a token becomes available, after the response to its call."""
        if token.sent_at is None:
            self.start_window(token)
        sent_at = self._unanswered.pop(token, None)
        if sent_at is None:
            return  # no rate, or available again already
        seconds = self._clock() - sent_at
        if seconds < self._fastest:
            self._fastest = seconds
        elif seconds < 2 * self._window:  # later, the token is available again, whether or not `_update` was called
            # It is forgotten slowly, since the way to the source may have become longer.
            self._fastest += (seconds - self._fastest) / 100
        delay = seconds - self._fastest
        if delay > self._window:  # noqa: PLR1730 - CONTRIBUTING.md, "Speed"
            delay = self._window
        insort(self._returning, (sent_at + delay + self._window, sent_at))

    def give_back(self, token: Token) -> bool:
        """Make a token available again whose call was not written and never will be; return True."""
        token.sent_at = float("-inf")
        self._unsent -= 1
        if token.probes and self.is_refused:
            self._paused_until = self._clock()
        return True

    def accept(self, token: Token) -> None:
        """End the pause after a 429, if this call, which the source did not refuse, was written after that 429."""
        if self.is_refused and token.refusals == self._refusals:
            self.is_refused = False
            self._paused_until = self._clock()

    def refuse(self, token: Token, seconds: float | None) -> None:
        """Pause after a 429 to a call, for `seconds` or one window, and let one call probe the source after that.

        A 429 to a call from before an earlier 429 is ignored: it is no evidence that the pause was too short.
        """
        if token.refusals == self._refusals:
            self.is_refused = True
            self._refusals += 1
            self._paused_until = self._clock() + self._pause(seconds)

    def correct(self, reported: Quota, token: Token) -> None:
        """Reduce the available tokens to the quota in the response to the call with this token; never increase them.

        Calls that the source counted and this bucket did not were made by other clients: that many tokens are taken
        for a window. Calls that only this bucket counted have not arrived at the source yet.
        """
        if self._rate is None or token.sent_at is None:
            return
        now = self._clock()
        self._update(now)
        if reported.limit != self._limit:
            self._limit = self._rate.calls if reported.limit is None else min(self._rate.calls, max(1, reported.limit))
        if reported.remaining is None or now - token.sent_at > self._window:
            return  # not reported, or out of date
        others = self._limit - reported.remaining - len(self._unanswered) - len(self._returning)
        if others > 0:
            # When the source sent the response, it may still have counted tokens that are available again by now.
            counted_since = token.sent_at - self._window
            # A token returns one to two windows after it was used: what returned before one that was used so much
            # earlier was not used since either.
            recent = takewhile(lambda sent_at: sent_at > counted_since - self._window, reversed(self._returned))
            others -= sum(1 for sent_at in recent if sent_at > counted_since)
            entry = (now + self._window, now)
            index = bisect_right(self._returning, entry)
            self._returning[index:index] = [entry] * min(self._limit, others)
        if reported.remaining == 0 and reported.reset:
            self._paused_until = max(self._paused_until, now + self._pause(reported.reset))

    def _free(self) -> int:
        """Return the number of available tokens, which is negative after the limit was reduced."""
        return self._limit - self._unsent - len(self._unanswered) - len(self._returning)

    def _return_time(self, index: int, now: float) -> float:
        """Return when the unavailable token with this index becomes available, in the order of these times."""
        unanswered = []
        for sent_at in self._unanswered.values():
            earliest = sent_at + self._window
            unanswered.append(earliest if earliest > now else earliest + self._window)
        times = merge((at for at, _ in self._returning), sorted(unanswered))
        return next(islice(times, index, None), now + self._window)

    def _pause(self, seconds: float | None) -> float:
        return (self._window or 1.0) if seconds is None else min(seconds, _MAX_PAUSE)

    def _update(self, now: float) -> None:
        """Make tokens available whose window has passed."""
        returning, returned = self._returning, self._returned
        while self._unanswered:
            token, sent_at = next(iter(self._unanswered.items()))
            if sent_at + 2 * self._window > now:
                break
            del self._unanswered[token]
            returned.append(sent_at)
        if returning and returning[0][0] <= now:
            count = bisect_right(returning, (now, _INFINITY))
            for _, sent_at in returning[:count]:
                returned.append(sent_at)
            del returning[:count]
        if returned:
            forgotten = now - 3 * self._window
            while returned and returned[0] <= forgotten:
                returned.popleft()
