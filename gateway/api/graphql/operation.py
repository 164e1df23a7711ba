"""What happens around every operation: a context of its own, its plan, and its errors in our words."""

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

from graphql import GraphQLError, OperationDefinitionNode, OperationType, get_operation_ast, parse
from strawberry.extensions import SchemaExtension

from gateway.api.graphql.context import Context, Incoming
from gateway.api.graphql.errors import spelled
from gateway.api.graphql.selections import selection_of
from gateway.users.planning import plan

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
        result = self.execution_context.result
        errors = getattr(result, "errors", None)
        if result is not None and errors:
            result.errors = [spelled(error, incoming.request_id) for error in errors]

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
        document = execution.graphql_document
        operation = document and get_operation_ast(document, execution.operation_name)
        if document is not None and isinstance(operation, OperationDefinitionNode):
            selection = selection_of(document, operation, execution.variables)
            context.plan(plan(selection, _ROOTS.get(operation.operation, "")))
            context.mutations = _mutations(operation)
        yield


def _mutations(operation: OperationDefinitionNode) -> int:
    """How many changes the operation may hold; a fragment counts as several."""
    if operation.operation is not OperationType.MUTATION:
        return 0
    return sum(1 if node.kind == "field" else 2 for node in operation.selection_set.selections)
