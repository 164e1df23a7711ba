"""The result of an operation."""

from typing import Any

import msgspec
from graphql import ExecutionResult, GraphQLError

from gateway.api.graphql.execution.context import Context
from gateway.api.graphql.execution.core import CoreExecution
from gateway.api.graphql.execution.errors import as_graphql_error, public_errors
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.prepared import Executed, Prepared
from gateway.api.graphql.execution.request import GraphQLRequest
from gateway.kit.rate_limit import Allowance

__all__ = ["Result", "error_result", "replay_extensions", "result_of"]


class Result(msgspec.Struct, frozen=True):
    """The answer to an operation; its errors are such as a client may see.

    `executed` is False if it was refused before: then the response has no `data`, not even null. `readable` is False if
    the document has a syntax error. `allowance` is that of the caller, where allowances are configured.
    `cache_status` states how far the answer is what was kept, as `Cache-Status` does (RFC 9211).
    """

    data: Any = None
    errors: list[GraphQLError] | None = None
    extensions: dict[str, Any] | None = None
    executed: bool = True
    readable: bool = True
    allowance: Allowance | None = None
    cache_status: str | None = None

    def payload(self) -> dict[str, Any]:
        """Return the response map of the GraphQL specification."""
        payload: dict[str, Any] = {}
        if self.errors:
            payload["errors"] = [error.formatted for error in self.errors]
        if self.executed:
            payload["data"] = self.data
        if self.extensions:
            payload["extensions"] = self.extensions
        return payload


def result_of(
    executed: Executed | ExecutionResult,
    context: Context,
    prepared: Prepared,
    request: GraphQLRequest,
    core: CoreExecution,
) -> Result:
    """Return the result of an execution, with such errors as a client may see."""
    errors = executed.errors
    extensions = replay_extensions(context) if context.replayed else None
    freshness = context.stale.report
    if freshness.stale and executed.data is not None:
        extensions = context.stale.added_to(extensions, executed.data)
    status = freshness.cache_status
    if not errors:
        return Result(executed.data, None, extensions, cache_status=status)
    refused = executed.data is None and all(error.path is None for error in errors)
    if refused:
        errors = core.without_values(errors, prepared, request)
    shown = public_errors(errors, context.incoming.report)
    return Result(executed.data, shown, extensions, executed=not refused, cache_status=status)


def error_result(error: Exception, incoming: Incoming) -> Result:
    """Return the result of an operation that was refused, or of a subscription that ends with this error."""
    return Result(errors=public_errors([as_graphql_error(error)], incoming.report), executed=False)


def replay_extensions(context: Context) -> dict[str, Any] | None:
    """Return the extensions that list the changes whose result was stored under their idempotency key."""
    return {"idempotency": {"replayed": context.replayed}} if context.replayed else None
