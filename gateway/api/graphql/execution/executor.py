"""Executes GraphQL operations for every transport: HTTP, WebSockets, event streams and the embedding API."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from graphql import ExecutionResult, GraphQLSchema, OperationType
from msgspec.structs import replace

from gateway.api.capacity import Capacity
from gateway.api.gate import Overloaded
from gateway.api.graphql.execution.charging import Charging
from gateway.api.graphql.execution.context import Context, freshness_of
from gateway.api.graphql.execution.core import CoreExecution
from gateway.api.graphql.execution.documents import Documents
from gateway.api.graphql.execution.error_behavior import ERROR_BEHAVIORS, ErrorBehavior
from gateway.api.graphql.execution.errors import as_graphql_error, public_errors
from gateway.api.graphql.execution.halting import until_first_error
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.incremental import deliver
from gateway.api.graphql.execution.parts import ComputedParts
from gateway.api.graphql.execution.preparation import QUERY_OR_MUTATION, Preparation
from gateway.api.graphql.execution.prepared import Executed, Prepared
from gateway.api.graphql.execution.ready import ReadyAnswers
from gateway.api.graphql.execution.request import GraphQLRequest, refused_for
from gateway.api.graphql.execution.requested import RequestedExtensions
from gateway.api.graphql.execution.result import Result, result_of
from gateway.api.graphql.limits.limits import Guard
from gateway.api.graphql.trusted.named import NamedDocuments
from gateway.errors import BadUserInput, SourceTimeout
from gateway.principal import READ_CALLS

__all__ = ["Executor"]

_HALT = ErrorBehavior.HALT  # CONTRIBUTING.md, "Speed"


class Executor:
    """Executes operations against one schema.

    Compiled operations run as generated code; graphql-core executes the others, incremental delivery and events. All
    errors in results are such as a client may see. `shows_calls`: every caller may see the calls to sources that its
    operations caused, and not only those with the scope for it.

    `preparation` finds the operations of requests, `charging` charges for them, and `ready_answers` answers those that
    need no wait.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        documents: Documents,
        guard: Guard,
        capacity: Capacity,
        *,
        named: NamedDocuments | None = None,
        suggestions: bool = True,
        shows_calls: bool = False,
    ) -> None:
        self.charging = Charging(guard, capacity)
        self._core = CoreExecution(schema, suggestions=suggestions)
        self.preparation = Preparation(documents, self.charging, named)
        self.ready_answers = ReadyAnswers(self.charging, capacity, self._core)
        self._parts = ComputedParts(self._core, capacity)
        self._capacity = capacity
        self._shows_calls = shows_calls
        self._has_allowances = capacity.has_allowances

    async def execute(
        self, request: GraphQLRequest, incoming: Incoming, *, allowed: Collection[OperationType] = QUERY_OR_MUTATION
    ) -> Result:
        """Execute a query or a mutation.

        Raises:
            RefusedError: it is not executed, for a reason that has an HTTP status.
        """
        request = await self.preparation.resolve(request, incoming)
        prepared = self.preparation.prepare(request, incoming, allowed=allowed)
        if isinstance(prepared, Result):
            return prepared
        return await self.answer(prepared, request, incoming)

    def events(
        self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming
    ) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Open a subscription and yield its events, each to be passed to `answer`. Nothing is charged: see `charging`.

        Raises:
            Exception: the subscription cannot be opened, or ends while it is read; for `error_result`.
        """
        plan, on_error = prepared.plan(request.variables), ERROR_BEHAVIORS[request.on_error]
        return self._core.events(prepared, request, Context.of(incoming, plan, prepared.mutations, on_error))

    async def execute_incrementally(
        self, request: GraphQLRequest, incoming: Incoming, *, allowed: Collection[OperationType] = QUERY_OR_MUTATION
    ) -> Result | AsyncGenerator[dict[str, Any]]:
        """Return one result, or the parts of it if the document requests them with `@defer` or `@stream`.

        The parts end at the timeout of the operation, also if they are read slowly.

        Raises:
            RefusedError: it is not executed, for a reason that has an HTTP status.
        """
        request = await self.preparation.resolve(request, incoming)
        prepared = self.preparation.prepare(request, incoming, allowed=allowed)
        if isinstance(prepared, Result):
            return prepared
        if prepared.stream_counts is None or request.on_error == _HALT:  # which no part can precede
            return await self.answer(prepared, request, incoming)
        try:
            prepared.stream_counts.check(request.variables or {})
        except BadUserInput as error:
            raise refused_for(error) from None
        requested = self._requested(request, incoming)
        cost, allowance = await self.charging.operation(prepared, request, incoming)
        if requested is not None:
            requested.charged(cost, self.charging.max_cost, allowance)

        def timed_out() -> Mapping[str, Any]:
            error = SourceTimeout(f"The response was not complete within {incoming.timeout:g} s.")
            return public_errors([as_graphql_error(error)], incoming.report)[0].formatted

        parts = self._parts.of(prepared, request, incoming, requested)
        return deliver(parts, max_seconds=incoming.timeout, timed_out=timed_out)

    async def answer(
        self, prepared: Prepared, request: GraphQLRequest, incoming: Incoming, event: object = None
    ) -> Result:
        """Execute a query, a mutation, or a subscription for one event, with new loaders.

        Raises:
            RefusedError: it costs too much, or there is no slot for it.
        """
        requested = self._requested(request, incoming) if request.extensions else None
        allowance = None
        if event is None:
            if self._has_allowances:
                cost, allowance = await self.charging.execution(prepared, request, incoming)
            else:
                cost = self.charging.cost(prepared, request)
            if requested is not None:
                requested.charged(cost, self.charging.max_cost, allowance)
        freshness = freshness_of(prepared.operation_type, request, incoming)
        capacity, identity = self._capacity, incoming.principal.identity
        try:
            with incoming.operation(requested.recorder if requested else incoming.report.calls, freshness):
                if not capacity.try_enter(identity):
                    await capacity.enter(identity)  # the timeout includes the wait
                try:
                    plan, on_error = prepared.plan(request.variables), ERROR_BEHAVIORS[request.on_error]
                    context = Context.of(incoming, plan, prepared.mutations, on_error, freshness)
                    try:
                        executed = await self._execution(prepared, request, context, event)
                    finally:
                        context.loaders.close()
                    if requested is not None:
                        await requested.settle()
                    result = result_of(executed, context, prepared, request, self._core)
                finally:
                    capacity.leave(identity)
        except Overloaded as overloaded:
            raise refused_for(overloaded) from None
        if event is None and request.files:
            request.close()
        if allowance is None and requested is None:
            return result
        extensions = requested.added_to(result.extensions) if requested is not None else result.extensions
        return replace(result, allowance=allowance, extensions=extensions)

    def _execution(
        self, prepared: Prepared, request: GraphQLRequest, context: Context, event: object
    ) -> Coroutine[Any, Any, Executed | ExecutionResult]:
        """Return the execution of an operation by generated code, or by graphql-core."""
        execution: Coroutine[Any, Any, Executed | ExecutionResult]
        if prepared.compiled is not None and event is None:
            execution = prepared.compiled.execute(context, request.variables or {})
        else:
            execution = self._core.execute(prepared.document, request, context, event)
        return until_first_error(execution, context) if context.on_error is _HALT else execution

    def _requested(self, request: GraphQLRequest, incoming: Incoming) -> RequestedExtensions | None:
        """Return the extensions that the client may have requested; None without a trace of that."""
        if not request.extensions:
            return None
        may_see_calls = self._shows_calls or READ_CALLS in incoming.principal.scopes
        return RequestedExtensions(request, incoming.report.calls, may_see_calls=may_see_calls)
