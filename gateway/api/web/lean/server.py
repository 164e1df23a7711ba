"""A site, carried by asyncio's own protocols and llhttp, the parser of Node: HTTP/1.1, HTTP/1.0 and WebSockets.

What carrying a request costs is half of what it costs by aiohttp's server. What is left out: TLS and HTTP/2, which
whatever stands in front of a gateway in production has anyway; files; compressed answers; a log of requests.
"""

import asyncio
from typing import Self

from gateway.api.web.lean.connection import ServerConnection
from gateway.api.web.lean.options import ServerOptions
from gateway.api.web.site import Site

__all__ = ["LeanServer"]

_BACKLOG = 1024  # connections that the system takes before the process does
_LAST_WORDS = 1.0  # seconds to send what is left to clients that are cut off


class LeanServer:
    """A site on a socket of its own."""

    def __init__(self, site: Site, options: ServerOptions, grace: float) -> None:
        self._site = site
        self._options = options
        self._grace = grace
        self._open: set[ServerConnection] = set()
        self._empty = asyncio.Event()
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(
        cls, site: Site, host: str, port: int, *, grace: float, options: ServerOptions | None = None
    ) -> Self:
        """Serve there; port 0 picks one. `grace` is how many seconds requests under way get to finish at the end.

        Raises:
            OSError: nobody can listen there.
        """
        server = cls(site, options or ServerOptions(), grace)
        loop = asyncio.get_running_loop()
        server._server = await loop.create_server(server._connection, host, port, backlog=_BACKLOG)
        return server

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; of several the first."""
        assert self._server is not None  # noqa: S101 - started
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def stop(self) -> None:
        """Take nothing new, and stop when what is under way is done or its grace is over."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._open):
            connection.drain()
        if not await self._emptied(self._grace):
            under_way = [task for connection in tuple(self._open) if (task := connection.cancel()) is not None]
            await self._emptied(_LAST_WORDS)
            for connection in tuple(self._open):
                connection.abort()
            if under_way:
                await asyncio.wait(under_way, timeout=_LAST_WORDS)

    def _connection(self) -> ServerConnection:
        connection = ServerConnection(self._site, self._options, self._gone)
        self._open.add(connection)
        return connection

    def _gone(self, connection: ServerConnection) -> None:
        self._open.discard(connection)
        if not self._open:
            self._empty.set()

    async def _emptied(self, seconds: float) -> bool:
        """Whether all connections are closed by then."""
        self._empty.clear()
        if not self._open:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True
