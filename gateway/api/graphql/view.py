"""GraphQL over HTTP: one endpoint for queries by GET and POST, WebSockets, and people with a browser."""

import math
import re
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Protocol

import orjson
import strawberry
from aiohttp import hdrs, web
from graphql import GraphQLError
from strawberry.aiohttp.views import GraphQLView
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from gateway.api.graphql.context import Incoming
from gateway.api.graphql.errors import spelled
from gateway.api.graphql.execution import execute
from gateway.api.graphql.graphiql.page import graphiql_page
from gateway.api.graphql.requests import GraphQLRequest, Limits, RefusedError, read_request
from gateway.users.service import UserService

__all__ = ["GraphQLEndpoint"]

_JSON = "application/json"
_RESPONSE = "application/graphql-response+json"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_READ_ONLY = frozenset({OperationType.QUERY})
_ANYTHING = frozenset({OperationType.QUERY, OperationType.MUTATION})


class _Sockets(GraphQLView[Incoming, None]):
    """Strawberry's `graphql-transport-ws`; what it carries per operation is made in `operation.py`."""

    def __init__(
        self, schema: strawberry.Schema, service: UserService, bounds: Callable[[], AbstractContextManager[object]]
    ) -> None:
        super().__init__(schema, graphql_ide=None, subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,))
        self._service = service
        self._bounds = bounds

    async def get_context(self, request: web.Request, response: Any) -> Incoming:  # noqa: ARG002 - the library's
        return Incoming(self._service, _request_id(request), bounds=self._bounds)


class Scope(Protocol):
    """Bounds what is done inside by seconds."""

    def __call__(self, *, timeout: float | None = None) -> AbstractContextManager[object]: ...


class GraphQLEndpoint:
    """Answers in `application/graphql-response+json` where it is accepted, else in `application/json`.

    With the first, a request that is not executed is a 400; with the second it is a 200 with errors, as
    clients of old expect. What is no GraphQL request at all is a 4xx in both.
    """

    def __init__(
        self,
        schema: strawberry.Schema,
        service: UserService,
        limits: Limits,
        *,
        graphiql: bool,
        scope: Scope,
        timeout: float,
    ) -> None:
        self._schema = schema
        self._scope = scope
        self._timeout = timeout
        self._service = service
        self._limits = limits
        self._graphiql = graphiql
        self._sockets = _Sockets(schema, service, self._bounds(None))

    def _bounds(self, seconds: float | None) -> Callable[[], AbstractContextManager[object]]:
        """Makes the scope of an operation whose caller gives it so many seconds."""
        return partial(self._scope, timeout=min(self._timeout, seconds or self._timeout))

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.method == hdrs.METH_GET:
            if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
                return await self._sockets(request)
            if self._graphiql and "query" not in request.query and _is_browser(request):
                return await graphiql_page(request)
        started = time.perf_counter()
        bounds = self._bounds(_own_timeout(request))
        incoming = Incoming(self._service, _request_id(request), _idempotency_key(request), bounds)
        response = await self._respond(request, incoming)
        response.headers["X-Request-ID"] = incoming.request_id
        response.headers["Server-Timing"] = f"total;dur={(time.perf_counter() - started) * 1000:.1f}"
        response.headers[hdrs.VARY] = hdrs.ACCEPT
        return response

    async def _respond(self, request: web.Request, incoming: Incoming) -> web.Response:
        media_type = _media_type(request)
        if media_type is None:
            return _refused(RefusedError(406, f"The answer can be {_RESPONSE} or {_JSON}."), _JSON, incoming)
        try:
            asked = await read_request(request, self._limits)
            result = await self._execute(asked, request.method, incoming)
        except RefusedError as refused:
            return _refused(refused, media_type, incoming)
        status = 400 if media_type == _RESPONSE and result.data is None and _is_request_error(result) else 200
        return _response(_payload(result), media_type, status)

    async def _execute(self, asked: GraphQLRequest, method: str, incoming: Incoming) -> ExecutionResult:
        try:
            return await execute(
                self._schema,
                incoming,
                asked.query,
                asked.variables,
                asked.operation_name,
                allowed=_READ_ONLY if method == hdrs.METH_GET else _ANYTHING,
            )
        except InvalidOperationTypeError as error:
            reason = error.as_http_error_reason(method)
            raise RefusedError(405 if method == hdrs.METH_GET else 400, f"{reason.rstrip('.')}.") from None


def _is_request_error(result: ExecutionResult) -> bool:
    """Whether nothing was executed: such errors have no path."""
    return bool(result.errors) and all(error.path is None for error in result.errors or ())


def _payload(result: ExecutionResult) -> dict[str, Any]:
    payload: dict[str, Any] = {}
    if result.errors:
        payload["errors"] = [error.formatted for error in result.errors]
    if not _is_request_error(result):
        payload["data"] = result.data
    if result.extensions:
        payload["extensions"] = result.extensions
    return payload


def _refused(refused: RefusedError, media_type: str, incoming: Incoming) -> web.Response:
    error = spelled(GraphQLError(refused.message), incoming.request_id)
    response = _response({"errors": [error.formatted]}, media_type, refused.status)
    if refused.status == 405:  # noqa: PLR2004 - the HTTP status
        response.headers[hdrs.ALLOW] = "POST"
    return response


def _response(payload: dict[str, Any], media_type: str, status: int) -> web.Response:
    body = orjson.dumps(payload)
    return web.Response(body=body, status=status, headers={hdrs.CONTENT_TYPE: f"{media_type}; charset=utf-8"})


def _media_type(request: web.Request) -> str | None:
    """The first of our two media types that the client accepts, by its own order; None where it takes neither."""
    accept = ",".join(request.headers.getall(hdrs.ACCEPT, ()))
    if not accept.strip():
        return _JSON
    offered = {
        _RESPONSE: _RESPONSE,
        _JSON: _JSON,
        "application/*": _JSON,
        "*/*": _JSON,
    }
    ranked: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept.split(",")):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((_weight(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
        if name in offered and weight > 0:
            ranked.append((-weight, place, offered[name]))
    return min(ranked)[2] if ranked else None


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


def _is_browser(request: web.Request) -> bool:
    return "text/html" in request.headers.get(hdrs.ACCEPT, "")


def _request_id(request: web.Request) -> str:
    sent = request.headers.get("X-Request-ID", "")
    return sent if _REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex


def _own_timeout(request: web.Request) -> float | None:
    """The seconds that `X-Request-Timeout` gives the operation; what is no number of seconds counts for nothing."""
    try:
        seconds = float(request.headers.get("X-Request-Timeout", ""))
    except ValueError:
        return None
    return seconds if 0 < seconds < math.inf else None


def _idempotency_key(request: web.Request) -> str | None:
    """The header's key; the IETF draft quotes it, most clients do not."""
    return request.headers.get("Idempotency-Key", "").strip().strip('"') or None
