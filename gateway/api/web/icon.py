"""`/favicon.ico`, which browsers request beside any response that they show, for example JSON."""

from gateway.api.web.http import Route, WebRequest, WebResponse

__all__ = ["icon_route"]

_CACHED = ("Cache-Control", "public, max-age=86400")
_SVG = (("Content-Type", "image/svg+xml"), ("X-Content-Type-Options", "nosniff"), _CACHED)


def icon_route(svg: bytes | None) -> Route:
    """Return the route; without an SVG the response is 204, which browsers take as "there is no icon"."""
    response = WebResponse(204, b"", (_CACHED,)) if svg is None else WebResponse(200, svg, _SVG)

    async def respond(_request: WebRequest) -> WebResponse:
        return response

    return Route(("GET",), "/favicon.ico", respond)
