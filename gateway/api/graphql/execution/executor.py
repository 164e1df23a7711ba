"""A GraphQL operation, executed: the one way, whichever surface carries it."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from inspect import isawaitable
from typing import Any

from graphql import DocumentNode, ExecutionResult, GraphQLError, GraphQLSchema, OperationType
from graphql import Executor as CoreExecutor
from graphql.execution import (
    create_source_event_stream,
    experimental_execute_incrementally,
)
from msgspec.structs import replace

from gateway.api.capacity import AllowanceExceeded, Capacity
from gateway.api.gate import Overloaded
from gateway.api.graphql.execution.context import Context
from gateway.api.graphql.execution.documents import Documents, InvalidDocument
from gateway.api.graphql.execution.errors import all_spelled, located, respelled
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.prepared import Executed, Prepared
from gateway.api.graphql.execution.request import GraphQLRequest, refusal, refused_for
from gateway.api.graphql.execution.result import Result
from gateway.api.graphql.limits.limits import Guard
from gateway.api.graphql.trusted.named import NamedDocuments
from gateway.errors import GatewayError
from gateway.kit.rate_limit import Allowance

__all__ = ["ANYTHING", "ONE_ANSWER", "READ_AND_WATCH", "READ_ONLY", "Executor"]

READ_ONLY = frozenset({OperationType.QUERY})
READ_AND_WATCH = frozenset({OperationType.QUERY, OperationType.SUBSCRIPTION})
ONE_ANSWER = frozenset({OperationType.QUERY, OperationType.MUTATION})
ANYTHING = frozenset(OperationType)

_PREPARATION_COST = 20  # of a document that is not in the cache: it takes about the CPU time of two lookups


class Executor:
    """Executes operations against one schema.

    A document becomes code where `Documents` could compile it; the rest (introspection, incremental delivery, events)
    is graphql-core's. Every error that leaves is in our words.
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
    ) -> None:
        self._schema = schema
        self._documents = documents
        self._guard = guard
        self._capacity = capacity
        self._named = named or NamedDocuments()
        self._names = named is not None
        self._hide_suggestions = not suggestions

    async def resolve(self, asked: GraphQLRequest, incoming: Incoming) -> GraphQLRequest:
        """The request with the text of its document, where it only names one. What is resolved stays as it is.

        Raises:
            RefusedError: there is no such document, it may not be executed here, or its caller has spent too much.
        """
        found = None
        if asked.trusted is None and (self._names or not asked.query):
            try:
                found = await self._named.resolve(asked.document, asked.query or None)
            except GatewayError as error:
                raise refused_for(error) from None
            asked = replace(asked, query=found.text, trusted=found.known)
        if not asked.trusted and not self._documents.knows(asked.query, asked.operation_name):
            try:
                await self._capacity.charge(incoming.caller, _PREPARATION_COST)
            except AllowanceExceeded as error:
                raise refused_for(error) from None
        if found is not None and found.sha256 is not None:
            with suppress(InvalidDocument):
                self._prepared(asked)
                await self._named.keep(found)
        return asked

    def check(self, asked: GraphQLRequest, allowed: Collection[OperationType]) -> None:
        """Look at the kind of a resolved request's operation, and at nothing else.

        Raises:
            RefusedError: it is of a kind that is not allowed here.
        """
        with suppress(InvalidDocument):
            _check_kind(self._prepared(asked), allowed)

    async def execute(
        self, asked: GraphQLRequest, incoming: Incoming, *, allowed: Collection[OperationType] = ONE_ANSWER
    ) -> Result:
        """The one answer to a query or a mutation.

        Raises:
            RefusedError: it is not executed, for a reason that has an HTTP status.
        """
        asked = await self.resolve(asked, incoming)
        prepared = self.prepare(asked, incoming, allowed=allowed)
        if isinstance(prepared, Result):
            return prepared
        return await self.answer(prepared, asked, incoming)

    def prepare(
        self, asked: GraphQLRequest, incoming: Incoming, *, allowed: Collection[OperationType]
    ) -> Prepared | Result:
        """The operation of a resolved request, ready to be executed; or why it cannot be.

        Raises:
            RefusedError: as above.
        """
        try:
            prepared = self._prepared(asked)
        except InvalidDocument as invalid:
            return _invalid(invalid, incoming)
        _check_kind(prepared, allowed)
        return prepared

    async def charge(
        self, prepared: Prepared, asked: GraphQLRequest, incoming: Incoming
    ) -> tuple[int, Allowance | None]:
        """Charge the caller for the operation; return its cost and the caller's allowance.

        Raises:
            RefusedError: it costs more than any operation may, or more than the rest of the allowance.
        """
        cost = prepared.price(asked.variables or {})
        try:
            self._guard.check_cost(cost)
            return cost, await self._capacity.charge(incoming.caller, cost)
        except GatewayError as error:
            raise refused_for(error) from None

    @asynccontextmanager
    async def events(
        self, prepared: Prepared, asked: GraphQLRequest, incoming: Incoming
    ) -> AsyncIterator[AsyncIterator[Any]]:
        """What a subscription is answered for, each with `answer`. Who follows it is charged for by whoever shares it.

        Raises:
            Exception: why there are none, and in the middle of them why they end: `ending` tells it.
        """
        asking = CoreExecutor.build(
            self._schema,
            prepared.document,
            None,
            _context(prepared, asked, incoming),
            asked.variables,
            asked.operation_name,
            hide_suggestions=self._hide_suggestions,
        )
        if isinstance(asking, list):
            raise asking[0]
        source: Any = create_source_event_stream(asking)
        events = await source if isawaitable(source) else source
        if isinstance(events, ExecutionResult):
            raise (events.errors or [GraphQLError("There are no events.")])[0]
        try:
            yield events
        finally:
            await events.aclose()

    def ending(self, error: Exception, incoming: Incoming) -> Result:
        """The last answer to a subscription, where it ends by an error."""
        return Result(errors=all_spelled([located(error)], incoming.request_id), executed=False)

    async def increments(
        self, asked: GraphQLRequest, incoming: Incoming, *, allowed: Collection[OperationType] = ONE_ANSWER
    ) -> Result | AsyncIterator[dict[str, Any]]:
        """One answer, or its parts as they come where the document asks for that with `@defer` or `@stream`.

        Raises:
            RefusedError: as above.
        """
        asked = await self.resolve(asked, incoming)
        prepared = self.prepare(asked, incoming, allowed=allowed)
        if isinstance(prepared, Result):
            return prepared
        if prepared.incremental is None:
            return await self.answer(prepared, asked, incoming)
        await self.charge(prepared, asked, incoming)
        return self._parts(prepared, asked, incoming)

    async def answer(
        self, prepared: Prepared, asked: GraphQLRequest, incoming: Incoming, event: object = None
    ) -> Result:
        """The answer to a query or a mutation, or to one event of a subscription.

        Each has loaders of its own: what an event says is read anew.
        """
        price, allowance = None, None
        if event is None:
            price, allowance = await self.charge(prepared, asked, incoming)
        try:
            with incoming.operation():  # around the wait for its turn too: that is the client's time
                async with self._capacity.slot():
                    context = _context(prepared, asked, incoming)
                    try:
                        if prepared.compiled is not None and event is None:
                            executed: Executed = await prepared.compiled.execute(context, asked.variables or {})
                        else:
                            executed = await self._by_core(prepared.document, asked, context, event)
                    finally:
                        context.loaders.close()
                    result = _result(executed, context, incoming)
        except Overloaded as overloaded:
            raise refused_for(overloaded) from None
        if event is None:
            asked.close()
        if allowance is None and not asked.extensions:
            return result
        return replace(result, allowance=allowance, extensions=self._told(result, asked, price, allowance))

    def _told(
        self, result: Result, asked: GraphQLRequest, price: int | None, allowance: Allowance | None
    ) -> dict[str, Any] | None:
        """The answer's extensions, with what the operation cost where its client wants to know."""
        if asked.extensions.get("cost") is not True or price is None:
            return result.extensions
        cost = {"requested": price, "limit": self._guard.limits.cost}
        if allowance is not None:
            cost["remaining"] = allowance.remaining
        return {**(result.extensions or {}), "cost": cost}

    def _prepared(self, asked: GraphQLRequest) -> Prepared:
        return self._documents.prepare(asked.query, asked.operation_name, trusted=bool(asked.trusted))

    async def _by_core(
        self, document: DocumentNode, asked: GraphQLRequest, context: Context, root: object = None
    ) -> Any:
        """One result for a document without `@defer` and `@stream`: `execute` takes no schema that has them."""
        answer: Any = experimental_execute_incrementally(
            self._schema,
            document,
            root,
            context,
            asked.variables,
            asked.operation_name,
            hide_suggestions=self._hide_suggestions,
        )
        return await answer if isawaitable(answer) else answer

    async def _parts(
        self, prepared: Prepared, asked: GraphQLRequest, incoming: Incoming
    ) -> AsyncIterator[dict[str, Any]]:
        context = _context(prepared, asked, incoming)
        try:
            with incoming.operation():
                async with self._capacity.slot():
                    whole = await self._by_core(prepared.incremental or prepared.document, asked, context)
                    asked.close()  # the root's fields are never deferred, and they alone take files
                    if isinstance(whole, ExecutionResult):
                        yield _result(whole, context, incoming).payload()
                        return
                    first = respelled(whole.initial_result, incoming.request_id)
                    yield first | {"extensions": told} if (told := _replayed(context)) else first
                    async for part in whole.subsequent_results:
                        yield respelled(part, incoming.request_id)
        except Overloaded as overloaded:  # the answer has begun: there is no status left to say it with
            yield self.ending(overloaded, incoming).payload()
        finally:
            context.loaders.close()


