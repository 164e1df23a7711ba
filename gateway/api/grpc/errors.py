"""How gRPC spells our errors: the status table, details by an allow-list, everything unexpected masked."""

import logging
from collections.abc import Iterable

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from gateway.api.grpc.usergateway.v1 import users_pb2
from gateway.errors import BadUserInput, Code, GatewayError, Internal, Violation

__all__ = ["DOMAIN", "STATUS", "field_path", "partial_errors", "spelled"]

DOMAIN = "usergateway"

STATUS = {
    Code.BAD_USER_INPUT: grpc.StatusCode.INVALID_ARGUMENT,
    Code.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Code.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Code.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Code.CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
    Code.IDEMPOTENCY_CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    Code.IDEMPOTENCY_IN_PROGRESS: grpc.StatusCode.ABORTED,
    Code.RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Code.SOURCE_NOT_CONFIGURED: grpc.StatusCode.FAILED_PRECONDITION,
    Code.SOURCE_CREDENTIALS: grpc.StatusCode.FAILED_PRECONDITION,
    Code.SOURCE_TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
    Code.SOURCE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Code.SOURCE_INVALID_RESPONSE: grpc.StatusCode.INTERNAL,
    Code.INTERNAL: grpc.StatusCode.INTERNAL,
}
"""contract.md, "Errors"."""

_LOG = logging.getLogger("gateway.grpc")
_LONGEST_TEXT = 512  # bytes: clients take 8 KiB of metadata, and a status is in it twice, once as %E6%BC%A2
_MOST_BYTES = 2048  # of violations: what is left of those 8 KiB, with the other trailers
_SOON = 1.0  # seconds: when to come back where the source does not say
_HEADS = {"change": "user", "first": "page_size", "after": "page_token"}


def spelled(error: Exception, request_id: str, where: str) -> status_pb2.Status:
    """The error as a client may see it; a defect of ours goes to the log under the request id."""
    if not isinstance(error, GatewayError) or isinstance(error, Internal):
        _LOG.error("defect in request %s at %s", request_id, where, exc_info=error)
        error = Internal("Something went wrong here. The request id finds it in the log.")
    details: list[any_pb2.Any] = [
        _packed(error_details_pb2.ErrorInfo(reason=error.code.value, domain=DOMAIN, metadata=_metadata(error))),
        _packed(error_details_pb2.RequestInfo(request_id=request_id)),
    ]
    seconds = _retry_after(error)
    if seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromMicroseconds(round(seconds * 1_000_000))
        details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    if error.violations:
        details.append(_packed(_bad_request(error.violations)))
    message = error.spelled(field_path) if isinstance(error, BadUserInput) else error.message
    return status_pb2.Status(code=STATUS[error.code].value[0], message=_cut(message), details=details)


def partial_errors(
    failures: Iterable[tuple[str, Exception]], request_id: str, method: str
) -> list[users_pb2.PartialError]:
    """What could not be looked up, each failure once with all the paths that it kept empty."""
    same: dict[tuple[str, str], users_pb2.PartialError] = {}
    for path, error in failures:
        key = (type(error).__name__, str(error))
        if key not in same:
            same[key] = users_pb2.PartialError(status=spelled(error, request_id, f"{method} {path}"))
        same[key].paths.append(path)
    return list(same.values())


def field_path(violation: Violation) -> str:
    """The field as the client wrote it, e.g. `user.preferences[0].notification_type`."""
    head, *rest = violation.path
    below = "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in rest)
    return f"{_HEADS.get(str(head), head)}{below}"


def _metadata(error: GatewayError) -> dict[str, str]:
    """The allow-listed facts: those that say something, spelled as in GraphQL."""
    origin = error.origin
    said = {
        "source": origin.source and origin.source.upper(),
        "sourceCode": origin.code and _cut(origin.code),
        "sourceMessage": origin.message and _cut(origin.message),
        "sourceRequestId": origin.request_id and _cut(origin.request_id),
        "httpStatus": origin.http_status,
        "retryAfter": error.retry_after,
        "outcome": error.outcome,
    }
    known = {name: str(value) for name, value in said.items() if value is not None}
    return {"retryable": "true" if error.retryable else "false"} | known


def _retry_after(error: GatewayError) -> float | None:
    if error.retry_after is None and error.retryable and error.code in {Code.RATE_LIMITED, Code.SOURCE_UNAVAILABLE}:
        return _SOON
    return error.retry_after


def _bad_request(violations: Iterable[Violation]) -> error_details_pb2.BadRequest:
    """As many violations as metadata has room for."""
    told = error_details_pb2.BadRequest()
    for violation in violations:
        told.field_violations.add(field=_cut(field_path(violation)), description=_cut(violation.message))
        if told.ByteSize() > _MOST_BYTES:
            del told.field_violations[-1]
            break
    return told


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _cut(text: str) -> str:
    encoded = text.encode()
    if len(encoded) <= _LONGEST_TEXT:
        return text
    return f"{encoded[: _LONGEST_TEXT - 3].decode(errors='ignore')}…"
