"""A site on a socket of its own, carried by aiohttp's server."""

import logging
from typing import Self

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.api.web.aiohttp_server import aiohttp_application
from gateway.api.web.site import Site

__all__ = ["AiohttpServer"]


def _is_ours(record: logging.LogRecord) -> bool:
    """What a stranger sends that is no HTTP is told to the stranger alone: aiohttp quotes it, credentials and all."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (HttpProcessingError, web.RequestPayloadError))


_LOG = logging.getLogger("gateway.http.aiohttp")
_LOG.addFilter(_is_ours)


class AiohttpServer:
    """See `gateway.api.web.servers.HttpServer`."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner

    @classmethod
    async def start(cls, site: Site, host: str, port: int, *, grace: float) -> Self:
        app = aiohttp_application(site)
        runner = web.AppRunner(app, access_log=None, logger=_LOG, shutdown_timeout=grace, handler_cancellation=True)
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
