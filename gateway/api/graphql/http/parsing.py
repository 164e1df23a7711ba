"""An HTTP request → a GraphQL request: JSON, URL parameters or a multipart form with files."""

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from gateway.api.graphql.execution.request import GraphQLRequest, from_mapping, refusal
from gateway.api.graphql.http.strict_json import parse_json
from gateway.api.graphql.http.uploads import UploadLimits, read_form
from gateway.api.web.http import Malformed, TooLarge, WebRequest

__all__ = ["RequestLimits", "read_request"]


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """`body` in bytes, without files; `seconds` is the time that a whole body may take to arrive."""

    body: int
    uploads: UploadLimits
    seconds: float = 30.0


async def read_request(request: WebRequest, limits: RequestLimits) -> GraphQLRequest:
    """The GraphQL request in an HTTP request.

    Raises:
        RefusedError: 400 for what is no GraphQL request, 408 for one that comes too slowly, 413 for too much of it,
            415 for a media type that cannot hold one.
    """
    if request.method == "GET":
        return from_mapping(_parameters(request.query))
    if isinstance(request.body, bytes):
        return await _posted(request, limits)
    try:
        async with asyncio.timeout(limits.seconds):
            return await _posted(request, limits)
    except TimeoutError:
        raise refusal(408, f"The request's body took longer than {limits.seconds:g} seconds.") from None
    except Malformed:
        raise refusal(400, "The request's body is not what its header fields say.") from None


async def _posted(request: WebRequest, limits: RequestLimits) -> GraphQLRequest:
    kind = request.content_type
    if kind in {"application/json", "application/graphql+json"}:
        if not _is_utf8(request.headers["content-type"]):
            raise refusal(415, "JSON is sent in UTF-8.")
        try:
            return from_mapping(parse_json(await request.read(limits.body), "The request's body"))
        except TooLarge:
            raise refusal(413, f"The request is larger than {limits.body} bytes.") from None
    if kind == "multipart/form-data":
        return await read_form(request, limits.body, limits.uploads)
    raise refusal(415, "Send the request as application/json, or with files as multipart/form-data.")


@lru_cache(maxsize=64)  # most clients send the same one
def _is_utf8(content_type: str) -> bool:
    parameters = (part.strip().lower() for part in content_type.split(";")[1:])
    sent = next((one.removeprefix("charset=").strip('"') for one in parameters if one.startswith("charset=")), "utf-8")
    return sent in {"utf-8", "utf8", "us-ascii"}


def _parameters(query: str) -> dict[str, Any]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise refusal(400, "The URL's parameters are not UTF-8, or too many.") from None
    sent: dict[str, Any] = {}
    for name, value in pairs:
        if name in sent:
            raise refusal(400, "The URL has a parameter twice.")
        sent[name] = value
    for name in ("variables", "extensions"):
        if text := sent.get(name):
            sent[name] = parse_json(text.encode(), f"The parameter `{name}`")
        else:
            sent.pop(name, None)
    return sent
