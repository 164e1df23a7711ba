"""How GraphQL spells our errors: `extensions` by an allow-list, everything unexpected masked."""

import logging
import re
from collections.abc import Iterable
from typing import Any

from graphql import GraphQLError

from gateway.errors import BadUserInput, GatewayError, Internal, Violation

__all__ = ["all_spelled", "extensions", "field_path", "is_spelled", "located", "respelled", "spelled"]

_LOG = logging.getLogger("gateway.graphql")


def spelled(error: GraphQLError, request_id: str) -> GraphQLError:
    """The error as a client may see it; a defect of ours goes to the log under the request id."""
    known = _known(error)
    if known is None:
        _LOG.error("defect in request %s at %s", request_id, error.path, exc_info=error.original_error or error)
        known = Internal("Something went wrong here. The request id finds it in the log.")
    return GraphQLError(
        known.message_with_paths(field_path) if isinstance(known, BadUserInput) else known.message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions(known, request_id),
    )


def is_spelled(error: GraphQLError) -> bool:
    """Whether the error is in our words already."""
    return "code" in (error.extensions or {})


def all_spelled(errors: Iterable[GraphQLError], request_id: str) -> list[GraphQLError]:
    """Errors as a client may see them; those that are already stay."""
    return [error if is_spelled(error) else spelled(error, request_id) for error in errors]


def respelled(part: Any, request_id: str) -> dict[str, Any]:
    """A part of an answer as the incremental delivery proposal's map, its errors as a client may see them."""
    for holder in (part, *(getattr(part, "incremental", None) or ()), *(getattr(part, "completed", None) or ())):
        if getattr(holder, "errors", None):
            holder.errors = all_spelled(holder.errors, request_id)
    formatted: dict[str, Any] = part.formatted
    return formatted


def located(error: Exception) -> GraphQLError:
    """Any exception as GraphQL's."""
    return error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)


def extensions(error: GatewayError, request_id: str) -> dict[str, Any]:
    """The allow-listed extensions of an error: those that say something, and no others."""
    origin = error.origin
    said = {
        "code": error.code.value,
        "source": origin.source and origin.source.upper(),
        "sourceCode": origin.code,
        "sourceMessage": origin.message,
        "sourceRequestId": origin.request_id,
        "httpStatus": origin.http_status,
        "retryAfter": error.retry_after,
        "outcome": error.outcome,
        "violations": [{"field": field_path(one), "message": one.message} for one in error.violations] or None,
        "requestId": request_id,
    }
    return {"retryable": error.retryable} | {name: value for name, value in said.items() if value is not None}


def field_path(violation: Violation) -> str:
    """The field as the client wrote it, e.g. `input.preferences.0.notificationType`."""
    head, *rest = violation.path
    return ".".join(("input" if head == "change" else _camel(head), *map(_camel, rest)))


def _known(error: GraphQLError) -> GatewayError | None:
    original = error.original_error
    if isinstance(original, GatewayError):
        return None if isinstance(original, Internal) else original
    # Without another exception behind it, an error is graphql-core's about the document or its variables.
    return BadUserInput(error.message) if original is None or isinstance(original, GraphQLError) else None


def _camel(name: str | int) -> str:
    return re.sub(r"_([a-z0-9])", lambda hump: hump[1].upper(), str(name))
