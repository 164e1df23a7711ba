"""GraphQL over WebSockets: which are let in, and how each is closed."""

from collections.abc import Callable
from urllib.parse import urlsplit

from gateway.api.gate import Overloaded
from gateway.api.graphql.live.connection import Connection
from gateway.api.graphql.live.connections import Connections
from gateway.api.graphql.live.messages import PROTOCOL, CloseCode, Ending
from gateway.api.graphql.live.observing import Happening, Observe
from gateway.api.web.http import Request, WebSocket
from gateway.events.errors import Draining

__all__ = ["Sockets"]


class Sockets:
    """Answers WebSockets. `allows` tells whether the pages of an origin may connect, beside those of our own.

    A browser lets any page connect anywhere, with the cookies and from the network of whom it serves: the origin is
    all that tells. What sends none is no browser.
    """

    def __init__(
        self,
        connections: Connections,
        connect: Callable[[WebSocket], Connection],
        *,
        allows: Callable[[str], bool],
        observe: Observe,
    ) -> None:
        self._connections = connections
        self._connect = connect
        self._allows = allows
        self._observe = observe

    async def __call__(self, socket: WebSocket) -> None:
        if not self._is_welcome(socket.request):
            self._observe(Happening.REFUSED, "origin")
            await socket.close()
        elif PROTOCOL not in socket.offered:
            await socket.accept()  # else the client would not be told the code
            await self._close(socket, Ending(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, "Subprotocol not acceptable"))
        else:
            await socket.accept(PROTOCOL)
            await self._close(socket, await self._serve(socket))

    async def _serve(self, socket: WebSocket) -> Ending:
        connection = self._connect(socket)
        try:
            with self._connections.admit(connection, "websocket"):
                return await connection.run()
        except Overloaded as full:
            return Ending(CloseCode.TRY_AGAIN_LATER, full.message)
        except Draining:
            return Ending(CloseCode.GOING_AWAY, "Going away")

    async def _close(self, socket: WebSocket, ending: Ending) -> None:
        self._observe(Happening.CLOSED, str(ending.code.value))
        await socket.close(ending.code, ending.reason)

    def _is_welcome(self, request: Request) -> bool:
        origin = request.headers.get("origin")
        if origin is None or self._allows(origin):
            return True
        return urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower() != ""
