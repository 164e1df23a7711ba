"""Error behaviors: what happens to a position of the response at which an error occurs.

The client chooses one by the request attribute `onError`, as https://github.com/graphql/graphql-spec/pull/1236 has it.
"""

from enum import StrEnum
from typing import Any

from graphql import GraphQLError, GraphQLNonNull, GraphQLOutputType, GraphQLString
from graphql.execution import Executor as CoreExecutor
from graphql.execution.collect_fields import FieldDetailsList
from graphql.execution.incremental.incremental_executor import IncrementalExecutor
from graphql.pyutils import Path

__all__ = ["CORE_EXECUTORS", "ERROR_BEHAVIORS", "INCREMENTAL_EXECUTORS", "ErrorBehavior"]


class ErrorBehavior(StrEnum):
    """What happens to a position of the response at which an error occurs.

    `NULL`: it is null, also if its type is non-null. `PROPAGATE`: it is null if its type is nullable, otherwise the
    nearest nullable parent is. `HALT`: the execution ends at the first error, which is the only one in the response,
    and the data is null.
    """

    NULL = "NULL"
    PROPAGATE = "PROPAGATE"
    HALT = "HALT"


ERROR_BEHAVIORS = {behavior.value: behavior for behavior in ErrorBehavior}
"""The error behaviors by the names that clients send."""

_NULLABLE = GraphQLString
_NON_NULL = GraphQLNonNull(GraphQLString)


class _NullOnError(CoreExecutor[Any]):
    """Puts null at the position of an error, as if all types were nullable."""

    def handle_field_error(
        self,
        raw_error: Exception,
        return_type: GraphQLOutputType,  # noqa: ARG002 - the behavior is the same for all types
        field_details_list: FieldDetailsList,
        path: Path,
    ) -> None:
        super().handle_field_error(raw_error, _NULLABLE, field_details_list, path)


class _IncrementalNullOnError(_NullOnError, IncrementalExecutor):
    """Does the same in the parts of an incremental delivery."""


class _HaltOnError(CoreExecutor[Any]):
    """Raises every error up to the root, as if all types were non-null, and reports the first one to the context."""

    def handle_field_error(
        self,
        raw_error: Exception,
        return_type: GraphQLOutputType,  # noqa: ARG002 - the behavior is the same for all types
        field_details_list: FieldDetailsList,
        path: Path,
    ) -> None:
        try:
            super().handle_field_error(raw_error, _NON_NULL, field_details_list, path)
        except GraphQLError as error:
            self.context_value.halt(error)
            raise


CORE_EXECUTORS: dict[ErrorBehavior, type[CoreExecutor[Any]]] = {
    ErrorBehavior.NULL: _NullOnError,
    ErrorBehavior.PROPAGATE: CoreExecutor,
    ErrorBehavior.HALT: _HaltOnError,
}
"""The executors for documents without `@defer` and `@stream`."""

INCREMENTAL_EXECUTORS: dict[ErrorBehavior, type[CoreExecutor[Any]]] = CORE_EXECUTORS | {
    ErrorBehavior.NULL: _IncrementalNullOnError,
    ErrorBehavior.PROPAGATE: IncrementalExecutor,
}
"""The executors for all documents. An execution that halts at an error has no parts, so its executor has none."""
