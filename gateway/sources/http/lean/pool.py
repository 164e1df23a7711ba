"""The connections to one host: a limited number, and a queue of calls that wait for a free one."""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from gateway.sources.http.errors import connect_error
from gateway.sources.http.exchange import Request, TransportLimits
from gateway.sources.http.lean.connection import ClientConnection
from gateway.sources.http.lean.encoding import BaseUrl

__all__ = ["ConnectionPool"]

# Seconds before the next address of a host is tried at the same time (RFC 8305, section 5).
_SEVERAL_ADDRESSES: Mapping[str, Any] = {"happy_eyeballs_delay": 0.25}


class ConnectionPool:
    """Connections to the host of `base_url`.

    A free connection is given to the call that has waited longest. If no call waits, the next one gets the connection
    that was used last.
    """

    def __init__(
        self, base_url: BaseUrl, limits: TransportLimits, tls: ssl.SSLContext | None, *, fast_path: bool
    ) -> None:
        self.base_url = base_url
        self._limits = limits
        self._fast_path = fast_path
        self._tls = tls if base_url.secure else None
        self._idle: list[ClientConnection] = []
        self._open: set[ClientConnection] = set()
        self._free_slots = limits.connections
        # The calls that wait, each for a connection, or for None: a slot, in which it opens a connection.
        self._waiters: deque[asyncio.Future[ClientConnection | None]] = deque()
        self._closed = False
        self._connect_options = _connect_options(base_url.host)

    def take_idle(self) -> ClientConnection | None:
        """Take an idle connection; return None if there is none."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable():
                return connection
            connection.close()
        return None

    async def acquire(self, request: Request) -> ClientConnection:
        """Return a connection for this request: a new one, or the next that becomes free.

        Raises:
            SourceTimeout: there was none within the time for connecting.
            SourceUnavailable: the connection was refused, the host not found, or its certificate not trusted; or the
                process has no file descriptor for it.
        """
        try:
            async with asyncio.timeout(min(self._limits.connect, self._limits.total)):
                return await self._acquire()
        # A UnicodeError is raised for text that cannot be a host name.
        except (OSError, UnicodeError) as error:
            raise connect_error(request, error) from error

    async def aclose(self) -> None:
        """Close all connections, including those with a call under way."""
        self._closed = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(ConnectionAbortedError())
        connections = list(self._open)
        for connection in connections:
            connection.close()
        if connections:
            await asyncio.wait([connection.closed for connection in connections])

    async def _acquire(self) -> ClientConnection:
        while True:
            if self._free_slots:
                self._free_slots -= 1
                return await self._connect()
            waiter: asyncio.Future[ClientConnection | None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                connection = await waiter
            except asyncio.CancelledError:
                self._leave(waiter)
                raise
            if connection is None:
                return await self._connect()
            if connection.usable():
                return connection
            connection.close()

    async def _connect(self) -> ClientConnection:
        """Open a connection in a slot that was taken for it."""
        base_url, loop = self.base_url, asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                self._new_connection,
                base_url.host,
                base_url.port,
                ssl=self._tls,
                server_hostname=base_url.host.rstrip(".") if self._tls else None,
                **self._connect_options,
            )
        except BaseException:
            self._release_slot()
            raise
        if connection.closed.done() or self._closed:
            connection.close()
            self._release_slot()
            raise ConnectionAbortedError
        self._open.add(connection)
        return connection

    def _new_connection(self) -> ClientConnection:
        return ClientConnection(self._limits, on_idle=self._release, on_closed=self._remove, fast_path=self._fast_path)

    def _release(self, connection: ClientConnection) -> None:
        """Give a connection without a call to the first waiter, or keep it idle."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    def _remove(self, connection: ClientConnection) -> None:
        """Remove a closed connection."""
        if connection in self._idle:
            self._idle.remove(connection)
        if connection in self._open:
            self._open.remove(connection)
            self._release_slot()

    def _release_slot(self) -> None:
        """Give a slot to the first waiter, or count it as free."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free_slots += 1

    def _leave(self, waiter: asyncio.Future[ClientConnection | None]) -> None:
        """Remove a cancelled waiter; the connection or slot that it may have got already goes to the next one."""
        if waiter.cancelled():
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        elif waiter.exception() is None:
            connection = waiter.result()
            if connection is None:
                self._release_slot()
            else:
                self._release(connection)


def _connect_options(host: str) -> Mapping[str, Any]:
    """Return the options of the event loop for connections to a host. uvloop has none of them.

    A host that is an IP address has one address. The option would only cost a task then, and a connection that is
    opened in the moment in which it is given up would stay open until garbage collection (in Python 3.11 and 3.13).
    """
    if not isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
        return {}
    try:
        ip_address(host)
    except ValueError:
        return _SEVERAL_ADDRESSES
    return {}
