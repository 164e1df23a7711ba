"""The open connections of an HTTP server: a bounded number, of which the longest idle one is closed first."""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["ACCEPTED_AT_ONCE", "ConnectionLimit", "OpenConnections", "listen", "stop_listening"]

ACCEPTED_AT_ONCE = 16
"""Connections that are accepted in one iteration of the event loop, before the first of them is counted. When there are
no file descriptors left, asyncio tries to accept, and logs, this many times each second."""

_BACKLOG = 128  # connections that the operating system accepts before the process does

Connection = TypeVar("Connection")


async def listen(factory: Callable[[], asyncio.Protocol], host: str, port: int) -> asyncio.Server:
    """Listen on an address.

    Raises:
        OSError: the address cannot be listened on.
    """
    server = await asyncio.get_running_loop().create_server(factory, host, port, backlog=ACCEPTED_AT_ONCE)
    for listening in server.sockets:  # asyncio has one number for both
        with socket.fromfd(listening.fileno(), listening.family, listening.type) as same:
            same.listen(_BACKLOG)
    return server


async def stop_listening(server: asyncio.Server) -> None:
    """Close a listening server.

    asyncio accepts a connection in two steps of the event loop. If its server is closed between them, the connection is
    neither served nor closed, and its client waits until the process ends. So no connection is accepted any more, and
    those of the first step get their second one, before the server is closed.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, asyncio.SelectorEventLoop):  # uvloop accepts in one step
        for listening in server.sockets:
            loop.remove_reader(listening.fileno())
        await asyncio.sleep(0)
    server.close()


@dataclass(frozen=True, slots=True)
class ConnectionLimit:
    """How many connections an HTTP server may have open.

    `highest_descriptor`: the highest file descriptor that a connection may have. Each new file gets the lowest free
    one, so a higher one shows that too few are left for the sources, Redis and the log, whatever has taken the others.
    """

    connections: int
    highest_descriptor: int

    def is_exceeded(self, connections: int, descriptor: int) -> bool:
        """Return whether a connection has to be closed after one with that descriptor was opened."""
        return connections > self.connections or descriptor > self.highest_descriptor


class OpenConnections(Generic[Connection]):
    """Tracks the connections of a server, each idle or busy with a request or a WebSocket.

    `close` closes an idle connection at once. `retired`: the process stops, and each response is the last one of its
    connection, so that proxies open connections to other replicas while this one still serves. `stopped`: the server
    stops, and a connection that was accepted just before is closed at once. It would not take part in the stop, which
    would wait for it until the end of the grace period, and so would its client.
    """

    def __init__(self, limit: ConnectionLimit | None, close: Callable[[Connection], None]) -> None:
        self._limit = limit
        self._close = close
        self._open: set[Connection] = set()
        self._idle: OrderedDict[Connection, None] = OrderedDict()  # the longest idle one first
        self._all_closed = asyncio.Event()
        self.retired = False
        self.stopped = False

    def __len__(self) -> int:
        return len(self._open)

    def all(self) -> tuple[Connection, ...]:
        """Return all open connections."""
        return tuple(self._open)

    def opened(self, connection: Connection, descriptor: int) -> None:
        """Add a new connection, which is idle; beyond the limit close one: this one, if all others are busy."""
        self._open.add(connection)
        if self.stopped:
            self._close(connection)
            return
        self._idle[connection] = None
        if self._limit is not None and self._limit.is_exceeded(len(self._open), descriptor):
            longest_idle, _ = self._idle.popitem(last=False)
            self._close(longest_idle)

    def busy(self, connection: Connection) -> None:
        """Mark that a connection has a request or is a WebSocket."""
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """Mark that the response of a connection is sent, whether or not it was busy with the request."""
        if connection in self._open:
            self._idle[connection] = None
            self._idle.move_to_end(connection)

    def closed(self, connection: Connection) -> None:
        """Remove a connection that is closed."""
        self._open.discard(connection)
        self._idle.pop(connection, None)
        if not self._open:
            self._all_closed.set()

    async def wait_all_closed(self, seconds: float) -> bool:
        """Return whether all connections were closed within so many seconds."""
        self._all_closed.clear()
        if not self._open:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._all_closed.wait()
        except TimeoutError:
            return False
        return True
