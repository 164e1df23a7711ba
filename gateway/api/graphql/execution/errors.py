"""GraphQL errors as clients may see them: `extensions` from an allow-list, and unexpected exceptions masked."""

import logging
import re
from collections.abc import Iterable
from typing import Any, Self

from graphql import GraphQLError

from gateway.errors import BadUserInput, GatewayError, Internal, Rule, Violation
from gateway.telemetry.report import RequestReport

__all__ = [
    "ClientName",
    "as_graphql_error",
    "extensions",
    "field_path",
    "is_public",
    "public_error",
    "public_errors",
    "public_part",
    "release_frames",
]

_LOG = logging.getLogger("gateway.graphql")
_MAX_NAME = 64  # characters
# graphql-core's message about an argument that only the variables make invalid: null where a value is required.
_ARGUMENT = re.compile(r"Argument '(\w+)' has invalid value(?: at ([\w.\[\]]+))?: ")


class ClientName(str):
    """A name as the client wrote it, which is not translated to the spelling of the API."""

    __slots__ = ()

    @classmethod
    def of(cls, name: str) -> Self:
        """Return a name; a long one is abbreviated."""
        return cls(name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…")


def public_error(error: GraphQLError, request_id: str) -> GraphQLError:
    """Return the error as a client may see it; a defect of the gateway is masked, and logged with the request id."""
    cause = _cause(error)
    if cause is None:
        defect, fields = error.original_error or error, {"request_id": request_id}
        _LOG.error("defect in request %s at %s", request_id, error.path, exc_info=defect, extra=fields)
        cause = Internal.masking(defect)
    release_frames(error)
    return GraphQLError(
        cause.message_with_paths(field_path) if isinstance(cause, BadUserInput) else cause.message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions(cause, request_id),
    )


def release_frames(error: BaseException) -> None:
    """Remove the tracebacks of an exception and of all behind it.

    Their frames refer to the request and to its errors, so that a whole request of up to 1 MiB would be kept in a
    reference cycle until the next garbage collection.
    """
    remaining: list[BaseException | None] = [error]
    seen: set[int] = set()
    while remaining:
        current = remaining.pop()
        if current is not None and id(current) not in seen:
            seen.add(id(current))
            current.__traceback__ = None
            remaining += (current.__cause__, current.__context__, getattr(current, "original_error", None))


def is_public(error: GraphQLError) -> bool:
    """Return whether `public_error` made the error."""
    return "code" in (error.extensions or {})


def public_errors(errors: Iterable[GraphQLError], report: RequestReport) -> list[GraphQLError]:
    """Return errors as a client may see them; the report of the request gets their codes."""
    public = []
    for error in errors:
        if isinstance(error.original_error, GatewayError):
            report.add_error(error.original_error)
        shown = error if is_public(error) else public_error(error, report.request_id)
        report.add_code((shown.extensions or {})["code"])
        public.append(shown)
    return public


def public_part(part: Any, report: RequestReport) -> dict[str, Any]:
    """Return a part of an incremental delivery as the proposal's map, its errors as a client may see them."""
    for holder in (part, *(getattr(part, "incremental", None) or ()), *(getattr(part, "completed", None) or ())):
        if getattr(holder, "errors", None):
            holder.errors = public_errors(holder.errors, report)
    formatted: dict[str, Any] = part.formatted
    return formatted


def as_graphql_error(error: Exception) -> GraphQLError:
    """Return the exception, wrapped in a GraphQL error unless it is one."""
    return error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)


def extensions(error: GatewayError, request_id: str) -> dict[str, Any]:
    """Return the `extensions` of an error: the entries of the allow-list that have a value."""
    origin = error.origin
    entries = {
        "code": error.code.value,
        "source": origin.source and origin.source.upper(),
        "sourceCode": origin.code,
        "sourceMessage": origin.message,
        "sourceRequestId": origin.request_id,
        "httpStatus": origin.http_status,
        "retryAfter": error.retry_after,
        "outcome": error.outcome,
        "violations": [_public_violation(violation) for violation in error.violations] or None,
        "requestId": request_id,
    }
    return {"retryable": error.retryable} | {name: value for name, value in entries.items() if value is not None}


def _public_violation(violation: Violation) -> dict[str, Any]:
    """Return a violation with its rule and the bounds of that, by name."""
    return {
        "field": field_path(violation),
        "message": violation.message,
        "rule": violation.rule.value,
        **violation.bounds,
    }


def field_path(violation: Violation) -> str:
    """Return the field as the client spelled it, e.g. `input.preferences.0.notificationType`."""
    head, *rest = violation.path
    return ".".join(("input" if head == "change" else _camel(head), *map(_camel, rest)))


def _cause(error: GraphQLError) -> GatewayError | None:
    """Return the gateway's error behind the error; None for a defect."""
    original = error.original_error
    if isinstance(original, GatewayError):
        return None if isinstance(original, Internal) else original
    if original is not None and not isinstance(original, GraphQLError):
        return None
    # Without another exception behind it, an error is graphql-core's about the values of variables. Its message may
    # contain them.
    if argument := _ARGUMENT.match(error.message):
        inner = re.findall(r"\w+", argument[2] or "")
        return BadUserInput.at((argument[1], *inner), "must not be null", Rule.NOT_NULL)
    return BadUserInput("The values of the variables are not valid.") if error.path is None else None


def _camel(name: str | int) -> str:
    if isinstance(name, ClientName):
        return str(name)
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), str(name))
