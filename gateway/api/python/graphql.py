"""GraphQL operations of the program that embeds the gateway."""

from collections.abc import AsyncGenerator

from msgspec.structs import replace

from gateway.api.graphql.execution.executor import Executor
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError
from gateway.api.graphql.execution.result import Result, error_result
from gateway.api.graphql.live.live import Live
from gateway.api.pictures import PictureLinks
from gateway.api.python.freshness import FreshnessOptions
from gateway.api.python.operations import PythonSurface
from gateway.errors import BadUserInput, GatewayError, Unauthenticated
from gateway.principal import ANYONE, Principal
from gateway.telemetry.report import RequestReport

__all__ = ["GraphQLOperations"]


class GraphQLOperations:
    """Executes GraphQL on behalf of the embedding program or of one of its callers.

    A principal has the scopes, limits and allowances that it has on every surface; None stands for the embedding
    program, which may do everything. `timeout` is that of an operation, or of each event of a subscription, in seconds;
    None: that of the surface. `freshness` states which kept records a query accepts.
    """

    def __init__(self, surface: PythonSurface, executor: Executor, live: Live, pictures: PictureLinks) -> None:
        self._surface = surface
        self._executor = executor
        self._live = live
        self._pictures = pictures

    async def execute(
        self,
        request: GraphQLRequest,
        principal: Principal | None,
        idempotency_key: str | None,
        timeout: float | None,  # noqa: ASYNC109 - a deadline for calls to sources, not a cancellation
        freshness: FreshnessOptions,
    ) -> Result:
        """Execute a query or a mutation; errors are in the result."""
        incoming = self._incoming(principal, idempotency_key, timeout)
        with self._surface.telemetry.reporting(incoming.report, {}):
            try:
                incoming.principal.require_valid(self._surface.now())
                return await self._executor.execute(request, replace(incoming, freshness=freshness.wanted()))
            except RefusedError as refused:
                return error_result(refused.error, incoming)
            except (Unauthenticated, BadUserInput) as error:
                return error_result(error, incoming)

    async def subscribe(
        self,
        request: GraphQLRequest,
        principal: Principal | None,
        timeout: float | None,  # noqa: ASYNC109 - as above
        freshness: FreshnessOptions,
    ) -> AsyncGenerator[Result]:
        """Execute an operation of any kind, and yield its results; an error that ends it is in the last one."""
        incoming = self._incoming(principal, None, timeout)
        with self._surface.telemetry.reporting(incoming.report, {}):
            try:
                incoming.principal.require_valid(self._surface.now())
                incoming = replace(incoming, freshness=freshness.wanted())
                async with self._live.follow(request, incoming) as responses:
                    async for response in responses:
                        response.add_to(incoming.report)
                        yield response.result()
            except RefusedError as refused:
                yield error_result(refused.error, incoming)
            except GatewayError as error:
                yield error_result(error, incoming)

    def _incoming(self, principal: Principal | None, idempotency_key: str | None, timeout: float | None) -> Incoming:
        surface = self._surface
        service = surface.by(ANYONE if principal is None else principal)
        acting = service.principal
        return Incoming(
            service,
            RequestReport("python", caller=acting.name),
            idempotency_key,
            surface.timeout if timeout is None else timeout,
            acting,
            surface.events,
            credentials=None if acting is ANYONE else surface.credentials,
            pictures=self._pictures,
        )
