"""Serves a site by asyncio protocols and llhttp, the parser of Node.js: HTTP/1.1, HTTP/1.0 and WebSockets.

It takes half of the CPU time of aiohttp's server. Left out are TLS and HTTP/2, which the proxy in front of a gateway in
production provides; files; compression of responses; and an access log.
"""

import asyncio
from typing import Self

from gateway.api.web.lean.connection import ServerConnection
from gateway.api.web.lean.options import ServerOptions
from gateway.api.web.lean.parse_queue import ParseQueue
from gateway.api.web.lean.whole_request import WholeRequestParser
from gateway.api.web.open_connections import ConnectionLimit, OpenConnections, listen, stop_listening
from gateway.api.web.site import Site

__all__ = ["LeanServer"]

_CANCEL_TIMEOUT = 1.0  # seconds for cancelled requests to end, and to send what was written


class LeanServer:
    """Implements `gateway.api.web.servers.HttpServer`."""

    def __init__(self, site: Site, options: ServerOptions, grace: float, limit: ConnectionLimit | None) -> None:
        self._site = site
        self._options = options
        self._grace = grace
        self._connections = OpenConnections[ServerConnection](limit, ServerConnection.abort)
        self._parse_queue = ParseQueue()
        self._whole_requests = WholeRequestParser(options) if site.fast_path else None
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(
        cls,
        site: Site,
        host: str,
        port: int,
        *,
        grace: float,
        limit: ConnectionLimit | None = None,
        options: ServerOptions | None = None,
    ) -> Self:
        """Start to serve a site: see `gateway.api.web.servers.serve`.

        Raises:
            OSError: the address cannot be listened on.
        """
        server = cls(site, options or ServerOptions(), grace, limit)
        server._server = await listen(server._new_connection, host, port)
        return server

    @property
    def address(self) -> tuple[str, int]:
        assert self._server is not None  # noqa: S101 - set by `start`
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    @property
    def connections(self) -> int:
        return len(self._connections)

    def retire(self) -> None:
        self._connections.retired = True

    async def stop(self) -> None:
        self._connections.stopped = True
        if self._server is not None:
            await stop_listening(self._server)
        for connection in self._connections.all():
            connection.drain()
        if not await self._connections.wait_all_closed(self._grace):
            cancelled = [task for connection in self._connections.all() if (task := connection.cancel()) is not None]
            await self._connections.wait_all_closed(_CANCEL_TIMEOUT)
            for connection in self._connections.all():
                connection.abort()
            if cancelled:
                await asyncio.wait(cancelled, timeout=_CANCEL_TIMEOUT)

    def _new_connection(self) -> ServerConnection:
        return ServerConnection(self._site, self._options, self._connections, self._parse_queue, self._whole_requests)
