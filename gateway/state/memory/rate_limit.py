"""Rate limits of callers in memory, by the generic cell rate algorithm.

Only one instant is stored for each caller: when its allowance will be full again. Each charge moves the instant
forward; its distance from now is the part of the allowance that is taken.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from gateway.kit.rate_limit import Allowance
from gateway.state.rate_limit import TOLERANCE, RateSettings, allowance_of

__all__ = ["MemoryRateLimit"]


class MemoryRateLimit:
    """A `RateLimit` in memory. Beyond `max_callers`, the least recently seen caller starts with a full allowance."""

    def __init__(self, settings: RateSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    async def take(self, caller: str, cost: int) -> Allowance:
        return self.take_at_once(caller, cost)

    def take_at_once(self, caller: str, cost: int) -> Allowance:
        settings, now = self._settings, self._clock()
        ahead = max(0.0, self._full_at.get(caller, now) - now)
        cost_unit = settings.window / settings.limit
        after = ahead + min(cost, settings.limit) * cost_unit
        allowed = after <= settings.window + TOLERANCE * cost_unit
        if allowed:
            ahead = after
        self._full_at[caller] = now + ahead
        self._full_at.move_to_end(caller)
        while len(self._full_at) > settings.max_callers:
            self._full_at.popitem(last=False)
        return allowance_of(settings, ahead, cost, allowed=allowed)
