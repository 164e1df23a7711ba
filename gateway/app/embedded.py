"""GraphQL operations of the program that embeds the gateway."""

from collections.abc import AsyncGenerator

from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError
from gateway.api.graphql.execution.result import Result
from gateway.app.parts import Parts
from gateway.errors import GatewayError, Unauthenticated
from gateway.operation import ANYONE, Principal
from gateway.telemetry.report import RequestReport
from gateway.telemetry.telemetry import Telemetry

__all__ = ["EmbeddedOperations"]


class EmbeddedOperations:
    """Executes GraphQL without a surface, on behalf of the embedding program or of one of its callers.

    A principal has the scopes, limits and allowances that it has on every surface; None stands for the embedding
    program, which may do everything. `timeout` is that of an operation, or of each event of a subscription, in seconds.
    """

    def __init__(self, parts: Parts, telemetry: Telemetry, *, timeout: float) -> None:
        self._parts = parts
        self._telemetry = telemetry
        self._timeout = timeout

    async def execute(
        self,
        request: GraphQLRequest,
        principal: Principal | None,
        idempotency_key: str | None,
        max_seconds: float | None,
    ) -> Result:
        """Execute a query or a mutation; errors are in the result."""
        incoming = self._incoming(principal, idempotency_key, max_seconds)
        executor = self._parts.executor
        with self._telemetry.reporting(incoming.report, {}):
            try:
                incoming.principal.require_valid(self._parts.clock.time())
                return await executor.execute(request, incoming)
            except RefusedError as refused:
                return executor.error_result(refused.error, incoming)
            except Unauthenticated as expired:
                return executor.error_result(expired, incoming)

    async def subscribe(
        self, request: GraphQLRequest, principal: Principal | None, max_seconds: float | None
    ) -> AsyncGenerator[Result]:
        """Execute an operation of any kind, and yield its results; an error that ends it is in the last one."""
        incoming = self._incoming(principal, None, max_seconds)
        with self._telemetry.reporting(incoming.report, {}):
            try:
                incoming.principal.require_valid(self._parts.clock.time())
                async with self._parts.live.follow(request, incoming) as responses:
                    async for response in responses:
                        response.add_to(incoming.report)
                        yield response.result()
            except RefusedError as refused:
                yield self._parts.executor.error_result(refused.error, incoming)
            except GatewayError as error:
                yield self._parts.executor.error_result(error, incoming)

    def _incoming(
        self, principal: Principal | None, idempotency_key: str | None, max_seconds: float | None
    ) -> Incoming:
        parts = self._parts
        acting = ANYONE if principal is None else parts.sources.bind(principal)
        return Incoming(
            parts.users.by(acting),
            RequestReport("python", caller=acting.name),
            idempotency_key,
            self._timeout if max_seconds is None else max_seconds,
            acting,
            parts.events,
            credentials=None if acting is ANYONE else parts.credentials,
            pictures=parts.pictures,
        )
