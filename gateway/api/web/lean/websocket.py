"""A WebSocket, framed by the library websockets, which leaves reading and writing to us."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol

from gateway.api.web.http import Closed, WebRequest
from gateway.api.web.lean.body import Flow
from gateway.api.web.lean.options import ServerOptions
from gateway.api.web.lean.response_writer import CLOSE, head

__all__ = ["Socket"]

_LOG = logging.getLogger("gateway.http.sockets")
_LOG.setLevel(logging.WARNING)  # the library tells of each one that opens and closes
_AROUND = 64  # bytes that a message takes, at least
_REASON = 123  # bytes: what a frame has room for
_HANDSHAKE = ("connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol")


class Socket:
    """See `gateway.api.web.http.WebSocket`. `early` is what came before it was accepted."""

    def __init__(self, request: WebRequest, flow: Flow, options: ServerOptions, early: bytes) -> None:
        self.request = request
        self._flow = flow
        self._options = options
        self._early = bytearray(early)
        self._protocol: ServerProtocol | None = None
        self._parts = bytearray()
        self._kind = Opcode.TEXT
        self._messages: deque[str | None] = deque()  # None is one that is no text
        self._size = 0
        self._over = False  # whether nobody reads them any more
        self._came = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def offered(self) -> Sequence[str]:
        sent = self.request.headers.get("sec-websocket-protocol", "")
        return [name.strip() for name in sent.split(",") if name.strip()]

    async def accept(self, subprotocol: str | None = None) -> None:
        sent = self.request.headers
        fields = Headers([(name, sent[name]) for name in _HANDSHAKE if name in sent])
        choose = ServerProtocol(select_subprotocol=lambda *_: subprotocol, logger=_LOG)  # type: ignore[arg-type]  # a str
        response = choose.accept(Handshake(self.request.path, fields))
        self._flow.write(response.serialize())
        self._protocol = ServerProtocol(state=State.OPEN, max_size=self._options.message, logger=_LOG)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._ended.set()
            self._flow.leave()
            raise Closed
        early, self._early = bytes(self._early), bytearray()
        self._flow.release()
        if early:
            self.feed(early)

    async def receive(self) -> str:
        while not self._messages:
            if self._ended.is_set():
                raise Closed
            self._came.clear()
            await self._came.wait()
        text = self._messages.popleft()
        before, self._size = self._size, self._size - _size(text)
        if before > self._options.held >= self._size:
            self._flow.release()
        if text is None:
            raise Closed
        return text

    async def send(self, text: str) -> None:
        protocol = self._protocol
        if protocol is None or protocol.state is not State.OPEN or self._ended.is_set():
            raise Closed
        protocol.send_text(text.encode())
        self._flush(protocol)
        await self._flow.room()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self._say_goodbye(code, reason)
        if self._protocol is None:
            return
        try:
            async with asyncio.timeout(self._options.goodbye):
                await self._ended.wait()
        except TimeoutError:
            self._flow.abort()  # a client that reads nothing, or hears nothing

    async def end(self) -> None:
        """Nobody is there for it any more. A handshake that was never accepted is refused."""
        if self._protocol is None:
            self._flow.write(head(403, (), f"Content-Length: 0\r\n{CLOSE}"))
        await self.close()

    def go_away(self) -> None:
        """Tell the client that this process stops."""
        self._say_goodbye(CloseCode.GOING_AWAY, "Going away")

    def feed(self, data: bytes) -> None:
        """Take what came."""
        protocol = self._protocol
        if protocol is None:
            self._early += data
            if len(self._early) > self._options.held:
                self._flow.hold()
            return
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Frame):
                self._take(event, protocol)
        self._flush(protocol)
        if protocol.close_rcvd is not None or protocol.parser_exc is not None:
            self.lost()

    def lost(self) -> None:
        """Nothing will come any more."""
        self._ended.set()
        self._came.set()

    def _take(self, frame: Frame, protocol: ServerProtocol) -> None:
        if frame.opcode in {Opcode.TEXT, Opcode.BINARY}:
            self._kind = frame.opcode
        elif frame.opcode is not Opcode.CONT:
            return
        if self._over:
            return
        self._parts += frame.data
        if not frame.fin:
            return
        whole, self._parts = self._parts, bytearray()
        text = None
        if self._kind is Opcode.TEXT:
            try:
                text = whole.decode()
            except UnicodeDecodeError:
                protocol.fail(CloseCode.INVALID_DATA, "not UTF-8")
                self._over = True
                self.lost()
                return
        self._messages.append(text)
        self._size += _size(text)
        self._came.set()
        if self._size > self._options.held:
            self._flow.hold()

    def _say_goodbye(self, code: int, reason: str) -> None:
        protocol = self._protocol
        if protocol is not None and protocol.state is State.OPEN and not self._ended.is_set():
            protocol.send_close(code, reason.encode()[:_REASON].decode(errors="ignore"))
            self._flush(protocol)
        self._over = True
        self._flow.release()  # the client's own goodbye may be behind what nobody has read

    def _flush(self, protocol: ServerProtocol) -> None:
        for data in protocol.data_to_send():
            if data:
                self._flow.write(data)
            else:
                self._flow.leave()


def _size(message: str | None) -> int:
    return len(message or "") + _AROUND
