"""How much each caller may ask for: an allowance of cost that comes back evenly (the generic cell rate algorithm).

One instant a caller is all that is kept: when its allowance will be whole again. What is taken moves it
on; how far it lies ahead says how much is taken.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.kit.rate_limit import Allowance

__all__ = ["MemoryRateLimit", "RateSettings", "allowance_of"]

_ROUNDING = 1e-3  # of a unit of cost: sums of fractions of seconds end a little beside the whole


@dataclass(frozen=True, slots=True)
class RateSettings:
    """`limit` is how much may be taken at once; it comes back within `window` seconds. `callers` bounds the memory."""

    limit: int = 100_000
    window: float = 60.0
    callers: int = 100_000


def allowance_of(settings: RateSettings, ahead: float, cost: int, *, allowed: bool) -> Allowance:
    """The allowance of a caller whose limit is whole again in `ahead` seconds, after a charge of that cost."""
    cost_unit = settings.window / settings.limit  # seconds that one unit takes to refill
    spent = min(cost, settings.limit) * cost_unit
    return Allowance(
        allowed=allowed,
        remaining=max(0, int((settings.window - ahead) / cost_unit + _ROUNDING)),
        reset_after=max(0.0, ahead),
        retry_after=0.0 if allowed else max(0.0, ahead + spent - settings.window),
        limit=settings.limit,
        window=settings.window,
    )


class MemoryRateLimit:
    """The allowances in memory. Beyond the bound the caller that was heard of least recently starts anew."""

    def __init__(self, settings: RateSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._whole_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._whole_at)

    async def take(self, caller: str, cost: int) -> Allowance:
        settings, now = self._settings, self._clock()
        ahead = max(0.0, self._whole_at.get(caller, now) - now)
        a_unit = settings.window / settings.limit
        after = ahead + min(cost, settings.limit) * a_unit
        allowed = after <= settings.window + _ROUNDING * a_unit
        if allowed:
            ahead = after
        self._whole_at[caller] = now + ahead
        self._whole_at.move_to_end(caller)
        while len(self._whole_at) > settings.callers:
            self._whole_at.popitem(last=False)
        return allowance_of(settings, ahead, cost, allowed=allowed)
