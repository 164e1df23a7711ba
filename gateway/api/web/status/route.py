"""The routes of `/status`: a page for people, its fonts, and JSON for programs."""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import to_builtins

from gateway.api.web.cors import Cors, misdirected
from gateway.api.web.http import Route, WebRequest, WebResponse
from gateway.api.web.status.fonts import FOLDER, Fonts
from gateway.api.web.status.page import Style, page
from gateway.telemetry.log_fields import json_line
from gateway.telemetry.status import Status

__all__ = ["status_routes"]

_NO_SNIFFING: Final = ("X-Content-Type-Options", "nosniff")
_COMMON: Final = (
    _NO_SNIFFING,
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Vary", "Accept"),
)
_JSON: Final = (("Content-Type", "application/json; charset=utf-8"), *_COMMON)
_PAGE: Final = "/status"
_FONTS: Final = f"/{FOLDER}"


def status_routes(read: Callable[[], Awaitable[Status]], cors: Cors, fonts: Fonts) -> list[Route]:
    """Return the routes. Only a browser gets the page: whoever does not accept HTML by its name gets JSON."""
    style = Style(fonts.css)
    html = (("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", style.policy), *_COMMON)

    async def respond(request: WebRequest) -> WebResponse:
        if cors.is_rebound(request):
            return misdirected()
        options = request.query.split("&")
        status = await read()
        if "format=json" in options or "text/html" not in request.headers.get("accept", ""):
            return WebResponse(200, json_line(to_builtins(status)).encode(errors="replace"), _JSON)
        text = page(status, style, refresh="refresh=off" not in options)
        return WebResponse(200, text.encode(errors="replace"), html)

    async def respond_font(request: WebRequest) -> WebResponse:
        name = request.path.removeprefix(_FONTS)
        content = fonts.files.get(name)
        if content is None:
            return WebResponse(404)
        return WebResponse(
            200,
            content,
            (
                ("Content-Type", f"font/{name.rpartition('.')[2]}"),
                # The name contains a hash of the content, so the content of a name never changes.
                ("Cache-Control", "public, max-age=31536000, immutable"),
                _NO_SNIFFING,
            ),
        )

    return [Route(("GET",), _PAGE, respond), Route(("GET",), f"{_FONTS}{{font}}", respond_font)]
