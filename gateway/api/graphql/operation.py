"""What happens around every operation: a context of its own, its plan, and its errors in our words."""

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

from graphql import GraphQLError, OperationDefinitionNode, OperationType, get_operation_ast, parse
from strawberry.extensions import SchemaExtension

from gateway.api.graphql.context import Context, Incoming
from gateway.api.graphql.errors import is_spelled, spelled
from gateway.api.graphql.selections import selection_of
from gateway.users.planning import Plan, plan

__all__ = ["Operation"]

_DOCUMENTS = 1000  # parsed documents that are kept
_parsed = lru_cache(_DOCUMENTS)(parse)
_ROOTS = {OperationType.QUERY: "Query", OperationType.MUTATION: "Mutation"}


class Operation(SchemaExtension):
    """Strawberry keeps one context for a whole WebSocket; here each operation on it gets its own."""

    def on_operation(self) -> Iterator[None]:
        incoming: Incoming = self.execution_context.context
        context = self.execution_context.context = Context(incoming)
        try:
            with incoming.bounds():
                yield
        finally:
            context.loaders.close()
        _spell(self.execution_context.result, incoming.request_id)

    def on_stream_result(self, result: Any) -> Iterator[None]:
        # A socket is sent its result before the operation ends.
        context = self.execution_context.context
        _spell(result, (context.incoming if isinstance(context, Context) else context).request_id)
        yield

    def get_results(self) -> dict[str, Any]:
        context = self.execution_context.context
        replayed = context.replayed if isinstance(context, Context) else []
        return {"idempotency": {"replayed": replayed}} if replayed else {}

    def on_parse(self) -> Iterator[None]:
        # Not Strawberry's ParserCache: an error raised in there ends the operation past `on_operation`.
        # One that is left to the schema, which parses again, is reported like any other.
        with suppress(GraphQLError):
            self.execution_context.graphql_document = _parsed(self.execution_context.query or "")
        yield

    def on_execute(self) -> Iterator[None]:
        execution = self.execution_context
        context: Context = execution.context
        if execution.graphql_document is not None and execution.query:
            switches = frozenset(
                (name, value) for name, value in (execution.variables or {}).items() if isinstance(value, bool)
            )
            planned, context.mutations = _planned(execution.query, execution.operation_name, switches)
            context.plan(planned)
        yield


@lru_cache(_DOCUMENTS)  # 3 % of a `user(id)`: a selection depends on the document and on what `@include` may look at
def _planned(query: str, name: str | None, switches: frozenset[tuple[str, bool]]) -> tuple[Plan, int]:
    """The plan of a document's operation, and how many changes it may hold."""
    document = _parsed(query)
    operation = get_operation_ast(document, name)
    if not isinstance(operation, OperationDefinitionNode):
        return Plan(), 0
    selection = selection_of(document, operation, dict(switches))
    return plan(selection, _ROOTS.get(operation.operation, "")), _mutations(operation)


def _spell(result: Any, request_id: str) -> None:
    errors = getattr(result, "errors", None)
    if errors:
        result.errors = [error if is_spelled(error) else spelled(error, request_id) for error in errors]


def _mutations(operation: OperationDefinitionNode) -> int:
    """How many changes the operation may hold; a fragment counts as several."""
    if operation.operation is not OperationType.MUTATION:
        return 0
    return sum(1 if node.kind == "field" else 2 for node in operation.selection_set.selections)
