"""Executes by graphql-core: operations that are not compiled, incremental delivery, and subscriptions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any

from graphql import DocumentNode, ExecutionResult, GraphQLError, GraphQLSchema
from graphql import Executor as CoreExecutor
from graphql.execution import create_source_event_stream, experimental_execute_incrementally

from gateway.api.graphql.execution.context import Context
from gateway.api.graphql.execution.error_behavior import INCREMENTAL_EXECUTORS
from gateway.api.graphql.execution.errors import release_frames
from gateway.api.graphql.execution.incremental import StartedCoroutines
from gateway.api.graphql.execution.input_values import variables_error
from gateway.api.graphql.execution.prepared import Prepared
from gateway.api.graphql.execution.request import GraphQLRequest

__all__ = ["CoreExecution"]


class CoreExecution:
    """Executes operations of one schema by graphql-core. `suggestions`: messages may name what the schema has."""

    def __init__(self, schema: GraphQLSchema, *, suggestions: bool) -> None:
        self._schema = schema
        self._suggestions = suggestions

    async def execute(
        self, document: DocumentNode, request: GraphQLRequest, context: Context, root: object = None
    ) -> Any:
        """Return the result of a document that has neither `@defer` nor `@stream`."""
        coroutines = StartedCoroutines()
        try:
            return await self.begin(document, request, context, root, coroutines=coroutines)
        except BaseException:
            await coroutines.close_unstarted()
            raise

    async def begin(
        self,
        document: DocumentNode,
        request: GraphQLRequest,
        context: Context,
        root: object = None,
        *,
        coroutines: StartedCoroutines,
    ) -> Any:
        """Return the result, or the parts of an incremental delivery if the document has `@defer` or `@stream`.

        graphql-core's `execute` refuses a schema that has these directives. The caller closes the `coroutines` that
        never started when the execution has ended, with its last part or an exception.
        """
        executed: Any = experimental_execute_incrementally(
            self._schema,
            document,
            root,
            context,
            request.variables,
            request.operation_name,
            executor_class=INCREMENTAL_EXECUTORS[context.on_error],
            is_awaitable=coroutines.is_awaitable,
            hide_suggestions=not self._suggestions,
        )
        return await executed if isawaitable(executed) else executed

    @asynccontextmanager
    async def events(
        self, prepared: Prepared, request: GraphQLRequest, context: Context
    ) -> AsyncIterator[AsyncIterator[Any]]:
        """Open a subscription and yield its events.

        Raises:
            Exception: the subscription cannot be opened, or ends while it is read.
        """
        executor = CoreExecutor.build(
            self._schema,
            prepared.document,
            None,
            context,
            request.variables,
            request.operation_name,
            hide_suggestions=not self._suggestions,
        )
        if isinstance(executor, list):
            raise self.without_values(executor, prepared, request)[0]
        source: Any = create_source_event_stream(executor)
        events = await source if isawaitable(source) else source
        if isinstance(events, ExecutionResult):
            raise (events.errors or [GraphQLError("There are no events.")])[0]
        try:
            yield events
        finally:
            await events.aclose()

    def without_values(
        self, errors: list[GraphQLError], prepared: Prepared, request: GraphQLRequest
    ) -> list[GraphQLError]:
        """Return the errors of an operation that is not executed; none of them repeats a value of a variable.

        Those of graphql-core for variables that cannot be coerced are replaced by one.
        """
        error = variables_error(
            self._schema,
            prepared.document,
            prepared.operation,
            request.variables or {},
            suggestions=self._suggestions,
        )
        if error is None:
            return errors
        for replaced in errors:
            release_frames(replaced)
        return [error]
