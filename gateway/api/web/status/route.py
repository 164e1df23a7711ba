"""The route of `/status`: a page for people, and JSON for programs."""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import to_builtins

from gateway.api.web.cors import Cors
from gateway.api.web.http import Route, WebRequest, WebResponse
from gateway.api.web.status.page import CONTENT_SECURITY_POLICY, page
from gateway.telemetry.log_fields import json_line
from gateway.telemetry.status import Status

__all__ = ["status_json", "status_route"]

_COMMON: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Vary", "Accept"),
)
_HTML: Final = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    *_COMMON,
)
_JSON: Final = (("Content-Type", "application/json; charset=utf-8"), *_COMMON)
_MISDIRECTED: Final = b"This gateway is not reached by that host name."


def status_route(read: Callable[[], Awaitable[Status]], cors: Cors) -> Route:
    """Return the route. Only a browser gets the page: whoever does not accept HTML by its name gets JSON."""

    async def respond(request: WebRequest) -> WebResponse:
        if cors.is_rebound(request):
            return WebResponse(421, _MISDIRECTED, (("Content-Type", "text/plain; charset=utf-8"),))
        options = request.query.split("&")
        status = await read()
        if "format=json" in options or "text/html" not in request.headers.get("accept", ""):
            return WebResponse(200, status_json(status), _JSON)
        text = page(status, refresh="refresh=off" not in options)
        return WebResponse(200, text.encode(errors="replace"), _HTML)

    return Route(("GET",), "/status", respond)


def status_json(status: Status) -> bytes:
    """Return the status as a JSON object."""
    return json_line(to_builtins(status)).encode(errors="replace")
