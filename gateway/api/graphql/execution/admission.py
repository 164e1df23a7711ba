"""Whether an operation may begin: what any operation may cost, what its caller may spend, and whose turn it is."""

from contextlib import AbstractAsyncContextManager

from gateway.api.capacity import Capacity, Spent, ratelimit_headers
from gateway.api.graphql.execution.request import RefusedError
from gateway.api.graphql.limits.limits import Guard
from gateway.kit.rate_limit import Allowance

__all__ = ["Admission"]

_PREPARING = 20  # what it costs to read a document that is not known: about the CPU of two lookups


class Admission:
    """The limits on executing documents, those of all operations among them."""

    def __init__(self, guard: Guard, capacity: Capacity) -> None:
        self.guard = guard
        self._capacity = capacity

    def turn(self) -> AbstractAsyncContextManager[None]:
        """What an operation is executed in.

        Raises:
            Overloaded: too many wait already, or it waited too long.
        """
        return self._capacity.turn()

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
        try:
            return await self._capacity.take(caller, price)
        except Spent as spent:
            raise RefusedError(429, spent, ratelimit_headers(spent.allowance)) from None
