"""Accepts WebSockets of GraphQL, if their origin and subprotocol are allowed and there is room, and serves them."""

from collections.abc import Callable

from gateway.api.gate import Overloaded
from gateway.api.graphql.live.connections import Connections
from gateway.api.graphql.live.messages import PROTOCOL, CloseCode, SocketClose
from gateway.api.graphql.live.options import LiveEvent, Observe
from gateway.api.graphql.live.websocket import WebSocketConnection
from gateway.api.web.http import WebRequest
from gateway.api.web.sockets import WebSocket
from gateway.events.log import Draining

__all__ = ["WebSocketEndpoint"]

_MAX_REASON = 123  # bytes: what a close frame has room for (RFC 6455, 5.5)


class WebSocketEndpoint:
    """Accepts WebSockets and serves them.

    `admits` returns whether the `Origin` of a handshake is acceptable. This check is needed because browsers let any
    page open a WebSocket to any host, with the cookies and the network access of the user.
    """

    def __init__(
        self,
        connections: Connections,
        connect: Callable[[WebSocket], WebSocketConnection],
        *,
        admits: Callable[[WebRequest], bool],
        observe: Observe,
    ) -> None:
        self._connections = connections
        self._connect = connect
        self._admits = admits
        self._observe = observe

    async def __call__(self, socket: WebSocket) -> None:
        if not self._admits(socket.request):
            self._observe(LiveEvent.REFUSED, "origin")
            await socket.close()
        elif PROTOCOL not in socket.subprotocols:
            await socket.accept()  # a close code can be sent only after the handshake
            await self._close(socket, SocketClose(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, "Subprotocol not acceptable"))
        else:
            await socket.accept(PROTOCOL)
            await self._close(socket, await self._serve(socket))

    async def _serve(self, socket: WebSocket) -> SocketClose:
        connection = self._connect(socket)
        try:
            with self._connections.admit_unknown(connection):
                return await connection.run()
        except Overloaded as full:
            return SocketClose(CloseCode.TRY_AGAIN_LATER, full.message)
        except Draining:
            return SocketClose(CloseCode.GOING_AWAY, "Going away")

    async def _close(self, socket: WebSocket, close: SocketClose) -> None:
        self._observe(LiveEvent.CLOSED, str(close.code.value))
        reason = close.reason.encode()[:_MAX_REASON].decode(errors="ignore")  # it may be an embedding program's message
        await socket.close(close.code, reason)
