"""The health endpoints `/healthz` and `/readyz`."""

from collections.abc import Callable

import orjson

from gateway.api.web.http import Route, WebRequest, WebResponse

__all__ = ["health"]


def health(ready: Callable[[], bool]) -> list[Route]:
    """Return the routes: `/healthz` is 200 while the process runs, `/readyz` 200 while it can serve, otherwise 503."""

    async def healthz(_request: WebRequest) -> WebResponse:
        return _response("alive", 200)

    async def readyz(_request: WebRequest) -> WebResponse:
        return _response("ready", 200) if ready() else _response("not ready", 503)

    return [Route(("GET",), "/healthz", healthz), Route(("GET",), "/readyz", readyz)]


def _response(text: str, status: int) -> WebResponse:
    return WebResponse(status, orjson.dumps({"status": text}), (("Content-Type", "application/json; charset=utf-8"),))
