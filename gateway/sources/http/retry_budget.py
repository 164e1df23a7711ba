"""The process's budget of second tries: a share of the calls, so that retries never become the load.

At most `ratio` of all calls (issue 4: 20 %), and a floor of a few a second, so that a quiet gateway
retries too. Hedged reads spend from it as well.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["BudgetSettings", "RetryBudget"]


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """`ratio` of the calls and `floor` a second; at most `most` can be saved up from the calls."""

    ratio: float = 0.2
    floor: float = 3.0
    most: int = 50


class RetryBudget:
    """One for the process: made once and given to the pipeline of every source."""

    def __init__(
        self,
        settings: BudgetSettings = BudgetSettings(),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._clock = clock
        # Counted in calls, not in retries: sums of whole numbers are exact.
        self._price = 1 / settings.ratio if settings.ratio else float("inf")
        self._most = settings.most * self._price
        self._calls = 0.0
        self._floor = settings.floor
        self._at = clock()

    def called(self) -> None:
        """A call was made that is no retry."""
        self._calls = min(self._calls + 1, self._most)

    def spend(self) -> bool:
        """Whether one more try is within the budget; if so it is taken from it."""
        now = self._clock()
        self._floor = min(self._settings.floor, self._floor + (now - self._at) * self._settings.floor)
        self._at = now
        if self._calls >= self._price:
            self._calls -= self._price
            return True
        if self._floor >= 1:
            self._floor -= 1
            return True
        return False
