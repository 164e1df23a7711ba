"""The interface of rate limits, and the result of charging one. Amounts are in units of cost, times in seconds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Allowance", "RateLimit"]


@dataclass(frozen=True, slots=True)
class Allowance:
    """The result of one charge: whether it was `allowed`, and how much of the caller's `limit` remains.

    `reset_after`: until the whole limit is available again. `retry_after`: until the same charge would be allowed;
    0 where it was allowed. The limit refills evenly within `window`.
    """

    allowed: bool
    remaining: int
    reset_after: float
    retry_after: float
    limit: int
    window: float


class RateLimit(Protocol):
    """The allowances of all callers. `take_at_once` is `take` without a wait, None where it may have to wait."""

    @property
    def take_at_once(self) -> Callable[[str, int], Allowance] | None: ...

    async def take(self, caller: str, cost: int) -> Allowance:
        """Charge a caller, if at least `cost` of its limit remains; a refused charge takes nothing.

        A cost above the limit takes the whole limit, and is allowed only when the whole limit is available.
        """
