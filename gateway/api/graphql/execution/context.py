"""The context of one GraphQL operation, as the resolvers get it."""

from asyncio import Future

import msgspec
from graphql import GraphQLError, OperationType

from gateway.api.graphql.execution.error_behavior import ErrorBehavior
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.request import GraphQLRequest
from gateway.api.graphql.execution.stale_positions import StalePositions
from gateway.freshness import Freshness, FreshnessReport
from gateway.users.loaders import Loaders
from gateway.users.planning import Plan
from gateway.users.service import UserService

__all__ = ["Context", "freshness_of"]

_QUERY, _MUTATION = OperationType.QUERY, OperationType.MUTATION  # CONTRIBUTING.md, "Speed"


# One is created for each operation: a dataclass would take several times as long.
class Context(msgspec.Struct, eq=False):
    """The state of one operation; each operation of a WebSocket and each event of a subscription has a new one.

    `mutations` is how many mutations the operation may have. `replayed` lists the response names of those whose result
    was stored under their idempotency key. `first_error` is set to the first error of an operation that halts there.
    `stale` collects the positions of records past their lifetime.
    """

    incoming: Incoming
    service: UserService
    loaders: Loaders
    stale: StalePositions
    mutations: int = 0
    on_error: ErrorBehavior = ErrorBehavior.PROPAGATE
    first_error: "Future[GraphQLError] | None" = None
    replayed: list[str] = []

    @classmethod
    def of(
        cls,
        incoming: Incoming,
        plan: Plan,
        mutations: int = 0,
        on_error: ErrorBehavior = ErrorBehavior.PROPAGATE,
        freshness: FreshnessReport | None = None,
    ) -> "Context":
        """Create the context of an operation with loaders for its plan."""
        service = incoming.service
        stale = StalePositions(FreshnessReport() if freshness is None else freshness)
        return cls(incoming, service, service.loaders(plan), stale, mutations, on_error)

    def halt(self, error: GraphQLError) -> None:
        """Halt the operation at this error, unless it was halted at an earlier one."""
        if self.first_error is not None and not self.first_error.done():
            self.first_error.set_result(error)

    def key(self, argument: str | None, response_name: str) -> str | None:
        """Return the idempotency key of one mutation: that of its argument, else the one from the header.

        If the operation has several mutations, each gets a key derived from the header's and its response name: with
        one key, the second change would be taken for a repetition of the first.
        """
        header = self.incoming.idempotency_key
        if argument or not header:
            return argument
        return header if self.mutations < 2 else f"{header}/{response_name}"  # noqa: PLR2004 - several


def freshness_of(operation_type: OperationType, request: GraphQLRequest, incoming: Incoming) -> FreshnessReport:
    """Return the report for one execution of an operation of this type, with what the caller accepts.

    `cacheControl` in the `extensions` of the request replaces the header: a WebSocket has none for each operation.
    """
    wanted = incoming.freshness
    if request.extensions and isinstance(directives := request.extensions.get("cacheControl"), str):
        wanted = Freshness.parse(directives)
    if operation_type is _QUERY:
        return FreshnessReport(wanted)
    return FreshnessReport.of_change(wanted) if operation_type is _MUTATION else FreshnessReport.of_event()
