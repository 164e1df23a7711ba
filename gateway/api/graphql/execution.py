"""One GraphQL document, executed: the way that HTTP and embedding programs share."""

from collections.abc import Iterable
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from gateway.api.graphql.context import Incoming
from gateway.api.graphql.errors import is_spelled, spelled

__all__ = ["execute"]

_ANYTHING = frozenset({OperationType.QUERY, OperationType.MUTATION})


async def execute(
    schema: strawberry.Schema,
    incoming: Incoming,
    query: str,
    variables: dict[str, Any] | None,
    operation_name: str | None,
    *,
    allowed: Iterable[OperationType] = _ANYTHING,
) -> ExecutionResult:
    """The result, every error of it in our words.

    Raises:
        InvalidOperationTypeError: the operation is of a kind that is not allowed here.
    """
    try:
        result = await schema.execute(
            query,
            variable_values=variables,
            context_value=incoming,
            operation_name=operation_name,
            allowed_operation_types=allowed,
        )
    except (MissingQueryError, CannotGetOperationTypeError) as error:
        known = GraphQLError(str(error) or "There is no operation of that name.")
        return ExecutionResult(data=None, errors=[spelled(known, incoming.request_id)])
    if not isinstance(result, ExecutionResult):  # pragma: no cover - incremental delivery is not switched on
        raise TypeError(type(result))
    # What fails before an operation has its context is not spelled there.
    result.errors = result.errors and [
        error if is_spelled(error) else spelled(error, incoming.request_id) for error in result.errors
    ]
    return result
