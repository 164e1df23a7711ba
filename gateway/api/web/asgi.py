"""Serves a site as an ASGI application, alone or mounted in another one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import unquote

from gateway.api.web.http import Closed, Headers, WebRequest
from gateway.api.web.inflated import InflatedBody
from gateway.api.web.site import Site

__all__ = ["Asgi"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class Asgi:
    """The ASGI application of the site that `site` returns for each request and each WebSocket."""

    def __init__(self, site: Callable[[], Site]) -> None:
        self._site = site

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _http(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        response = await self._site().respond(_request(scope, receive))
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        if isinstance(response.body, bytes):
            # RFC 9110, 8.6: no length for 204, and for HEAD only the length of the body that GET would have.
            if response.status not in {204, 304} and (response.body or scope["method"] != "HEAD"):
                headers.append((b"content-length", str(len(response.body)).encode()))
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await send({"type": "http.response.body", "body": response.body})
            return
        chunks = aiter(response.body)
        try:
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await _stream(chunks, receive, send)
        finally:  # also if it was cancelled before the first chunk
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()

    async def _websocket(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        socket = _AsgiWebSocket(_request(scope, receive), scope.get("subprotocols", ()), receive, send)
        await receive()  # websocket.connect
        handler = self._site().socket_handler(socket.request.path)
        if handler is not None:
            try:
                await handler(socket)
            except Closed:
                return
        await socket.close()

    async def _lifespan(self, receive: _Receive, send: _Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


def _request(scope: _Message, receive: _Receive) -> WebRequest:
    root, path = _mount_and_path(scope)
    headers = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    encoding = headers.get("content-encoding", "").strip().lower()
    body = _body(receive) if encoding in {"", "identity"} else InflatedBody(_body(receive), encoding)
    query = scope["query_string"].decode("latin-1")
    scheme = "https" if scope.get("scheme") in {"https", "wss"} else "http"
    peer, _ = scope.get("client") or ("", None)
    return WebRequest(
        scope.get("method", "GET"), path or "/", query, headers, body, scheme, root, peer=peer or "", native=scope
    )


def _mount_and_path(scope: _Message) -> tuple[str, str]:
    """Return the path of the application, and that of the request below it."""
    root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    if root:
        return root, path.removeprefix(root)
    if len(path) > 1 and path[-1] == "/":
        # Litestar leaves out the root path of a mount, and adds a slash to the rest, which the client has not sent.
        sent = unquote((scope.get("raw_path") or b"").decode("latin-1"))
        if sent.endswith(path[:-1]):
            return sent[: 1 - len(path)], path[:-1]
    return root, path


async def _body(receive: _Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Closed
        if chunk := message.get("body", b""):
            yield chunk
        if not message.get("more_body"):
            return


async def _stream(chunks: AsyncIterator[bytes], receive: _Receive, send: _Send) -> None:
    """Send a body until its end or until the client disconnects, which `send` does not report in every server."""
    sending = asyncio.ensure_future(_send_body(chunks, send))
    disconnect = asyncio.ensure_future(_wait_for_disconnect(receive))
    try:
        await asyncio.wait({sending, disconnect}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        sending.cancel()
        disconnect.cancel()
        [failure, _] = await asyncio.gather(sending, disconnect, return_exceptions=True)
    if isinstance(failure, Exception):
        raise failure


async def _wait_for_disconnect(receive: _Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_body(chunks: AsyncIterator[bytes], send: _Send) -> None:
    try:
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except OSError:  # ASGI servers raise it when the client has disconnected
        pass


class _AsgiWebSocket:
    """Implements `gateway.api.web.http.WebSocket`."""

    def __init__(self, request: WebRequest, subprotocols: Sequence[str], receive: _Receive, send: _Send) -> None:
        self.request = request
        self.subprotocols = tuple(subprotocols)
        self._receive = receive
        self._send = send
        self._closed = False

    async def accept(self, subprotocol: str | None = None) -> None:
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol})

    def allow_large_messages(self) -> None:
        """Do nothing: the ASGI server has one limit for all messages."""

    async def receive(self) -> str:
        message = await self._receive()
        text = message.get("text")
        if message["type"] != "websocket.receive" or text is None:
            self._closed = message["type"] == "websocket.disconnect"
            raise Closed
        return str(text)

    async def send(self, text: str) -> None:
        try:
            await self._send({"type": "websocket.send", "text": text})
        except (OSError, RuntimeError) as error:
            raise Closed from error

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self._closed:
            return
        self._closed = True
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, RuntimeError):  # it is closed already
            return
