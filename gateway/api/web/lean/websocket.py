"""A WebSocket, whose frames are read and written by the package websockets without its I/O (RFC 6455)."""

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
from gateway.api.web.lean.body import ConnectionIO
from gateway.api.web.lean.options import ServerOptions
from gateway.api.web.lean.parse_queue import ParseQueue
from gateway.api.web.response_bytes import CLOSE, response_head
from gateway.api.web.sockets import FIRST_MESSAGE, ControlFrames

__all__ = ["LeanWebSocket"]

_LOG = logging.getLogger("gateway.http.sockets")
_LOG.setLevel(logging.WARNING)  # at INFO the package logs each WebSocket that opens or closes
_MESSAGE_OVERHEAD = 64  # bytes of memory for a message besides its text
_MAX_REASON = 123  # bytes: what a close frame has room for (RFC 6455, 5.5)
_PARSED_AT_ONCE = 512  # bytes: what is longer, or follows unparsed bytes, waits in the queue
_MIN_PIECE, _MAX_PIECE = 1024, 16 * 1024  # bytes given to the parser at once
_FEW_FRAMES = 16  # after a piece with no more frames, the next one is longer
_HANDSHAKE_FIELDS = ("connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol")


class LeanWebSocket:
    """Implements `gateway.api.web.http.WebSocket`. `data` are bytes that arrived before it was accepted."""

    def __init__(
        self, request: WebRequest, connection: ConnectionIO, options: ServerOptions, queue: ParseQueue, data: bytes
    ) -> None:
        self.request = request
        self._connection = connection
        self._options = options
        self._queue = queue
        self._unparsed = bytearray(data)
        self._piece = _MIN_PIECE
        self._protocol: ServerProtocol | None = None
        self._control_frames = ControlFrames()
        self._fragments = bytearray()
        self._opcode = Opcode.TEXT
        self._messages: deque[str | None] = deque()  # None for a message that is not text
        self._unread = 0  # bytes of the messages
        self._discards = False  # whether further messages are dropped
        self._received = asyncio.Event()
        self._closed = asyncio.Event()

    @property
    def subprotocols(self) -> Sequence[str]:
        names = self.request.headers.get("sec-websocket-protocol", "").split(",")
        return [name.strip() for name in names if name.strip()]

    async def accept(self, subprotocol: str | None = None) -> None:
        headers = self.request.headers
        fields = Headers([(name, headers[name]) for name in _HANDSHAKE_FIELDS if name in headers])
        negotiator = ServerProtocol(select_subprotocol=lambda *_: subprotocol, logger=_LOG)  # type: ignore[arg-type]  # a str
        response = negotiator.accept(Handshake(self.request.path, fields))
        self._connection.write(response.serialize())
        self._protocol = ServerProtocol(
            state=State.OPEN, max_size=min(FIRST_MESSAGE, self._options.max_message), logger=_LOG
        )
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._closed.set()
            self._connection.half_close()
            raise Closed
        self._connection.resume_reading()
        if self._unparsed:
            self._queue.add(self)

    def allow_large_messages(self) -> None:
        if self._protocol is not None:
            self._protocol.max_message_size = self._options.max_message

    async def receive(self) -> str:
        while not self._messages:
            if self._closed.is_set():
                raise Closed
            self._received.clear()
            await self._received.wait()
        text = self._messages.popleft()
        before, self._unread = self._unread, self._unread - _size(text)
        if before > self._options.read_ahead >= self._unread:
            self._continue_reading()
        if text is None:
            raise Closed
        return text

    async def send(self, text: str) -> None:
        protocol = self._protocol
        if protocol is None or protocol.state is not State.OPEN or self._closed.is_set():
            raise Closed
        protocol.send_text(text.encode())
        self._flush(protocol)
        await self._connection.wait_writable()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self._send_close(code, reason)
        if self._protocol is None:
            return
        try:
            async with asyncio.timeout(self._options.close_timeout):
                await self._closed.wait()
        except TimeoutError:
            self._connection.abort()  # the client does not read, or does not respond to the close frame

    async def finish(self) -> None:
        """Close the WebSocket after its handler has returned; a handshake that was not accepted is refused."""
        if self._protocol is None:
            self._connection.write(response_head(403, (), f"Content-Length: 0\r\n{CLOSE}"))
        await self.close()

    def release(self) -> None:
        """Let go of all bytes that arrived, and parse no more: nobody waits for messages any longer."""
        self.connection_lost()
        self._unparsed.clear()
        self._fragments.clear()
        self._messages.clear()
        if self._protocol is not None:
            self._protocol.parser.close()  # it refers to the protocol, which refers to it
            self._protocol.reader.discard()

    def go_away(self) -> None:
        """Send the client a close frame, because this process stops."""
        self._send_close(CloseCode.GOING_AWAY, "Going away")

    def feed(self, data: bytes) -> None:
        """Add bytes that arrived."""
        if self._closed.is_set():
            return
        if self._protocol is not None and not self._unparsed and len(data) <= _PARSED_AT_ONCE:
            self._parse(data, self._protocol)
            return
        self._unparsed += data
        if len(self._unparsed) > self._options.read_ahead:
            self._connection.pause_reading()
        if self._protocol is not None:
            self._queue.add(self)

    def parse_piece(self) -> bool:
        """Parse the next bytes; return whether more can be parsed. It waits while too many messages are unread."""
        unparsed, protocol = self._unparsed, self._protocol
        if protocol is None or self._closed.is_set():
            unparsed.clear()
        elif unparsed and (self._discards or self._unread <= self._options.read_ahead):
            piece = bytes(unparsed[: self._piece])
            del unparsed[: self._piece]
            few = self._parse(piece, protocol) <= _FEW_FRAMES
            self._piece = min(2 * self._piece, _MAX_PIECE) if few else _MIN_PIECE
        else:
            return False
        if not unparsed and (self._discards or self._unread <= self._options.read_ahead):
            self._connection.resume_reading()
        return bool(unparsed)

    def _parse(self, data: bytes, protocol: ServerProtocol) -> int:
        """Parse bytes, and return the number of frames that they completed."""
        protocol.receive_data(data)
        events = protocol.events_received()
        for event in events:
            if isinstance(event, Frame):
                self._add(event, protocol)
        self._flush(protocol)
        if protocol.parser_exc is not None:
            protocol.parser_exc.__traceback__ = None  # it would keep the bytes of the frame in memory
        if protocol.close_rcvd is not None or protocol.parser_exc is not None:
            self.connection_lost()
        return len(events)

    def _continue_reading(self) -> None:
        """Read and parse again after messages were received."""
        if self._unparsed:
            self._queue.add(self)
        else:
            self._connection.resume_reading()

    def connection_lost(self) -> None:
        """Mark that no more bytes will arrive."""
        self._closed.set()
        self._received.set()

    def _add(self, frame: Frame, protocol: ServerProtocol) -> None:
        if frame.opcode in {Opcode.TEXT, Opcode.BINARY}:
            self._opcode = frame.opcode
        elif frame.opcode is not Opcode.CONT:
            if not self._discards and self._control_frames.is_flood():
                self._fail(protocol, CloseCode.POLICY_VIOLATION, "Too many control frames")
            return
        if self._discards:
            return
        self._fragments += frame.data
        if not frame.fin:
            return
        message, self._fragments = self._fragments, bytearray()
        text = None
        if self._opcode is Opcode.TEXT:
            try:
                text = message.decode()
            except UnicodeDecodeError:
                self._fail(protocol, CloseCode.INVALID_DATA, "The message is not UTF-8.")
                return
        self._messages.append(text)
        self._unread += _size(text)
        self._received.set()
        if self._unread > self._options.read_ahead:
            self._connection.pause_reading()

    def _fail(self, protocol: ServerProtocol, code: CloseCode, reason: str) -> None:
        protocol.fail(code, reason)
        self._discards = True
        self.connection_lost()

    def _send_close(self, code: int, reason: str) -> None:
        protocol = self._protocol
        if protocol is not None and protocol.state is State.OPEN and not self._closed.is_set():
            protocol.send_close(code, reason.encode()[:_MAX_REASON].decode(errors="ignore"))
            self._flush(protocol)
        self._discards = True
        self._continue_reading()  # the close frame of the client may be behind messages that were not read

    def _flush(self, protocol: ServerProtocol) -> None:
        frames = protocol.data_to_send()
        if not frames:
            return
        if data := frames[0] if len(frames) == 1 else b"".join(frames):
            self._connection.write(data)
        if b"" in frames:  # the end
            self._connection.half_close()


def _size(message: str | None) -> int:
    return len(message or "") + _MESSAGE_OVERHEAD
