"""A refusal by a source → one of our errors. The table that the three systems share."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
from gateway.sources.http.exchange import Request, Response

__all__ = [
    "SourceErrorBody",
    "cut_off",
    "late",
    "lost",
    "no_http",
    "not_reached",
    "refusal",
    "retry_after",
    "tellable",
    "told_wait",
    "too_large",
]

# A URL, or a path of at least two parts.
_ADDRESS = re.compile(r"https?://\S+|(?<![\w.])/[\w.~%:{}-]+/\S*")
_CREDENTIALS = frozenset({401, 402, 403})
_BAD_INPUT = frozenset({400, 413, 415, 422})
_TIMEOUTS = frozenset({408, 504})
# Statuses that say nothing of whether the change was carried out: 408, 499 (account.md, 7) and every 5xx but
# those that say that it was not taken on.
_UNCERTAIN = frozenset({408, 499, *range(500, 600)} - {501, 503})
_SERVER_ERROR = 500
_LONGEST_WAIT = 86_400.0  # seconds that callers are told: more, or a number that is none any more, is "not today"


@dataclass(frozen=True, slots=True)
class SourceErrorBody:
    """What a source's error body says, in words shared by the three; nothing where it is no such body."""

    documented: bool = False
    code: str | None = None
    message: str | None = None
    request_id: str | None = None
    violations: tuple[Violation, ...] = ()


def refusal(request: Request, response: Response, told: SourceErrorBody) -> GatewayError:  # noqa: PLR0911 - a table, row by row
    """The error that a status outside 2xx means."""
    status, source = response.status, request.source
    told = tellable(told, request)
    # A source may name parts of a key when it refuses it: those words stay here.
    message = None if status == 401 else told.message  # noqa: PLR2004 - the HTTP status
    origin = Origin(source, told.code, message, told.request_id, status)
    unknown = Outcome.UNKNOWN if request.writes and status in _UNCERTAIN else None
    wait = told_wait(response)
    if status in _CREDENTIALS:
        return SourceCredentials(f"The {source} system refused the credentials that it was called with.", origin=origin)
    if status in {404, 410} and (told.documented or not response.body.strip()):
        return NotFound(
            message or f"The {source} system has no such record.", origin=origin, violations=told.violations
        )
    if status == 409:  # noqa: PLR2004 - the HTTP status
        return Conflict(
            message or f"The {source} system has a record that is in the way.",
            origin=origin,
            violations=told.violations,
        )
    if status in _BAD_INPUT and told.documented:
        return BadUserInput(
            message or f"The {source} system refused the input.", origin=origin, violations=told.violations
        )
    if status == 429:  # noqa: PLR2004 - the HTTP status
        return RateLimited(f"The {source} system's rate limit is reached.", origin=origin, retry_after=wait)
    if status in _TIMEOUTS:
        return SourceTimeout(f"The {source} system timed out.", origin=origin, outcome=unknown, retry_after=wait)
    if status >= _SERVER_ERROR:
        return SourceUnavailable(
            f"The {source} system failed with {status}.", origin=origin, outcome=unknown, retry_after=wait
        )
    return SourceInvalidResponse(
        f"The {source} system answered {status}, which it does not document.", origin=origin, outcome=unknown
    )


def tellable(told: SourceErrorBody, request: Request) -> SourceErrorBody:
    """A source's words without the addresses in them, and without the credential that it was asked with."""
    sent = (value for name, value in request.headers.items() if name.lower() == "authorization")
    credential = next(sent, "").rpartition(" ")[2]

    def cut(text: str | None) -> str | None:
        if text and credential:
            text = text.replace(credential, "…")
        return text and _ADDRESS.sub("…", text)

    violations = tuple(Violation(one.path, cut(one.message) or "") for one in told.violations)
    return SourceErrorBody(told.documented, cut(told.code), cut(told.message), cut(told.request_id), violations)


def told_wait(response: Response) -> float | None:
    """What a caller is told of a `Retry-After`: a number that every surface can spell."""
    asked = retry_after(response.headers)
    return None if asked is None else min(asked, _LONGEST_WAIT)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3), or None."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def not_reached(request: Request, *, late: bool = False) -> SourceUnavailable | SourceTimeout:
    """No connection, so nothing was sent; `late` says that there was none in time."""
    kind = SourceTimeout if late else SourceUnavailable
    return kind(f"The {request.source} system could not be reached.", origin=Origin(source=request.source))


def late(request: Request) -> SourceTimeout:
    """Sent, and no whole answer in time."""
    return SourceTimeout(
        f"The {request.source} system did not answer in time.",
        origin=Origin(source=request.source),
        outcome=_unknown(request),
    )


def lost(request: Request) -> SourceUnavailable:
    """The connection broke before an answer."""
    return SourceUnavailable(
        f"The connection to the {request.source} system was lost.",
        origin=Origin(source=request.source),
        outcome=_unknown(request),
    )


def cut_off(request: Request) -> SourceUnavailable:
    """The answer began and has no end."""
    return SourceUnavailable(
        f"The {request.source} system hung up in the middle of its answer.",
        origin=Origin(source=request.source),
        outcome=_unknown(request),
    )


def no_http(request: Request) -> SourceInvalidResponse:
    """What came is no answer."""
    return SourceInvalidResponse(
        f"The {request.source} system's answer is no HTTP.",
        origin=Origin(source=request.source),
        outcome=_unknown(request),
    )


def too_large(request: Request, status: int, most: int) -> SourceInvalidResponse:
    """The answer has more than `most` bytes."""
    return SourceInvalidResponse(
        f"The {request.source} system's answer is larger than {most} bytes.",
        origin=Origin(source=request.source, http_status=status),
        outcome=_unknown(request),
    )


def _unknown(request: Request) -> Outcome | None:
    return Outcome.UNKNOWN if request.writes else None
