"""Accepts WebSockets of GraphQL, if their origin and subprotocol are allowed and there is room, and serves them."""

from collections.abc import Callable
from urllib.parse import urlsplit

from gateway.api.gate import Overloaded
from gateway.api.graphql.live.connections import Connections
from gateway.api.graphql.live.messages import PROTOCOL, CloseCode, SocketClose
from gateway.api.graphql.live.options import LiveEvent, Observe
from gateway.api.graphql.live.websocket import WebSocketConnection
from gateway.api.web.http import WebRequest, WebSocket
from gateway.events.log import Draining

__all__ = ["WebSocketEndpoint"]


class WebSocketEndpoint:
    """Accepts WebSockets and serves them.

    `allows` returns whether pages of an origin may connect; pages of the gateway's origin always may. This check is
    needed because browsers let any page open a WebSocket to any host, with the cookies and the network access of the
    user. A client that sends no `Origin` is not a browser.
    """

    def __init__(
        self,
        connections: Connections,
        connect: Callable[[WebSocket], WebSocketConnection],
        *,
        allows: Callable[[str], bool],
        observe: Observe,
    ) -> None:
        self._connections = connections
        self._connect = connect
        self._allows = allows
        self._observe = observe

    async def __call__(self, socket: WebSocket) -> None:
        if not self._is_allowed(socket.request):
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
        await socket.close(close.code, close.reason)

    def _is_allowed(self, request: WebRequest) -> bool:
        origin = request.headers.get("origin")
        if origin is None or self._allows(origin):
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:  # for example an IPv6 address without its bracket
            return False
        # A proxy in front may end TLS. It reports the scheme of the client; without that report, either is possible.
        # Several proxies may each have added theirs: that of the client is the first one.
        scheme = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
        schemes = (scheme,) if scheme else ("http", "https")
        return parts.scheme in schemes and parts.netloc.lower() == request.headers.get("host", "").lower() != ""
