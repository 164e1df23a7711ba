"""What became of a request → an HTTP response."""

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import orjson
from graphql import GraphQLError

from gateway.api.capacity import ratelimit_headers
from gateway.api.graphql.execution.errors import spelled
from gateway.api.graphql.execution.request import RefusedError
from gateway.api.graphql.execution.result import Result
from gateway.api.graphql.http.accept import MediaType
from gateway.api.web.http import WebResponse

__all__ = ["StatusProfile", "multipart", "refused", "responded"]


class StatusProfile(StrEnum):
    """Which text of GraphQL over HTTP the statuses follow.

    `audit`: the one that its only runnable suite checks, npm's graphql-http 1.23. `draft`: the one of August 2026,
    which has 422 for a request that is readable and wrong, and 294 for data with errors.
    """

    AUDIT = "audit"
    DRAFT = "draft"


_PARTIAL = 294
_CHARSET = "; charset=utf-8"
_CONTENT_TYPES = {
    kind: (("Content-Type", kind.value + _CHARSET), ("Vary", "Accept")) for kind in (MediaType.JSON, MediaType.RESPONSE)
}
_ONE_BY_ONE = (("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no"), ("Vary", "Accept"))


def responded(result: Result, kind: MediaType, profile: StatusProfile) -> WebResponse:
    """An operation's one answer."""
    headers: Sequence[tuple[str, str]] = _CONTENT_TYPES[kind]
    if result.allowance is not None:
        headers = (*headers, *ratelimit_headers(result.allowance))
    return WebResponse(_status(result, kind, profile), orjson.dumps(result.payload()), headers)


def refused(error: RefusedError, kind: MediaType, profile: StatusProfile, request_id: str) -> WebResponse:
    """The answer to what is not executed."""
    told = spelled(GraphQLError(error.error.message, original_error=error.error), request_id)
    body = orjson.dumps({"errors": [told.formatted]})
    status = error.draft_status if profile is StatusProfile.DRAFT else error.status
    return WebResponse(status, body, (*_CONTENT_TYPES[kind], *error.headers))


def multipart(parts: AsyncIterator[Mapping[str, Any]]) -> WebResponse:
    """The incremental delivery proposal over HTTP: a part of the form for a part of the answer."""

    async def pieces() -> AsyncIterator[bytes]:
        async for payload in parts:
            yield b"\r\n---\r\nContent-Type: application/json; charset=utf-8\r\n\r\n" + orjson.dumps(payload)
        yield b"\r\n-----\r\n"

    return WebResponse(200, pieces(), (("Content-Type", 'multipart/mixed; boundary="-"'), *_ONE_BY_ONE))


def _status(result: Result, kind: MediaType, profile: StatusProfile) -> int:
    if result.executed:
        partial = bool(result.errors) and result.data is not None
        return _PARTIAL if partial and profile is StatusProfile.DRAFT and kind is MediaType.RESPONSE else 200
    if profile is StatusProfile.DRAFT:
        return 422 if result.readable else 400
    return 400 if kind is MediaType.RESPONSE else 200
