"""All HTTP endpoints of a gateway: finds the route of a request, and responds where there is none."""

import asyncio
import logging
from collections.abc import AsyncIterable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Self

import orjson
from msgspec.structs import replace

from gateway.api.web.cors import Cors
from gateway.api.web.http import Closed, ExtendedHeaders, Handling, Route, WebRequest, WebResponse
from gateway.api.web.sockets import SocketHandler, SocketRoute
from gateway.errors import Code, Internal
from gateway.telemetry.report import CLIENT_LEFT, RequestReport
from gateway.telemetry.telemetry import Telemetry

__all__ = ["FastResponse", "Site"]

FastResponse = Callable[[], Coroutine[Any, Any, WebResponse]]
"""Makes the coroutine that returns the response of the fast path. It must be awaited once it was made."""

_LOG = logging.getLogger("gateway.http")


class Site:
    """The endpoints of a gateway, served by `aiohttp_server.py`, `lean/` or `asgi.py`.

    The path of a route is literal, or ends in `/{name}`, which matches one more segment; the handler reads the segment
    from the path of the request. The report of each request begins and ends here. `fast_path`: the fast paths of the
    routes are used.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        sockets: Sequence[SocketRoute] = (),
        cors: Cors | None = None,
        telemetry: Telemetry | None = None,
        *,
        fast_path: bool = True,
    ) -> None:
        self.fast_path = fast_path
        self._routes = {route.path: route for route in routes if "{" not in route.path}
        self._parents = {route.path.partition("{")[0]: route for route in routes if "{" in route.path}
        self._sockets: Mapping[str, SocketHandler] = {route.path: route.handler for route in sockets}
        self._cors = cors or Cors()
        self._telemetry = telemetry or Telemetry()

    def socket_handler(self, path: str) -> SocketHandler | None:
        """Return the handler of WebSockets at a path, None where there is none."""
        return self._sockets.get(path)

    async def respond(self, request: WebRequest) -> WebResponse:
        """Return the response to any request; an unexpected exception becomes a 500."""
        response = self.try_respond(request)
        if response is None:
            return await self.respond_by_handler(request)
        return response if isinstance(response, WebResponse) else await response()

    def try_respond(self, request: WebRequest) -> WebResponse | FastResponse | None:
        """Return the response, or what has to be called and awaited for it, if the fast path can handle the request.

        None: call `respond_by_handler`; nothing was done yet. A response that is returned at once has a body of bytes.
        """
        route = self._routes.get(request.path)
        if (
            route is None
            or route.try_handle is None
            or not self.fast_path
            or request.method not in route.methods
            or not isinstance(request.body, bytes)
        ):
            return None
        try:
            handling = route.try_handle(request)
        except Exception:  # noqa: BLE001 - as in `_respond`
            self._begin(request, route)
            return self._end(
                request, self._cors.with_headers(request, _completed(request, _internal_error(request, route)))
            )
        if handling is None:
            return None
        if not handling.immediate:
            return partial(self._respond_fast, request, route, handling)
        self._begin(request, route)
        try:
            response = handling.respond_now()
        except Exception:  # noqa: BLE001 - as in `_respond`
            response = _internal_error(request, route)
        return self._end(request, self._cors.with_headers(request, _completed(request, response)))

    async def respond_by_handler(self, request: WebRequest) -> WebResponse:
        """Return the response to a request that the fast path cannot handle."""
        route = self._route(request.path)
        self._begin(request, route)
        try:
            response = await self._respond(request, route)
        except asyncio.CancelledError:  # the server cancels the request of a client that disconnects
            self._end_cancelled(request)
            raise
        return self._end(request, response)

    async def _respond_fast(self, request: WebRequest, route: Route, handling: Handling) -> WebResponse:
        self._begin(request, route)
        try:
            response = await handling.respond()
        except asyncio.CancelledError:
            self._end_cancelled(request)
            raise
        except Exception:  # noqa: BLE001 - as in `_respond`
            response = _internal_error(request, route)
        return self._end(request, self._cors.with_headers(request, _completed(request, response)))

    def _begin(self, request: WebRequest, route: Route | None) -> None:
        report = request.report
        report.method, report.scheme = request.method, request.scheme
        if route is not None:
            report.route, report.surface = route.path, route.surface
        self._telemetry.begin(report, request.headers)

    def _end(self, request: WebRequest, response: WebResponse) -> WebResponse:
        """End the report of a request, or let it end with the last chunk of the response."""
        report, telemetry = request.report, self._telemetry
        report.status = report.status or response.status
        body = response.body
        if isinstance(body, bytes):
            report.bytes = len(body)
            telemetry.end(report)
            return response
        return replace(response, body=_ReportedBody(body, report, telemetry))

    def _end_cancelled(self, request: WebRequest) -> None:
        request.report.status = CLIENT_LEFT
        self._telemetry.end(request.report)

    def _route(self, path: str) -> Route | None:
        return self._routes.get(path) or self._parents.get(path.rpartition("/")[0] + "/")

    async def _respond(self, request: WebRequest, route: Route | None) -> WebResponse:
        if route is None:
            return _completed(request, WebResponse(404, _NOT_FOUND, _TEXT))
        if self._cors.is_preflight(request):
            return _completed(request, self._cors.preflight_response(request, route.methods))
        methods = route.methods
        is_head = request.method == "HEAD" and "HEAD" not in methods
        if is_head:
            request = replace(request, method="GET")
        if request.method in methods:
            try:
                response = await route.handler(request)
            except Closed:
                request.report.status = CLIENT_LEFT
                response = WebResponse(400)  # which nobody will read
            except Exception:  # noqa: BLE001 - whatever it is, the client gets no details of it
                response = _internal_error(request, route)
        else:
            response = WebResponse(405, b"", (("Allow", ", ".join(methods)),))
        if is_head:
            response = WebResponse(response.status, b"", response.headers)
        return self._cors.with_headers(request, _completed(request, response))


class _ReportedBody:
    """The chunks of a body; the report ends with the last one, or when the client disconnects.

    A class, since a generator that was never started does nothing when it is closed.
    """

    __slots__ = ("_chunks", "_report", "_telemetry")

    def __init__(self, body: AsyncIterable[bytes], report: RequestReport, telemetry: Telemetry) -> None:
        self._chunks = aiter(body)
        self._report: RequestReport | None = report
        self._telemetry = telemetry

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._end()
            raise
        except Exception as error:
            if self._report is not None:
                self._report.add_error(error)
            self._end()
            raise
        if self._report is not None:
            self._report.bytes += len(chunk)
        return chunk

    async def aclose(self) -> None:
        try:
            close = getattr(self._chunks, "aclose", None)
            if close is not None:
                await close()
        finally:
            if self._report is not None:
                self._report.status = CLIENT_LEFT
                self._end()

    def _end(self) -> None:
        if self._report is not None:
            report, self._report = self._report, None
            self._telemetry.end(report)


def _completed(request: WebRequest, response: WebResponse) -> WebResponse:
    """Add the request id, and that nothing may be stored, where the endpoint has set neither."""
    has_id = has_lifetime = False
    sent = response.headers
    if isinstance(sent, ExtendedHeaders):  # the fixed ones are of many responses: none of them is an id
        has_lifetime, sent = sent.fixed.has_lifetime, sent.fields
    for name, _ in sent:
        if name == "X-Request-ID":
            has_id = True
        elif name == "Cache-Control":
            has_lifetime = True
    if has_id and has_lifetime:
        return response
    headers = list(response.headers)
    if not has_id:
        headers.append(("X-Request-ID", request.report.request_id))
    if not has_lifetime:
        headers.append(("Cache-Control", "no-store"))
    return replace(response, headers=headers)


def _internal_error(request: WebRequest, route: Route) -> WebResponse:
    """Log the current exception, and return a 500 with nothing but the id under which it was logged."""
    logged_id = request.report.request_id
    request.report.add_code(Code.INTERNAL)
    _LOG.exception("defect in request %s to %s", logged_id, route.path, extra={"request_id": logged_id})
    body = {
        "message": Internal.masked,
        "requestId": logged_id,
    }
    return WebResponse(500, orjson.dumps(body), (("Content-Type", "application/json"), ("X-Request-ID", logged_id)))


_NOT_FOUND = b"No endpoint has this path. Check the URL: the GraphQL API is at `graphql` where the gateway is mounted."
_TEXT = (("Content-Type", "text/plain; charset=utf-8"),)
