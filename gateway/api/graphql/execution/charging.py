"""Charges callers for operations and their preparation."""

from gateway.api.capacity import AllowanceExceeded, Capacity
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.prepared import Prepared
from gateway.api.graphql.execution.request import GraphQLRequest, refused_for
from gateway.api.graphql.limits.limits import Guard
from gateway.errors import GatewayError
from gateway.kit.rate_limit import Allowance

__all__ = ["Charging"]

# Of a document that is not in the cache: it takes about the CPU time of two lookups, and a long one more.
_PREPARATION_COST = 20
_CHARACTERS_PER_COST = 100


class Charging:
    """Charges the callers of one gateway. Each method raises RefusedError if the rest of the allowance is too small."""

    def __init__(self, guard: Guard, capacity: Capacity) -> None:
        self._guard = guard
        self._capacity = capacity

    @property
    def max_cost(self) -> int:
        """What one operation may cost."""
        return self._guard.limits.cost

    async def preparation(self, request: GraphQLRequest, incoming: Incoming) -> Allowance | None:
        """Charge for parsing, validating and compiling the document of a request."""
        length = min(len(request.query), self._guard.limits.length)  # a longer text is refused without being parsed
        try:
            return await self._capacity.charge(incoming.caller, max(_PREPARATION_COST, length // _CHARACTERS_PER_COST))
        except AllowanceExceeded as error:
            raise refused_for(error) from None

    async def compilation(self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming) -> Allowance | None:
        """Charge for compiling: each combination of values in `@skip` and `@include` needs another program."""
        if prepared.compiled is None or not prepared.compiled.needs_compiling(request.variables or {}):
            return None
        return await self.preparation(request, incoming)

    async def operation(
        self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming
    ) -> tuple[int, Allowance | None]:
        """Charge for the execution of an operation; return its cost and the caller's allowance.

        Raises:
            RefusedError: also as `cost`.
        """
        cost = self.cost(prepared, request)
        try:
            return cost, await self._capacity.charge(incoming.caller, cost)
        except GatewayError as error:
            raise refused_for(error) from None

    async def execution(
        self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming
    ) -> tuple[int, Allowance | None]:
        """Do the same, and charge for what has to be compiled before the execution."""
        cost, allowance = await self.operation(prepared, request, incoming)
        return cost, await self.compilation(prepared, request, incoming) or allowance

    def at_once(self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming) -> Allowance | None:
        """Do the same for an operation that needs no compiling, where `Capacity.is_immediate`."""
        cost = self.cost(prepared, request)
        try:
            return self._capacity.charge_at_once(incoming.caller, cost)
        except GatewayError as error:
            raise refused_for(error) from None

    def cost(self, prepared: Prepared, request: GraphQLRequest) -> int:
        """Return what the execution of an operation costs.

        Raises:
            RefusedError: its variables have too many values, or it costs more than any operation may.
        """
        variables = request.variables or {}
        try:
            self._guard.check_variables(prepared.variable_names, variables)
            fixed = prepared.price.fixed  # that of most operations does not depend on variables
            cost = prepared.price(variables) if fixed is None else fixed
            self._guard.check_cost(cost)
        except GatewayError as error:
            raise refused_for(error) from None
        return cost
