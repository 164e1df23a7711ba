"""The settings of rate limits, and the arithmetic that both stores have in common."""

from dataclasses import dataclass

from gateway.kit.rate_limit import Allowance

__all__ = ["TOLERANCE", "RateSettings", "allowance_of"]

TOLERANCE = 1e-3  # of a cost unit: a sum of fractions of seconds is not exactly the window


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
        remaining=max(0, int((settings.window - ahead) / cost_unit + TOLERANCE)),
        reset_after=max(0.0, ahead),
        retry_after=0.0 if allowed else max(0.0, ahead + charge - settings.window),
        limit=settings.limit,
        window=settings.window,
    )
