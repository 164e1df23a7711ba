"""Whether an operation may begin: what its caller may spend, what any operation may cost, and whose turn it is."""

from contextlib import AbstractAsyncContextManager, nullcontext

from gateway.api.graphql.limits.guard import Guard
from gateway.api.graphql.request import RefusedError
from gateway.api.web.gate import Gate
from gateway.api.web.ratelimit import Allowance, RateLimit, ratelimit_headers
from gateway.errors import RateLimited

__all__ = ["Admission"]

_PREPARING = 20  # what it costs to read a document that is not known: about the CPU of two lookups


class Admission:
    """The limits on executing. Without `rates` a caller may spend what it likes, without a `gate` all go at once."""

    def __init__(self, guard: Guard, *, rates: RateLimit | None = None, gate: Gate | None = None) -> None:
        self.guard = guard
        self._rates = rates
        self._gate = gate

    def turn(self) -> AbstractAsyncContextManager[None]:
        """What an operation is executed in.

        Raises:
            Overloaded: too many wait already, or it waited too long.
        """
        return self._gate if self._gate is not None else nullcontext()

    async def preparing(self, caller: str) -> None:
        """Charge a caller for a document that has to be read first.

        Raises:
            RefusedError: 429.
        """
        await self._take(caller, _PREPARING)

    async def afford(self, caller: str, price: int) -> Allowance | None:
        """Charge a caller for an operation; what is left, where that is limited.

        Raises:
            BadUserInput: no operation may cost so much.
            RefusedError: 429.
        """
        self.guard.afford(price)
        return await self._take(caller, price)

    async def _take(self, caller: str, price: int) -> Allowance | None:
        if self._rates is None:
            return None
        allowance = await self._rates.take(caller, price)
        if not allowance.allowed:
            error = RateLimited("You have spent what you may for now.", retry_after=allowance.retry_after)
            raise RefusedError(429, error, ratelimit_headers(allowance))
        return allowance
