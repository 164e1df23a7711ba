"""Rate limits of callers in memory, by the generic cell rate algorithm.

Only one instant is stored for each caller: when its allowance will be full again. Each charge moves the instant
forward; its distance from now is the part of the allowance that is taken.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.kit.rate_limit import Allowance

__all__ = ["MemoryRateLimit", "RateSettings", "allowance_of"]

_TOLERANCE = 1e-3  # of a cost unit: a sum of fractions of seconds is not exactly the window


@dataclass(frozen=True, slots=True)
class RateSettings:
    """An allowance of `limit` cost units, which refills evenly within `window` seconds.

    `max_callers` bounds the memory.
    """

    limit: int = 100_000
    window: float = 60.0
    max_callers: int = 100_000


def allowance_of(settings: RateSettings, ahead: float, cost: int, *, allowed: bool) -> Allowance:
    """Return the allowance of a caller whose limit is full again in `ahead` seconds, after a charge of `cost`."""
    cost_unit = settings.window / settings.limit  # seconds that one unit takes to refill
    charge = min(cost, settings.limit) * cost_unit
    return Allowance(
        allowed=allowed,
        remaining=max(0, int((settings.window - ahead) / cost_unit + _TOLERANCE)),
        reset_after=max(0.0, ahead),
        retry_after=0.0 if allowed else max(0.0, ahead + charge - settings.window),
        limit=settings.limit,
        window=settings.window,
    )


class MemoryRateLimit:
    """A `RateLimit` in memory. Beyond `max_callers`, the least recently seen caller starts with a full allowance."""

    def __init__(self, settings: RateSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    async def take(self, caller: str, cost: int) -> Allowance:
        settings, now = self._settings, self._clock()
        ahead = max(0.0, self._full_at.get(caller, now) - now)
        cost_unit = settings.window / settings.limit
        after = ahead + min(cost, settings.limit) * cost_unit
        allowed = after <= settings.window + _TOLERANCE * cost_unit
        if allowed:
            ahead = after
        self._full_at[caller] = now + ahead
        self._full_at.move_to_end(caller)
        while len(self._full_at) > settings.max_callers:
            self._full_at.popitem(last=False)
        return allowance_of(settings, ahead, cost, allowed=allowed)