def _context(prepared: Prepared, asked: GraphQLRequest, incoming: Incoming) -> Context:
    return Context.of(incoming, prepared.plan(asked.variables), prepared.mutations)


def _check_kind(prepared: Prepared, allowed: Collection[OperationType]) -> None:
    kind = prepared.kind
    if kind in allowed:
        return
    if kind is OperationType.SUBSCRIPTION:
        raise refusal(400, "Subscribe over a WebSocket, or accept text/event-stream.")
    raise refusal(405, f"A {kind.value} is sent by POST.", ("Allow", "POST"))


def _invalid(invalid: InvalidDocument, incoming: Incoming) -> Result:
    return Result(errors=all_spelled(invalid.errors, incoming.request_id), executed=False, readable=not invalid.syntax)


def _result(executed: Executed | ExecutionResult, context: Context, incoming: Incoming) -> Result:
    errors = executed.errors
    extensions = _replayed(context)
    if not errors:
        return Result(executed.data, None, extensions)
    refused = executed.data is None and all(error.path is None for error in errors)
    return Result(executed.data, all_spelled(errors, incoming.request_id), extensions, executed=not refused)


def _replayed(context: Context) -> dict[str, Any] | None:
    return {"idempotency": {"replayed": context.replayed}} if context.replayed else None
