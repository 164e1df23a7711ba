"""The connections to one origin: at most so many, and whoever finds none free waits in line."""

import asyncio
import ssl
from collections import deque
from typing import Any

from gateway.sources.http.errors import not_reached
from gateway.sources.http.exchange import Request, TransportLimits
from gateway.sources.http.lean.connection import ClientConnection
from gateway.sources.http.lean.encoding import BaseUrl

__all__ = ["Pool"]

# Seconds that one address has before the next is tried beside it (RFC 8305, 5). uvloop tries them one by one.
_ADDRESSES: dict[str, Any] = {"happy_eyeballs_delay": 0.25}


class Pool:
    """Connections to `origin`. A free one goes to the longest waiting call, else the last used one to the next."""

    def __init__(self, origin: BaseUrl, limits: TransportLimits, tls: ssl.SSLContext | None) -> None:
        self.origin = origin
        self._limits = limits
        self._tls = tls if origin.secure else None
        self._idle: list[ClientConnection] = []
        self._open: set[ClientConnection] = set()
        self._places = limits.connections
        self._line: deque[asyncio.Future[ClientConnection | None]] = deque()
        self._closed = False

    def take(self) -> ClientConnection | None:
        """A connection that is free now."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable():
                return connection
            connection.close()
        return None

    async def wait(self, request: Request) -> ClientConnection:
        """A connection for that call, a new one or the next to be free.

        Raises:
            SourceTimeout: not in the time to connect.
            SourceUnavailable: refused, no such host, no trusted certificate.
        """
        try:
            async with asyncio.timeout(min(self._limits.connect, self._limits.total)):
                return await self._next()
        # A host's name that cannot be one is a UnicodeError.
        except (OSError, UnicodeError) as error:
            raise not_reached(request, late=isinstance(error, TimeoutError)) from error

    async def aclose(self) -> None:
        """Close all of them, the calls on them with them."""
        self._closed = True
        for turn in self._line:
            if not turn.done():
                turn.set_exception(ConnectionAbortedError())
        connections = list(self._open)
        for connection in connections:
            connection.close()
        if connections:
            await asyncio.wait([one.closed for one in connections])

    async def _next(self) -> ClientConnection:
        while True:
            if self._places:
                self._places -= 1
                return await self._connect()
            turn: asyncio.Future[ClientConnection | None] = asyncio.get_running_loop().create_future()
            self._line.append(turn)
            try:
                connection = await turn
            except asyncio.CancelledError:
                self._step_out(turn)
                raise
            if connection is None:
                return await self._connect()
            if connection.usable():
                return connection
            connection.close()

    async def _connect(self) -> ClientConnection:
        """A new connection, in the place that was taken for it."""
        origin, loop = self.origin, asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: ClientConnection(self._limits, idle=self._free, gone=self._gone),
                origin.host,
                origin.port,
                ssl=self._tls,
                server_hostname=origin.host.rstrip(".") if self._tls else None,
                **(_ADDRESSES if isinstance(loop, asyncio.BaseEventLoop) else {}),
            )
        except BaseException:
            self._vacate()
            raise
        if connection.closed.done() or self._closed:
            connection.close()
            self._vacate()
            raise ConnectionAbortedError
        self._open.add(connection)
        return connection

    def _free(self, connection: ClientConnection) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        self._idle.append(connection)

    def _gone(self, connection: ClientConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        if connection in self._open:
            self._open.remove(connection)
            self._vacate()

    def _vacate(self) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._places += 1

    def _step_out(self, turn: asyncio.Future[ClientConnection | None]) -> None:
        """Leave the line; what this turn had got already goes to the next one."""
        if turn.cancelled():
            if turn in self._line:
                self._line.remove(turn)
        elif turn.exception() is None:
            connection = turn.result()
            if connection is None:
                self._vacate()
            else:
                self._free(connection)
