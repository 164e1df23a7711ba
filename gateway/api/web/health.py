"""Whether the process is alive, and whether it can serve."""

from collections.abc import Callable

import orjson

from gateway.api.web.http import Route, WebRequest, WebResponse

__all__ = ["health"]


def health(ready: Callable[[], bool]) -> list[Route]:
    """`/healthz` answers while the process lives, `/readyz` 200 while it can serve, else 503."""

    async def healthz(_request: WebRequest) -> WebResponse:
        return _said("alive", 200)

    async def readyz(_request: WebRequest) -> WebResponse:
        return _said("ready", 200) if ready() else _said("not ready", 503)

    return [Route(("GET",), "/healthz", healthz), Route(("GET",), "/readyz", readyz)]


def _said(status: str, code: int) -> WebResponse:
    return WebResponse(code, orjson.dumps({"status": status}), (("Content-Type", "application/json; charset=utf-8"),))
