"""A GraphQL operation, executed: the one way, whichever surface carries it."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from inspect import isawaitable
from typing import Any

from graphql import DocumentNode, ExecutionResult, GraphQLError, GraphQLSchema, OperationType
from graphql import Executor as CoreExecutor
from graphql.execution import (
    create_source_event_stream,
    experimental_execute_incrementally,
)

from gateway.api.graphql.context import Context, Incoming
from gateway.api.graphql.documents.prepared import Executed, Prepared
from gateway.api.graphql.documents.store import Documents, InvalidDocument
from gateway.api.graphql.errors import is_spelled, spelled
from gateway.api.graphql.request import GraphQLRequest, refusal
from gateway.api.graphql.results import Result

__all__ = ["ANYTHING", "ONE_ANSWER", "READ_ONLY", "Executor"]

READ_ONLY = frozenset({OperationType.QUERY})
ONE_ANSWER = frozenset({OperationType.QUERY, OperationType.MUTATION})
ANYTHING = frozenset(OperationType)


class Executor:
    """Executes operations against one schema.

    A document becomes code where `Documents` could compile it; the rest (introspection, incremental delivery, events)
    is graphql-core's. Every error that leaves is in our words.
    """

    def __init__(self, schema: GraphQLSchema, documents: Documents, *, suggestions: bool = True) -> None:
        self._schema = schema
        self._documents = documents
        self._hide_suggestions = not suggestions

    def check(self, asked: GraphQLRequest, allowed: Collection[OperationType]) -> None:
        """Look at the operation's kind, and at nothing else.

        Raises:
            RefusedError: it is of a kind that is not allowed here.
        """
        with suppress(InvalidDocument):
            _check_kind(self._documents.prepare(asked.query, asked.operation_name), allowed)

    async def execute(
        self, asked: GraphQLRequest, incoming: Incoming, *, allowed: Collection[OperationType] = ONE_ANSWER
    ) -> Result:
        """The one answer to a query or a mutation.

        Raises:
            RefusedError: the operation is of a kind that is not allowed here.
        """
        try:
            prepared = self._documents.prepare(asked.query, asked.operation_name)
        except InvalidDocument as invalid:
            return _invalid(invalid, incoming)
        _check_kind(prepared, allowed)
        return await self._one_answer(prepared, asked, incoming)

    async def stream(self, asked: GraphQLRequest, incoming: Incoming) -> AsyncIterator[Result]:
        """The answers to any operation: one to a query or a mutation, one an event to a subscription.

        It is to be closed by the task that reads it.
        """
        try:
            prepared = self._documents.prepare(asked.query, asked.operation_name)
        except InvalidDocument as invalid:
            yield _invalid(invalid, incoming)
            return
        if prepared.kind is not OperationType.SUBSCRIPTION:
            yield await self._one_answer(prepared, asked, incoming)
            return
        async for result in self._events(prepared, asked, incoming):
            yield result

    async def increments(
        self, asked: GraphQLRequest, incoming: Incoming, *, allowed: Collection[OperationType] = ONE_ANSWER
    ) -> Result | AsyncIterator[dict[str, Any]]:
        """One answer, or its parts as they come where the document asks for that with `@defer` or `@stream`.

        Raises:
            RefusedError: as above.
        """
        try:
            prepared = self._documents.prepare(asked.query, asked.operation_name)
        except InvalidDocument as invalid:
            return _invalid(invalid, incoming)
        _check_kind(prepared, allowed)
        if prepared.incremental is None:
            return await self._one_answer(prepared, asked, incoming)
        return self._parts(prepared, asked, incoming)

    async def _one_answer(self, prepared: Prepared, asked: GraphQLRequest, incoming: Incoming) -> Result:
        context = _context(prepared, asked, incoming)
        try:
            with incoming.bounds():
                if prepared.compiled is not None:
                    executed: Executed = await prepared.compiled.execute(context, asked.variables or {})
                else:
                    executed = await self._by_core(prepared.document, asked, context)
        finally:
            context.loaders.close()
        return _result(executed, context, incoming)

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

    async def _events(self, prepared: Prepared, asked: GraphQLRequest, incoming: Incoming) -> AsyncIterator[Result]:
        """An answer an event, each with loaders of its own: what an event says is read anew."""
        subscribing = _context(prepared, asked, incoming)
        asking = CoreExecutor.build(
            self._schema,
            prepared.document,
            None,
            subscribing,
            asked.variables,
            asked.operation_name,
            hide_suggestions=self._hide_suggestions,
        )
        if isinstance(asking, list):
            yield _result(ExecutionResult(None, asking), subscribing, incoming)
            return
        source: Any = create_source_event_stream(asking)
        events = await source if isawaitable(source) else source
        if isinstance(events, ExecutionResult):
            yield _result(events, subscribing, incoming)
            return
        try:
            while True:
                try:
                    event = await anext(events)
                except StopAsyncIteration:
                    return
                except Exception as error:  # noqa: BLE001 - the end of the stream, told in our words
                    yield Result(errors=_spelled([_located(error)], incoming), executed=False)
                    return
                context = _context(prepared, asked, incoming)
                try:
                    with incoming.bounds():
                        executed = await self._by_core(prepared.document, asked, context, event)
                finally:
                    context.loaders.close()
                yield _result(executed, context, incoming)
        finally:
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()

    async def _parts(
        self, prepared: Prepared, asked: GraphQLRequest, incoming: Incoming
    ) -> AsyncIterator[dict[str, Any]]:
        context = _context(prepared, asked, incoming)
        try:
            with incoming.bounds():
                whole = await self._by_core(prepared.incremental or prepared.document, asked, context)
                if isinstance(whole, ExecutionResult):
                    yield _result(whole, context, incoming).payload()
                    return
                yield _respelled(whole.initial_result, incoming)
                async for part in whole.subsequent_results:
                    yield _respelled(part, incoming)
        finally:
            context.loaders.close()


def _context(prepared: Prepared, asked: GraphQLRequest, incoming: Incoming) -> Context:
    context = Context(incoming, mutations=prepared.mutations)
    context.plan(prepared.plan(asked.variables))
    return context


def _check_kind(prepared: Prepared, allowed: Collection[OperationType]) -> None:
    kind = prepared.kind
    if kind in allowed:
        return
    if kind is OperationType.SUBSCRIPTION:
        raise refusal(400, "Subscribe over a WebSocket, or accept text/event-stream.")
    raise refusal(405, f"A {kind.value} is sent by POST.", ("Allow", "POST"))


def _invalid(invalid: InvalidDocument, incoming: Incoming) -> Result:
    return Result(errors=_spelled(invalid.errors, incoming), executed=False, readable=not invalid.syntax)


def _result(executed: Executed, context: Context, incoming: Incoming) -> Result:
    errors = executed.errors
    extensions = {"idempotency": {"replayed": context.replayed}} if context.replayed else None
    if not errors:
        return Result(executed.data, None, extensions)
    refused = executed.data is None and all(error.path is None for error in errors)
    return Result(executed.data, _spelled(errors, incoming), extensions, executed=not refused)


def _spelled(errors: Sequence[GraphQLError], incoming: Incoming) -> list[GraphQLError]:
    return [error if is_spelled(error) else spelled(error, incoming.request_id) for error in errors]


def _located(error: Exception) -> GraphQLError:
    return error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)


def _respelled(part: Any, incoming: Incoming) -> dict[str, Any]:
    """A part of an answer as the incremental delivery proposal's map, its errors in our words."""
    for holder in (part, *(getattr(part, "incremental", None) or ()), *(getattr(part, "completed", None) or ())):
        if getattr(holder, "errors", None):
            holder.errors = _spelled(holder.errors, incoming)
    formatted: dict[str, Any] = part.formatted
    return formatted
