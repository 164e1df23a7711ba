"""The exceptions for failed calls: for statuses outside 2xx, and for connections that fail."""

import errno
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from gateway.errors import (
    BadUserInput,
    Conflict,
    GatewayError,
    NotFound,
    Origin,
    Outcome,
    RateLimited,
    SourceCredentials,
    SourceInvalidResponse,
    SourceTimeout,
    SourceUnavailable,
    Violation,
)
from gateway.kit.source_titles import titled
from gateway.sources.http.causes import failed_call, failed_connection
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.redaction import redaction_for

__all__ = [
    "NoTimeError",
    "OutOfDescriptorsError",
    "SourceErrorBody",
    "caller_retry_after",
    "connect_error",
    "disconnected_error",
    "not_http_error",
    "out_of_descriptors",
    "redact",
    "retry_after",
    "source_error",
    "timeout_error",
    "too_large_error",
    "truncated_error",
    "unreachable_error",
]

_CREDENTIALS = frozenset({401, 402, 403})
_BAD_INPUT = frozenset({400, 413, 415, 422})
_TIMEOUTS = frozenset({408, 504})
# Documented statuses by which a source states that it did not execute a change. After all others it may have executed
# it: after 408 and 499 (docs/upstreams/account.md, "Errors"), and after every other 5xx.
_REFUSALS = frozenset({400, 401, 402, 403, 404, 405, 409, 410, 413, 415, 422, 501, 503})
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})
_MAX_RETRY_AFTER = 86_400.0  # seconds; a longer wait is cut to a day, and so is a number too large for a float


@dataclass(frozen=True, slots=True)
class SourceErrorBody:
    """The contents of an error body, in a form common to all sources.

    `documented` is whether the source documents the status, and the body has the form that it documents; if not, the
    response may be that of a proxy.
    """

    documented: bool = False
    code: str | None = None
    message: str | None = None
    request_id: str | None = None
    violations: tuple[Violation, ...] = ()


def source_error(request: Request, response: Response, body: SourceErrorBody) -> GatewayError:  # noqa: PLR0911 - a table, row by row
    """Return the exception for a status outside 2xx.

    A change was not executed if the source refused it in the way that it documents, or anything on the way responded
    with 429. After every other response the outcome is unknown: a redirect, the page of a proxy, an undocumented
    status.
    """
    status, source = response.status, request.source
    body = redact(body, request)
    # The message of a 401 may contain parts of the key (docs/upstreams/account.md, "Errors"), so it is left out.
    message = None if status == 401 else body.message  # noqa: PLR2004 - the HTTP status
    origin = Origin(source, body.code, message, body.request_id, status)
    refused = status == _TOO_MANY_REQUESTS or (body.documented and status in _REFUSALS)
    unknown = Outcome.UNKNOWN if request.writes and not refused else None
    wait = caller_retry_after(response)
    if status in _CREDENTIALS:
        return SourceCredentials(
            f"The {titled(source)} source rejected the credential of the call.", origin=origin, outcome=unknown
        )
    if status in {404, 410} and body.documented:
        return NotFound(
            message or f"The {titled(source)} source has no such record.",
            origin=origin,
            violations=body.violations,
        )
    if status == 409 and body.documented:  # noqa: PLR2004 - the HTTP status
        return Conflict(
            message or f"The change conflicts with a record in the {titled(source)} source.",
            origin=origin,
            violations=body.violations,
        )
    if status in _BAD_INPUT and body.documented:
        return BadUserInput(
            message or f"The {titled(source)} source rejected the input.",
            origin=origin,
            violations=body.violations,
        )
    if status == _TOO_MANY_REQUESTS:
        return RateLimited(
            f"The rate limit of the {titled(source)} source is exceeded.", origin=origin, retry_after=wait
        )
    if status in _TIMEOUTS:
        return SourceTimeout(
            f"The {titled(source)} source reported a timeout.", origin=origin, outcome=unknown, retry_after=wait
        )
    if status >= _SERVER_ERROR:
        return SourceUnavailable(
            f"The {titled(source)} source failed with status {status}.",
            origin=origin,
            outcome=unknown,
            retry_after=wait,
        )
    return SourceInvalidResponse(
        f"The {titled(source)} source responded with status {status} in a form that it does not document. "
        "Check its base URL, and the proxies on the way to it.",
        origin=origin,
        outcome=unknown,
    )


def redact(body: SourceErrorBody, request: Request) -> SourceErrorBody:
    """Return the error body with "…" instead of addresses and of all that was sent."""
    redacted = redaction_for(request)
    violations = tuple(replace(violation, message=redacted(violation.message) or "") for violation in body.violations)
    code, message, request_id = redacted(body.code), redacted(body.message), redacted(body.request_id)
    return SourceErrorBody(body.documented, code, message, request_id, violations)


