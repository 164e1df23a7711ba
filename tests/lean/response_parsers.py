"""The response in a stream of bytes, as the parser of the lean client, aiohttp's, and a whole connection read it."""

import asyncio
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpResponseParser, RawResponseMessage
from aiohttp.streams import StreamReader
from lean.transports import RecordingTransport

from gateway.errors import GatewayError
from gateway.sources.http.exchange import Request, Response, TransportLimits
from gateway.sources.http.lean.connection import ClientConnection
from gateway.sources.http.lean.response_reader import ResponseReader

__all__ = ["LeanClientConnections", "Received", "aiohttp_received", "lean_received"]

MAX_BODY = 100_000


@dataclass(frozen=True, slots=True)
class Received:
    """A response, or why there is none (`failure`). `reusable`: another call can be sent on the connection."""

    status: int = 0
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    reusable: bool = False
    failure: str = ""

    def header(self, name: str) -> str:
        """Return the value of a header field, empty if there is none."""
        return (self.headers or {}).get(name, "")


def lean_received(method: str, pieces: Iterable[bytes]) -> Received:
    """Return what the reader of the lean client reads before the source closes the connection."""
    reader = ResponseReader(MAX_BODY)
    reader.expect(_request(method))
    response = None
    try:
        for piece in pieces:
            response = reader.feed(piece)
            if response is not None:
                break
        else:
            return _of(reader.end(), reusable=False)
    except GatewayError as error:
        return Received(failure=f"{type(error).__name__}: {error}")
    return _of(response, reusable=reader.reusable)


def aiohttp_received(method: str, stream: bytes) -> Received:
    """Return what aiohttp's parser reads, as its client uses it."""
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    parser = HttpResponseParser(
        protocol,
        loop,
        2**16,
        payload_exception=ValueError,
        response_with_body=method != "HEAD",
        read_until_eof=True,
        auto_decompress=False,
    )
    messages: list[tuple[RawResponseMessage, StreamReader]] = []
    failure = ""
    try:
        for at in range(len(stream)):
            added, _, _ = parser.feed_data(stream[at : at + 1])
            messages += [message for message in added if not 100 <= message[0].code < 200 or message[0].code == 101]
            if messages and messages[0][1].is_eof():
                break
        else:
            parser.feed_eof()
    except HttpProcessingError as error:
        failure = error.message or type(error).__name__
    except Exception as error:  # noqa: BLE001 - what aiohttp's client would wrap
        failure = repr(error)
    if not messages:
        return Received(failure=failure or "no response")
    message, payload = messages[0]
    if not payload.is_eof() or payload.exception() is not None:
        return Received(failure=failure or repr(payload.exception()) or "incomplete")
    headers: dict[str, str] = {}
    for name, value in message.raw_headers:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("utf-8", "surrogateescape").strip(" \t"))
    return Received(message.code, headers, b"".join(getattr(payload, "_buffer", ())), not message.should_close)


class LeanClientConnections:
    """Connections of the lean client without sockets."""

    def __init__(self) -> None:
        self._socket, self._other = socket.socketpair()
        self._limits = TransportLimits(response_bytes=MAX_BODY)

    def close(self) -> None:
        self._socket.close()
        self._other.close()

    async def received(self, method: str, pieces: Sequence[bytes]) -> Received:
        """Return the response that a call gets whose source sends these bytes, and closes the connection then."""
        loop, idle = asyncio.get_running_loop(), []
        transport = RecordingTransport(self._socket)
        connection = ClientConnection(self._limits, on_idle=idle.append, on_closed=lambda _connection: None)
        connection.connection_made(transport)
        future = connection.send(_request(method), b"sent", loop.time() + 1_000)
        for piece in pieces:
            if transport.closed:
                break
            connection.data_received(piece)
        reusable = bool(idle) and not transport.closed
        if not transport.closed:
            connection.eof_received()
        connection.connection_lost(None)
        try:
            return _of(await future, reusable=reusable)
        except GatewayError as error:
            return Received(failure=f"{type(error).__name__}: {error}")


def _request(method: str) -> Request:
    return Request("account", method, "http://x/y", "/y")


def _of(response: Response, *, reusable: bool) -> Received:
    return Received(response.status, dict(response.headers), response.body, reusable)
