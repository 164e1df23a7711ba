"""A client of gRPC that writes HTTP/2 frames itself: it can leave messages unfinished, and read nothing."""

import asyncio
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Self

__all__ = ["RawConnection", "raw_connection"]

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_ACK = _END_STREAM = 0x1
_END_HEADERS = 0x4
_INITIAL_WINDOW = 4
_DEFAULT_WINDOW = 65_535
_MAX_FRAME = 16_384


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _header(name: str, value: str) -> bytes:
    """Encode a header literally, without an index and without Huffman coding (RFC 7541, 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


class RawConnection:
    """One connection. `window` is what the server may send on each stream before it has to wait.

    `ended` has the streams that the server has ended or reset; `sent` the bytes of messages that it has taken.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, window: int) -> None:
        self._reader = reader
        self._writer = writer
        self._next_stream = 1
        self._windows: defaultdict[int, int] = defaultdict(lambda: self._initial_window)
        self._initial_window = self._connection_window = _DEFAULT_WINDOW
        self._changed = asyncio.Event()
        self.ended: set[int] = set()
        self.started: set[int] = set()
        self.closed = False
        self.sent = 0
        setting = struct.pack(">HI", _INITIAL_WINDOW, window)
        writer.write(_PREFACE + _frame(_SETTINGS, 0, 0, setting))

    @classmethod
    async def connect(cls, address: str, *, window: int, local: str | None) -> Self:
        """Connect to `host:port`, from the address `local`."""
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), local_addr=local and (local, 0))
        return cls(reader, writer, window=window)

    def start(self, method: str, headers: Mapping[str, str] | None = None) -> int:
        """Start a call, without its message; return the number of its stream."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        fixed = {
            ":method": "POST",
            ":scheme": "http",
            ":path": method,
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc",
        }
        block = b"".join(_header(name, value) for name, value in (fixed | dict(headers or {})).items())
        self._writer.write(_frame(_HEADERS, _END_HEADERS, stream, block))
        return stream

    async def send(self, stream: int, data: bytes) -> None:
        """Send bytes of a message as far as the server takes them; stop when the stream or connection has ended."""
        while data and stream not in self.ended and not self.closed:
            size = min(len(data), _MAX_FRAME, self._windows[stream], self._connection_window)
            if size <= 0:
                self._changed.clear()
                await self._changed.wait()
                continue
            self._writer.write(_frame(_DATA, 0, stream, data[:size]))
            self._windows[stream] -= size
            self._connection_window -= size
            self.sent += size
            data = data[size:]
            await self._writer.drain()

    def finish(self, stream: int) -> None:
        """End the client's side of a stream."""
        self._writer.write(_frame(_DATA, _END_STREAM, stream))

    async def read_frames(self) -> None:
        """Read what the server sends, until it closes the connection."""
        try:
            while True:
                head = await self._reader.readexactly(9)
                size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
                stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
                self._receive(kind, flags, stream, await self._reader.readexactly(size))
                self._changed.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed = True
            self._changed.set()

    def close(self) -> None:
        self._writer.transport.abort()

    def _receive(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind in {_SETTINGS, _PING} and not flags & _ACK:
            if kind == _SETTINGS:
                self._apply_settings(payload)
            self._writer.write(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
        elif kind == _WINDOW_UPDATE:
            [increment] = struct.unpack(">I", payload)
            if stream:
                self._windows[stream] += increment
            else:
                self._connection_window += increment
        elif kind == _HEADERS:
            self.started.add(stream)
        if kind == _RST_STREAM or (kind in {_DATA, _HEADERS} and flags & _END_STREAM):
            self.ended.add(stream)
        if kind == _GOAWAY:
            self.closed = True

    def _apply_settings(self, payload: bytes) -> None:
        for offset in range(0, len(payload), 6):
            name, value = struct.unpack_from(">HI", payload, offset)
            if name == _INITIAL_WINDOW:
                for known in self._windows:
                    self._windows[known] += value - self._initial_window
                self._initial_window = value


@asynccontextmanager
async def raw_connection(
    address: str, *, window: int = _DEFAULT_WINDOW, local: str | None = None
) -> AsyncIterator[RawConnection]:
    """Connect to `host:port`, from the address `local` if it is given, and read frames until the block ends."""
    connection = await RawConnection.connect(address, window=window, local=local)
    reading = asyncio.create_task(connection.read_frames())
    try:
        yield connection
    finally:
        reading.cancel()
        connection.close()
