"""The servers by the names that the setting `http_server` has for them."""

from collections.abc import Mapping
from typing import Literal, Self

from aiohttp import web

from gateway.api.web.aiohttp_server import aiohttp_application
from gateway.api.web.lean.server import LeanServer
from gateway.api.web.site import Site

__all__ = ["SERVERS", "AiohttpServer", "HttpServer"]


class AiohttpServer:
    """A site on a socket of its own, carried by aiohttp's server."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner

    @classmethod
    async def start(cls, site: Site, host: str, port: int, *, grace: float) -> Self:
        """Serve there; port 0 picks one. See `LeanServer.start`."""
        app = aiohttp_application(site)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=grace, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except BaseException:
            await runner.cleanup()
            raise
        return cls(runner)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; of several the first."""
        host, port = self._runner.addresses[0][:2]
        return host, port

    async def stop(self) -> None:
        """Take nothing new, and stop when what is under way is done or its grace is over."""
        await self._runner.cleanup()


HttpServer = AiohttpServer | LeanServer

SERVERS: Mapping[Literal["aiohttp", "lean"], type[HttpServer]] = {"aiohttp": AiohttpServer, "lean": LeanServer}
"""`aiohttp` is the default: the server that most people know. `lean` takes a fraction of its CPU time."""
