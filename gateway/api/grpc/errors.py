"""Translates exceptions into gRPC statuses, with details from an allow-list; unexpected exceptions are masked."""

import logging
from collections.abc import Iterable
from enum import IntEnum

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from gateway.errors import BadUserInput, Code, GatewayError, Internal, Violation
from usergateway.v1 import users_pb2

__all__ = ["DOMAIN", "STATUS", "ProtocolRefusal", "RpcCode", "field_path", "partial_errors", "status_of"]

DOMAIN = "usergateway"


class RpcCode(IntEnum):
    """The codes of gRPC and Connect, by their numbers. grpcio's own enum would import grpcio, also for Connect."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


STATUS = {
    Code.BAD_USER_INPUT: RpcCode.INVALID_ARGUMENT,
    # The next three are about GraphQL documents, which no gRPC call has.
    Code.GRAPHQL_PARSE_FAILED: RpcCode.INVALID_ARGUMENT,
    Code.GRAPHQL_VALIDATION_FAILED: RpcCode.INVALID_ARGUMENT,
    Code.OPERATION_RESOLUTION_FAILURE: RpcCode.INVALID_ARGUMENT,
    Code.UNAUTHENTICATED: RpcCode.UNAUTHENTICATED,
    Code.FORBIDDEN: RpcCode.PERMISSION_DENIED,
    Code.NOT_FOUND: RpcCode.NOT_FOUND,
    Code.CONFLICT: RpcCode.ALREADY_EXISTS,
    Code.IDEMPOTENCY_CONFLICT: RpcCode.FAILED_PRECONDITION,
    Code.IDEMPOTENCY_IN_PROGRESS: RpcCode.ABORTED,
    Code.RATE_LIMITED: RpcCode.RESOURCE_EXHAUSTED,
    Code.SOURCE_NOT_CONFIGURED: RpcCode.FAILED_PRECONDITION,
    Code.SOURCE_CREDENTIALS: RpcCode.FAILED_PRECONDITION,
    Code.SOURCE_TIMEOUT: RpcCode.DEADLINE_EXCEEDED,
    Code.SOURCE_UNAVAILABLE: RpcCode.UNAVAILABLE,
    Code.SOURCE_INVALID_RESPONSE: RpcCode.INTERNAL,
    Code.INTERNAL: RpcCode.INTERNAL,
}
"""The status of each code. It is a part of the API: clients depend on it."""

_LOG = logging.getLogger("gateway.grpc")
# Clients accept 8 KiB of metadata. The message of a status is in it twice, once percent-encoded as %E6%BC%A2.
_MAX_TEXT_BYTES = 512
_MAX_VIOLATION_BYTES = 2048
_DEFAULT_RETRY_AFTER = 1.0  # seconds, where the source states no time
_REQUEST_FIELDS = {"change": "user", "first": "page_size", "after": "page_token"}


class ProtocolRefusal(BadUserInput):
    """A request that gRPC or Connect refuses with another code than that of other invalid requests."""

    def __init__(self, message: str, rpc_code: RpcCode) -> None:
        super().__init__(message)
        self.rpc_code = rpc_code


def status_of(error: Exception, request_id: str, location: str) -> status_pb2.Status:
    """Return the status of an exception; log a defect of the gateway with the request id, and mask it."""
    if not isinstance(error, GatewayError) or isinstance(error, Internal):
        fields = {"request_id": request_id}
        _LOG.error("defect in request %s at %s", request_id, location, exc_info=error, extra=fields)
        error = Internal.masking(error)
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
    message = error.message_with_paths(field_path) if isinstance(error, BadUserInput) else error.message
    code = error.rpc_code if isinstance(error, ProtocolRefusal) else STATUS[error.code]
    return status_pb2.Status(code=code, message=_truncate(message), details=details)


def partial_errors(
    failures: Iterable[tuple[str, Exception]], request_id: str, method: str
) -> list[users_pb2.PartialError]:
    """Return the failed lookups: equal failures as one partial error with all their paths."""
    by_failure: dict[tuple[str, str], users_pb2.PartialError] = {}
    for path, error in failures:
        key = (type(error).__name__, str(error))
        if key not in by_failure:
            by_failure[key] = users_pb2.PartialError(status=status_of(error, request_id, f"{method} {path}"))
        by_failure[key].paths.append(path)
    return list(by_failure.values())


def field_path(violation: Violation) -> str:
    """Return the path of a violation by the names of the request, e.g. `user.preferences[0].notification_type`."""
    first, *rest = violation.path
    suffix = "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in rest)
    return f"{_REQUEST_FIELDS.get(str(first), first)}{suffix}"


def _metadata(error: GatewayError) -> dict[str, str]:
    """Return the permitted facts that are known, by their names in GraphQL."""
    origin = error.origin
    facts = {
        "source": origin.source and origin.source.upper(),
        "sourceCode": origin.code and _truncate(origin.code),
        "sourceMessage": origin.message and _truncate(origin.message),
        "sourceRequestId": origin.request_id and _truncate(origin.request_id),
        "httpStatus": origin.http_status,
        "retryAfter": error.retry_after,
        "outcome": error.outcome,
    }
    known = {name: str(value) for name, value in facts.items() if value is not None}
    return {"retryable": "true" if error.retryable else "false"} | known


def _retry_after(error: GatewayError) -> float | None:
    if error.retry_after is None and error.retryable and error.code in {Code.RATE_LIMITED, Code.SOURCE_UNAVAILABLE}:
        return _DEFAULT_RETRY_AFTER
    return error.retry_after


def _bad_request(violations: Iterable[Violation]) -> error_details_pb2.BadRequest:
    """Return as many violations as the size of metadata permits."""
    bad_request = error_details_pb2.BadRequest()
    for violation in violations:
        bad_request.field_violations.add(
            field=_truncate(field_path(violation)),
            description=_truncate(violation.message),
            reason=violation.rule.name,
        )
        if bad_request.ByteSize() > _MAX_VIOLATION_BYTES:
            del bad_request.field_violations[-1]
            break
    return bad_request


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _truncate(text: str) -> str:
    encoded = text.encode()
    if len(encoded) <= _MAX_TEXT_BYTES:
        return text
    return f"{encoded[: _MAX_TEXT_BYTES - 3].decode(errors='ignore')}…"
