"""All endpoints under one root: which one answers a path, and what is said where none does."""

import logging
from collections.abc import Mapping, Sequence

import orjson
from msgspec.structs import replace

from gateway.api.web.cors import Cors
from gateway.api.web.http import Closed, Route, SocketHandler, SocketRoute, WebRequest, WebResponse
from gateway.operation import request_id

__all__ = ["Site"]

_LOG = logging.getLogger("gateway.http")


class Site:
    """The endpoints of a gateway. Servers carry it: `aiohttp_server.py`, `lean/`, `asgi.py`.

    A route's path is whole, or ends in `/{name}`, which stands for one more part: the endpoint reads it off the path.
    """

    def __init__(self, routes: Sequence[Route], sockets: Sequence[SocketRoute] = (), cors: Cors | None = None) -> None:
        self._routes = {route.path.partition("{")[0]: route for route in routes}
        self._sockets: Mapping[str, SocketHandler] = {route.path: route.handler for route in sockets}
        self._cors = cors

    def socket(self, path: str) -> SocketHandler | None:
        """What answers WebSockets at that path."""
        return self._sockets.get(path)

    async def respond(self, request: WebRequest) -> WebResponse:
        """The answer to a request, whatever it is."""
        route = self._routes.get(request.path) or self._routes.get(request.path.rpartition("/")[0] + "/")
        if route is None:
            return WebResponse(404, b"There is nothing here.", _TEXT)
        cors = self._cors
        if cors is not None and cors.concerns(request):
            if cors.asks_first(request):
                return cors.answer(request, route.methods)
            return cors.let_in(request, await self._answer(route, request))
        return await self._answer(route, request)

    async def _answer(self, route: Route, request: WebRequest) -> WebResponse:
        if request.method in route.methods:
            return await self._guarded(route, request)
        if request.method == "HEAD" and "GET" in route.methods:
            whole = await self._guarded(route, replace(request, method="GET"))
            return WebResponse(whole.status, b"", whole.headers)
        return WebResponse(405, b"", (("Allow", ", ".join(route.methods)),))

    async def _guarded(self, route: Route, request: WebRequest) -> WebResponse:
        """A defect of ours is a 500 that tells nothing but the id under which the log has it."""
        try:
            return await route.handler(request)
        except Closed:
            return WebResponse(400)  # nobody is there to read it
        except Exception:  # noqa: BLE001 - whatever it is, a stranger is told nothing of it
            own = request_id(request.headers.get("x-request-id"))
            _LOG.exception("defect in request %s to %s", own, route.path)
            said = {"message": "Something went wrong here. The request id finds it in the log.", "requestId": own}
            return WebResponse(500, orjson.dumps(said), (("Content-Type", "application/json"), ("X-Request-ID", own)))


_TEXT = (("Content-Type", "text/plain; charset=utf-8"),)
