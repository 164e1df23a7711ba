"""A site on a socket of its own, carried by aiohttp's server."""

from typing import Self

from aiohttp import web

from gateway.api.web.aiohttp_server import aiohttp_application
from gateway.api.web.site import Site

__all__ = ["AiohttpServer"]


class AiohttpServer:
    """See `gateway.api.web.servers.HttpServer`."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner

    @classmethod
    async def start(cls, site: Site, host: str, port: int, *, grace: float) -> Self:
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
        host, port = self._runner.addresses[0][:2]
        return host, port

    async def stop(self) -> None:
        await self._runner.cleanup()