def caller_retry_after(response: Response) -> float | None:
    """Return the seconds of `Retry-After` for a caller, at most a day, so that every surface can represent them."""
    seconds = retry_after(response.headers)
    return None if seconds is None else min(seconds, _MAX_RETRY_AFTER)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of the `Retry-After` header (RFC 9110, section 10.2.3), or None.

    A time in it is compared with that of the response: the clock of the source may differ from the one here.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    until = _http_date(text)
    if until is None:
        return None
    return max(0.0, (until - (_http_date(headers.get("Date", "")) or datetime.now(UTC))).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class OutOfDescriptorsError(SourceUnavailable):
    """The process or the machine has no file descriptor for a connection: no evidence about the source."""

    def __init__(self, request: Request) -> None:
        super().__init__(
            f"The gateway has too many open files, so the call to the {titled(request.source)} source was not sent. "
            "Retry later.",
            origin=Origin(source=request.source),
            retry_after=1.0,
            failed_call=failed_call(request, "not sent: this process has too many open files", "raise its limit"),
        )


class NoTimeError(SourceTimeout):
    """The deadline of the call passed before it was sent: no evidence about the source."""

    def __init__(
        self, request: Request, message: str = "", cause: str = "the deadline of the operation had passed"
    ) -> None:
        super().__init__(
            message or f"No time was left to call the {titled(request.source)} source.",
            origin=Origin(source=request.source),
            failed_call=failed_call(request, f"not sent: {cause}"),
        )


def out_of_descriptors() -> bool:
    """Return whether this process cannot open another file."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in _NO_DESCRIPTOR
    return False


def connect_error(request: Request, error: BaseException) -> SourceUnavailable | SourceTimeout:
    """Return the exception for a call that was not sent, because connecting failed with `error`."""
    cause = getattr(error, "os_error", error)  # aiohttp wraps the error of the operating system
    if isinstance(cause, OSError) and not isinstance(cause, TimeoutError):
        # Name resolution, and a connect to several addresses, hide the number of the error.
        hidden = cause.errno is None or isinstance(cause, socket.gaierror)
        if cause.errno in _NO_DESCRIPTOR or (hidden and out_of_descriptors()):
            return OutOfDescriptorsError(request)
    return unreachable_error(request, error)


def unreachable_error(request: Request, error: BaseException) -> SourceUnavailable | SourceTimeout:
    """Return the exception for a call that was not sent, because there was no connection, or none in time."""
    kind = SourceTimeout if isinstance(error, TimeoutError) else SourceUnavailable
    return kind(
        f"The {titled(request.source)} source could not be reached.",
        origin=Origin(source=request.source),
        failed_call=failed_connection(request, error),
    )


def timeout_error(request: Request) -> SourceTimeout:
    """Return the exception for a call that was sent and has no complete response in time."""
    return SourceTimeout(
        f"The {titled(request.source)} source did not respond in time.",
        origin=Origin(source=request.source),
        outcome=_outcome(request),
        failed_call=failed_call(request, "no complete response in time"),
    )


def disconnected_error(request: Request) -> SourceUnavailable:
    """Return the exception for a connection that was lost before the response began."""
    return SourceUnavailable(
        f"The connection to the {titled(request.source)} source was lost.",
        origin=Origin(source=request.source),
        outcome=_outcome(request),
        failed_call=failed_call(request, "the connection was lost before the response began"),
    )


def truncated_error(request: Request) -> SourceUnavailable:
    """Return the exception for a response that began and did not end."""
    return SourceUnavailable(
        f"The {titled(request.source)} source sent an incomplete response.",
        origin=Origin(source=request.source),
        outcome=_outcome(request),
        failed_call=failed_call(request, "the response ended before it was complete"),
    )


def not_http_error(request: Request) -> SourceInvalidResponse:
    """Return the exception for a response that is not HTTP, or uses parts of it that are not supported."""
    return SourceInvalidResponse(
        f"The response of the {titled(request.source)} source is not valid HTTP.",
        origin=Origin(source=request.source),
        outcome=_outcome(request),
        failed_call=failed_call(request, "the response is not valid HTTP", "check the scheme and port of its URL"),
    )


def too_large_error(request: Request, status: int, max_bytes: int) -> SourceInvalidResponse:
    """Return the exception for a response with a body of more than `max_bytes` bytes."""
    return SourceInvalidResponse(
        f"The response of the {titled(request.source)} source is larger than {max_bytes} bytes.",
        origin=Origin(source=request.source, http_status=status),
        outcome=_outcome(request),
        failed_call=failed_call(request, f"the response is larger than {max_bytes} bytes"),
    )


def _outcome(request: Request) -> Outcome | None:
    return Outcome.UNKNOWN if request.writes else None
