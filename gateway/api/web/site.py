"""All HTTP endpoints of a gateway: finds the route of a request, and responds where there is none."""

import logging
from collections.abc import Mapping, Sequence

import orjson
from msgspec.structs import replace

from gateway.api.web.cors import Cors
from gateway.api.web.http import Closed, Route, SocketHandler, SocketRoute, WebRequest, WebResponse
from gateway.errors import Internal
from gateway.operation import request_id

__all__ = ["Site"]

_LOG = logging.getLogger("gateway.http")


class Site:
    """The endpoints of a gateway, served by `aiohttp_server.py`, `lean/` or `asgi.py`.

    The path of a route is literal, or ends in `/{name}`, which matches one more segment; the handler reads the segment
    from the path of the request.
    """

    def __init__(self, routes: Sequence[Route], sockets: Sequence[SocketRoute] = (), cors: Cors | None = None) -> None:
        self._routes = {route.path: route for route in routes if "{" not in route.path}
        self._parents = {route.path.partition("{")[0]: route for route in routes if "{" in route.path}
        self._sockets: Mapping[str, SocketHandler] = {route.path: route.handler for route in sockets}
        self._cors = cors or Cors()

    def socket_handler(self, path: str) -> SocketHandler | None:
        """Return the handler of WebSockets at a path, None where there is none."""
        return self._sockets.get(path)

    async def respond(self, request: WebRequest) -> WebResponse:
        """Return the response to any request; an unexpected exception becomes a 500."""
        route = self._routes.get(request.path) or self._parents.get(request.path.rpartition("/")[0] + "/")
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
                response = WebResponse(400)  # the client has disconnected, and will not read it
            except Exception:  # noqa: BLE001 - whatever it is, the client gets no details of it
                response = _internal_error(request, route)
        else:
            response = WebResponse(405, b"", (("Allow", ", ".join(methods)),))
        if is_head:
            response = WebResponse(response.status, b"", response.headers)
        return self._cors.with_headers(request, _completed(request, response))


def _completed(request: WebRequest, response: WebResponse) -> WebResponse:
    """Add the request id, and that nothing may be stored, where the endpoint has set neither."""
    has_id = has_lifetime = False
    for name, _ in response.headers:
        if name == "X-Request-ID":
            has_id = True
        elif name == "Cache-Control":
            has_lifetime = True
    if has_id and has_lifetime:
        return response
    headers = list(response.headers)
    if not has_id:
        headers.append(("X-Request-ID", request_id(request.headers.get("x-request-id"))))
    if not has_lifetime:
        headers.append(("Cache-Control", "no-store"))
    return replace(response, headers=headers)


def _internal_error(request: WebRequest, route: Route) -> WebResponse:
    """Log the current exception, and return a 500 with nothing but the id under which it was logged."""
    logged_id = request_id(request.headers.get("x-request-id"))
    _LOG.exception("defect in request %s to %s", logged_id, route.path)
    body = {
        "message": Internal.masked,
        "requestId": logged_id,
    }
    return WebResponse(500, orjson.dumps(body), (("Content-Type", "application/json"), ("X-Request-ID", logged_id)))


_NOT_FOUND = b"No endpoint has this path. Check the URL: the GraphQL API is at `graphql` where the gateway is mounted."
_TEXT = (("Content-Type", "text/plain; charset=utf-8"),)
