"""HTTP responses for results, refusals and incremental delivery."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from enum import StrEnum
from typing import Any

import orjson
from graphql import GraphQLError

from gateway.api.capacity import ratelimit_headers
from gateway.api.graphql.execution.errors import public_error
from gateway.api.graphql.execution.request import RefusedError
from gateway.api.graphql.execution.result import Result
from gateway.api.graphql.http.accept import MediaType
from gateway.api.graphql.http.incremental_2022 import parts_of_2022
from gateway.api.graphql.http.streaming import MultipartBody
from gateway.api.web.http import ExtendedHeaders, FixedHeaders, WebResponse
from gateway.telemetry.report import RequestReport

__all__ = ["StatusProfile", "completed", "incremental_response", "refusal_response", "result_response"]


class StatusProfile(StrEnum):
    """The version of GraphQL over HTTP that the statuses follow.

    `audit`: the version that its only runnable test suite checks, npm's graphql-http 1.23. `draft`: that of August
    2026, with 422 for a request that can be parsed and is invalid, and 294 for data with errors.
    """

    AUDIT = "audit"
    DRAFT = "draft"


_PARTIAL_SUCCESS = 294
_CHARSET = "; charset=utf-8"
# Responses contain personal data. Caches may store the response to a GET that has only an X-API-Key, since they know no
# credential but Authorization (RFC 9111, 3.5).
_PRIVATE = (("Cache-Control", "private, no-store"), ("Vary", "Accept, Authorization, X-API-Key, Origin"))
_FIXED = {
    media_type: FixedHeaders(("Content-Type", media_type.value + _CHARSET), *_PRIVATE)
    for media_type in (MediaType.JSON, MediaType.RESPONSE)
}
_INCREMENTAL = {
    media_type: MultipartBody(media_type, "-") for media_type in (MediaType.INCREMENTAL, MediaType.INCREMENTAL_2022)
}


def result_response(result: Result, media_type: MediaType, profile: StatusProfile) -> WebResponse:
    """Return the response with the result of an operation, in one of the two JSON media types."""
    fields: tuple[tuple[str, str], ...] = ()
    if result.allowance is not None:
        fields = tuple(ratelimit_headers(result.allowance))
    if result.cache_status is not None:
        fields = (*fields, ("Cache-Status", result.cache_status))
    headers = ExtendedHeaders(_FIXED[media_type], fields)
    status = 200 if result.executed and not result.errors else _status(result, media_type, profile)
    return WebResponse(status, orjson.dumps(result.payload()), headers)


def refusal_response(
    error: RefusedError, media_type: MediaType, profile: StatusProfile, report: RequestReport
) -> WebResponse:
    """Return the response to a request that is not executed; its report gets the code of the error."""
    report.add_error(error.error)
    graphql_error = public_error(GraphQLError(error.error.message, original_error=error.error), report.request_id)
    body = orjson.dumps({"errors": [graphql_error.formatted]})
    status = error.draft_status if profile is StatusProfile.DRAFT else error.status
    return WebResponse(status, body, ExtendedHeaders(_FIXED[media_type], error.headers))


def completed(response: WebResponse, report: RequestReport) -> WebResponse:
    """Return a response with the header fields that all those of the endpoint have."""
    fields = (
        ("X-Request-ID", report.request_id),
        ("Server-Timing", f"total;dur={(time.perf_counter() - report.started) * 1000:.1f}"),
    )
    headers = response.headers
    if isinstance(headers, ExtendedHeaders):  # of a result or a refusal: the fixed ones have the private ones
        headers.fields += fields
        return response
    return WebResponse(response.status, response.body, (*headers, *_PRIVATE, *fields))


def incremental_response(payloads: AsyncGenerator[dict[str, Any]], media_type: MediaType) -> WebResponse:
    """Return the response in parts, which are in the format `INCREMENTAL`, in one of the formats of that sort."""
    multipart = _INCREMENTAL[media_type]
    if media_type is MediaType.INCREMENTAL_2022:
        payloads = parts_of_2022(payloads)

    async def body() -> AsyncIterator[bytes]:
        async with aclosing(payloads):  # the execution stops when the client disconnects
            before = multipart.start
            async for payload in payloads:
                yield before + multipart.part(orjson.dumps(payload))
                before = b""
        yield before + multipart.end

    return WebResponse(200, body(), multipart.headers)


def _status(result: Result, media_type: MediaType, profile: StatusProfile) -> int:
    if result.executed:
        partial = bool(result.errors) and result.data is not None
        return (
            _PARTIAL_SUCCESS if partial and profile is StatusProfile.DRAFT and media_type is MediaType.RESPONSE else 200
        )
    if profile is StatusProfile.DRAFT:
        return 422 if result.readable else 400
    return 400 if media_type is MediaType.RESPONSE else 200
