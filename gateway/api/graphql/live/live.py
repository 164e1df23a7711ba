"""All live operations of one gateway: WebSockets, event streams and multipart responses, which use the same feeds."""

from collections.abc import Callable

from gateway.api.graphql.execution.executor import Executor
from gateway.api.graphql.execution.incoming import IncomingFactory
from gateway.api.graphql.live.connections import Connections
from gateway.api.graphql.live.feeds import Feeds
from gateway.api.graphql.live.options import LiveOptions, LiveTraffic, Observe, unobserved
from gateway.api.graphql.live.sse_single import Reservations
from gateway.api.graphql.live.streams import Streams
from gateway.api.graphql.live.websocket import WebSocketConnection
from gateway.api.graphql.live.websocket_endpoint import WebSocketEndpoint
from gateway.api.web.http import WebRequest
from gateway.api.web.sockets import SocketRoute, WebSocket

__all__ = ["Live"]


class Live:
    """WebSockets, event streams and multipart responses of one gateway, in one event loop.

    `admits` returns whether the `Origin` of the handshake of a WebSocket is acceptable. `traffic` has the number of
    open connections and running operations.
    """

    def __init__(
        self,
        executor: Executor,
        incoming_factory: IncomingFactory,
        options: LiveOptions,
        *,
        admits: Callable[[WebRequest], bool],
        observe: Observe = unobserved,
    ) -> None:
        self.traffic = LiveTraffic()
        self._feeds = Feeds(executor, options, self.traffic, observe, incoming_factory.telemetry)
        self._connections = Connections(options, traffic=self.traffic, observe=observe)

        def connect(socket: WebSocket) -> WebSocketConnection:
            return WebSocketConnection(socket, self._connections, self._feeds, incoming_factory, options)

        self.follow = self._feeds.follow
        self._websockets = WebSocketEndpoint(self._connections, connect, admits=admits, observe=observe)
        self.streams = Streams(self._connections, self._feeds, options)
        self.reservations = Reservations(self._connections, self._feeds, options, observe, incoming_factory.telemetry)

    def route(self, path: str = "/graphql") -> SocketRoute:
        """Return the route of the WebSockets."""
        return SocketRoute(path, self._websockets)

    async def drain(self) -> None:
        """Refuse new connections, close all open ones, then cancel what still runs. Safe to repeat."""
        await self._connections.drain()
        self.reservations.close()
        await self._feeds.aclose()
