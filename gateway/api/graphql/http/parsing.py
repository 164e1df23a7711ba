"""Reads the GraphQL request in an HTTP request: JSON, the parameters of a URL, or a multipart form with files."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from gateway.api.graphql.execution.request import GraphQLRequest, from_mapping, refusal
from gateway.api.graphql.http.strict_json import parse_json
from gateway.api.graphql.http.uploads import UploadLimits, read_form
from gateway.api.web.http import Malformed, TooLarge, WebRequest

__all__ = ["LONG_JSON", "RequestLimits", "has_json", "read_request", "try_read_json"]

LONG_JSON = 16 * 1024
"""Bytes; to parse more takes a millisecond or more, and for a request of the largest size some 60."""

_JSON = frozenset({"application/json", "application/graphql+json"})
_BODY = "The request's body"


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """`body` is in bytes, without files; `seconds` is the time in which a whole body has to arrive."""

    body: int
    uploads: UploadLimits
    seconds: float = 30.0


def has_json(request: WebRequest) -> bool:
    """Return whether a request states that its body is JSON in UTF-8."""
    return request.content_type in _JSON and _is_utf8(request.headers["content-type"])


def try_read_json(body: object, limits: RequestLimits) -> GraphQLRequest | None:
    """Return the GraphQL request in a body of JSON that has arrived, and is parsed in no time; None for any other one.

    Raises:
        RefusedError: as `read_request`.
    """
    if not isinstance(body, bytes) or len(body) >= LONG_JSON or len(body) > limits.body:
        return None
    return from_mapping(parse_json(body, _BODY))


async def read_request(
    request: WebRequest, limits: RequestLimits, wait_to_parse: Callable[[], Awaitable[None]]
) -> GraphQLRequest:
    """Read the GraphQL request in an HTTP request. `wait_to_parse` is called before `LONG_JSON` or more is parsed.

    Raises:
        RefusedError: 400 if it contains none, 408 if it arrives too slowly, 413 if it is too large, 415 for another
            media type.
        FileRefused: a file in a form breaks a rule.
    """
    if request.method == "GET":
        return from_mapping(_parameters(request.query))
    if has_json(request) and (read := try_read_json(request.body, limits)) is not None:
        return read
    if isinstance(request.body, bytes):
        return await _read_body(request, limits, wait_to_parse)
    try:
        async with asyncio.timeout(limits.seconds):
            return await _read_body(request, limits, wait_to_parse)
    except TimeoutError:
        raise refusal(408, f"The request's body took longer than {limits.seconds:g} s.") from None
    except Malformed:
        raise refusal(400, "The request's body does not match its header fields.") from None


async def _read_body(
    request: WebRequest, limits: RequestLimits, wait_to_parse: Callable[[], Awaitable[None]]
) -> GraphQLRequest:
    content_type = request.content_type
    if content_type in _JSON:
        if not _is_utf8(request.headers["content-type"]):
            raise refusal(415, "Send JSON in UTF-8.")
        try:
            body = await request.read(limits.body)
            if len(body) >= LONG_JSON:
                await wait_to_parse()
            return from_mapping(parse_json(body, _BODY))
        except TooLarge:
            raise refusal(413, f"The request is larger than {limits.body} bytes.") from None
    if content_type == "multipart/form-data":
        return await read_form(request, limits.body, limits.uploads, wait_to_parse)
    raise refusal(415, "Send the request as application/json, or with files as multipart/form-data.")


@lru_cache(maxsize=64)  # most clients send the same value
def _is_utf8(content_type: str) -> bool:
    parameters = (part.strip().lower() for part in content_type.split(";")[1:])
    charsets = (value.removeprefix("charset=").strip('"') for value in parameters if value.startswith("charset="))
    return next(charsets, "utf-8") in {"utf-8", "utf8", "us-ascii"}


def _parameters(query: str) -> dict[str, Any]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise refusal(400, "The URL has too many parameters, or some that are not UTF-8.") from None
    parameters: dict[str, Any] = {}
    for name, value in pairs:
        if name in parameters:
            raise refusal(400, "The URL has a parameter twice.")
        parameters[name] = value
    for name in ("variables", "extensions"):
        if text := parameters.get(name):
            parameters[name] = parse_json(text.encode(), f"The parameter `{name}`")
        else:
            parameters.pop(name, None)
    return parameters
