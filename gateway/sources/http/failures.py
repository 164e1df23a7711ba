"""What can go wrong on the wire, in the same words for every transport.

A change that may have been sent when its call failed has an unknown outcome.
"""

from gateway.errors import Origin, Outcome, SourceInvalidResponse, SourceTimeout, SourceUnavailable
from gateway.sources.http.exchange import Request

__all__ = ["cut_off", "late", "lost", "no_http", "not_reached", "too_large"]


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
