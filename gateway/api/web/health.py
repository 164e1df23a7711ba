"""Whether the process is alive, and whether it can serve."""

from collections.abc import Callable

from aiohttp import web

__all__ = ["add_health"]


def add_health(app: web.Application, ready: Callable[[], bool]) -> None:
    """`/healthz` answers while the process lives, `/readyz` 200 while it can serve, else 503."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_request: web.Request) -> web.Response:
        serving = ready()
        return web.json_response({"status": "ready" if serving else "not ready"}, status=200 if serving else 503)

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
