"""What callers may take of the gateway, by whichever surface: each its allowance, all of them together the gate."""

import math
from contextlib import AbstractAsyncContextManager, nullcontext

from gateway.api.gate import Gate
from gateway.errors import RateLimited
from gateway.kit.rate_limit import Allowance, RateLimit

__all__ = ["Capacity", "Spent", "ratelimit_headers"]


class Spent(RateLimited):
    """The caller has spent what it may for now; nothing was executed."""

    def __init__(self, allowance: Allowance) -> None:
        super().__init__("You have spent what you may for now.", retry_after=allowance.retry_after)
        self.allowance = allowance


class Capacity:
    """Without `rates` a caller may spend what it likes, without a `gate` all go at once."""

    def __init__(self, *, rates: RateLimit | None = None, gate: Gate | None = None) -> None:
        self._rates = rates
        self._gate = gate

    @property
    def counted(self) -> bool:
        """Whether what callers spend is limited."""
        return self._rates is not None

    def turn(self) -> AbstractAsyncContextManager[None]:
        """What an operation is executed in.

        Raises:
            Overloaded: too many wait already, or it waited too long.
        """
        return self._gate if self._gate is not None else nullcontext()

    async def take(self, caller: str, price: int) -> Allowance | None:
        """Charge a caller for an operation; what is left, where that is limited.

        Raises:
            Spent: it has not so much left.
        """
        if self._rates is None:
            return None
        allowance = await self._rates.take(caller, price)
        if not allowance.allowed:
            raise Spent(allowance)
        return allowance


def ratelimit_headers(allowance: Allowance) -> list[tuple[str, str]]:
    """The headers of draft-ietf-httpapi-ratelimit-headers, and `Retry-After` beside a refusal. In whole seconds."""
    headers = [
        ("RateLimit-Policy", f'"default";q={allowance.limit};w={math.ceil(allowance.window)}'),
        ("RateLimit", f'"default";r={allowance.remaining};t={math.ceil(allowance.reset_after)}'),
    ]
    if not allowance.allowed:
        headers.append(("Retry-After", str(max(1, math.ceil(allowance.retry_after)))))
    return headers
