"""Everything live of one gateway: its sockets and its event streams, over one set of feeds."""

from collections.abc import Callable

from gateway.api.graphql.execution.executor import Executor
from gateway.api.graphql.execution.reception import IncomingFactory
from gateway.api.graphql.live.connections import Connections
from gateway.api.graphql.live.feeds import Feeds
from gateway.api.graphql.live.options import LiveOptions, LiveTraffic, Observe, unobserved
from gateway.api.graphql.live.sse_distinct import EventStreams
from gateway.api.graphql.live.sse_single import Reservations
from gateway.api.graphql.live.websocket import WebSocketConnection, WebSocketEndpoint
from gateway.api.web.http import SocketRoute, WebSocket

__all__ = ["Live"]


class Live:
    """For one event loop. `allows` tells which origins' pages may open sockets, beside our own.

    `traffic` is what there is now.
    """

    def __init__(
        self,
        executor: Executor,
        reception: IncomingFactory,
        options: LiveOptions | None = None,
        *,
        allows: Callable[[str], bool] = lambda _origin: False,
        observe: Observe = unobserved,
    ) -> None:
        options = options or LiveOptions()
        self.events = reception.events
        self.traffic = LiveTraffic()
        self._feeds = Feeds(executor, options, self.traffic, observe)
        self._connections = Connections(
            options.connections, spread=options.drain, traffic=self.traffic, observe=observe
        )

        def connect(socket: WebSocket) -> WebSocketConnection:
            return WebSocketConnection(socket, self._feeds, reception, options, self.traffic)

        self._sockets = WebSocketEndpoint(self._connections, connect, allows=allows, observe=observe)
        self.streams = EventStreams(self._connections, self._feeds, options, self.traffic)
        self.reservations = Reservations(self._connections, self._feeds, options, self.traffic, observe)

    def route(self, path: str = "/graphql") -> SocketRoute:
        """The sockets at their path."""
        return SocketRoute(path, self._sockets)

    async def drain(self) -> None:
        """Take nothing new, send all clients away, and end what is left then. Safe to repeat."""
        await self._connections.drain()
        self.reservations.end()
        await self._feeds.aclose()
