"""The requests in a stream of bytes, as the parser of the lean server, aiohttp's, and a whole lean server read them."""

import asyncio
import json
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.streams import StreamReader
from lean.transports import RecordingTransport

from gateway.api.web.http import Malformed, Route, TooLarge, WebRequest, WebResponse
from gateway.api.web.lean.incoming import IncomingRequest, RejectedRequest
from gateway.api.web.lean.options import ServerOptions
from gateway.api.web.lean.request_reader import RequestReader
from gateway.api.web.lean.server import LeanServer
from gateway.api.web.site import Site
from gateway.kit.lazy_headers import LazyHeaders

__all__ = ["LeanConnections", "Read", "Stream", "aiohttp_read", "lean_read"]

METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS")
PATHS = ("/graphql", "/next", "/", "/a b")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_VARYING = re.compile(rb"(Date|X-Request-ID): [^\r]*\r\n")
_MAX_BODY = 1_000_000


@dataclass(frozen=True, slots=True)
class Read:
    """A request: `body` as far as it arrived, and whether it is `complete`, `broken` or `waiting` for more."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    state: str


@dataclass(slots=True)
class Stream:
    """The requests of a connection, and how it goes on after them.

    `rejected`: the status of the response, or the message of the parser, where something is no request. `upgraded`:
    the parser leaves what follows to another protocol.
    """

    requests: list[Read] = field(default_factory=list)
    rejected: str = ""
    upgraded: bool = False


class _NoConnection:
    """What the reader of requests needs of a connection: nothing here pauses, writes or closes."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def send_continue(self) -> None: ...

    def write(self, data: bytes) -> None: ...

    async def wait_writable(self) -> None: ...

    def half_close(self) -> None: ...

    def abort(self) -> None: ...


def lean_read(pieces: Iterable[bytes]) -> Stream:
    """Return what the reader of the lean server reads; a WebSocket is served nowhere."""
    reader, stream = RequestReader(_NoConnection(), ServerOptions(), lambda _path: None), Stream()
    parsed: list[IncomingRequest] = []
    for piece in pieces:
        reader.feed(piece)
        while (incoming := reader.next()) is not None:
            if isinstance(incoming, RejectedRequest):
                stream.rejected = str(incoming.status)
            else:
                parsed.append(incoming)
    for incoming in parsed:
        body, headers = incoming.body, dict(LazyHeaders(incoming.headers))
        state = "complete" if body.is_complete else "broken" if body._failure is not None else "waiting"
        stream.requests.append(Read(incoming.method, incoming.path, incoming.query, headers, body.read_nowait(), state))
        if state == "broken":
            stream.rejected = "400"
    return stream


def aiohttp_read(stream: bytes) -> Stream:
    """Return what aiohttp's parser reads, byte by byte: of one piece it drops the requests before a faulty one."""
    loop = asyncio.get_running_loop()
    parser = HttpRequestParser(
        BaseProtocol(loop), loop, 2**16, payload_exception=ValueError, auto_decompress=False, max_msg_queue_size=0
    )
    read = Stream()
    messages: list[tuple[RawRequestMessage, StreamReader]] = []
    try:
        for at in range(len(stream)):
            added, read.upgraded, _ = parser.feed_data(stream[at : at + 1])
            messages += added
            if read.upgraded:
                break
    except HttpProcessingError as error:
        read.rejected = error.message or "refused"
    for message, payload in messages:  # of which the last may be one whose body is not as announced
        broken = payload.exception() is not None or read.rejected
        state = "complete" if payload.is_eof() else "broken" if broken else "waiting"
        body = b"".join(getattr(payload, "_buffer", ()))
        read.requests.append(
            Read(message.method, *_split(message.path or ""), _joined(message.raw_headers), body, state)
        )
    return read


def _split(target: str) -> tuple[str, str]:
    """Return path and query of a target, as the lean server gives them to an endpoint."""
    if target[:1] not in {"/", "*"} and "://" in target:
        parts = urlsplit(target)
        target = f"{parts.path or '/'}?{parts.query}"
    path, _, query = target.partition("#")[0].partition("?")
    return unquote(path), query


def _joined(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the values by lower-case names; several of one name are joined (RFC 9110, 5.3; RFC 9113, 8.2.3)."""
    joined: dict[bytes, bytes] = {}
    for mixed, value in fields:
        name = mixed.lower()
        before = joined[name].rstrip(b" \t") + (b"; " if name == b"cookie" else b", ") if name in joined else b""
        joined[name] = before + value.strip(b" \t")
    return {
        name.decode("latin-1"): value.decode("utf-8", "surrogateescape").rstrip(" ") for name, value in joined.items()
    }


@dataclass(frozen=True, slots=True)
class _Immediate:
    """A response that is there at once, or after an iteration of the event loop."""

    response: WebResponse
    immediate: bool

    def respond_now(self) -> WebResponse:
        return self.response

    async def respond(self) -> WebResponse:
        await asyncio.sleep(0)
        return self.response


class LeanConnections:
    """Connections of a lean server without sockets, whose endpoints respond with all that they were given.

    With `fast_path` they decide about each request that has arrived whole; otherwise they wait for the body.
    """

    def __init__(self, *, fast_path: bool, immediate: bool = True) -> None:
        self._immediate = immediate
        routes = [Route(METHODS, path, self._respond, self._try_handle) for path in PATHS]
        self._server = LeanServer(Site(routes, fast_path=fast_path), ServerOptions(), 0.1, None)
        self._socket = socket.socket()
        self.handled = 0  # by the fast path

    def close(self) -> None:
        self._socket.close()

    async def responses(self, pieces: Sequence[bytes], *, pauses: bool = True) -> tuple[bytes, bool]:
        """Return the bytes that a client receives, and whether the connection is closed after them.

        With `pauses` the server may respond before the next piece arrives.
        """
        connection, transport = self._server._new_connection(), RecordingTransport(self._socket)
        connection.connection_made(transport)
        for piece in pieces:
            if not transport.closed:
                connection.data_received(piece)
            if pauses:
                await asyncio.sleep(0)
        await _settled(transport)
        closed = transport.closed
        connection.connection_lost(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return _VARYING.sub(b"", transport.written.replace(_CONTINUE, b"")), closed

    async def _respond(self, request: WebRequest) -> WebResponse:
        try:
            body = await request.read(_MAX_BODY)
        except TooLarge:
            return WebResponse(413)
        except Malformed:
            return WebResponse(400, b"malformed")
        return _echo(request, body)

    def _try_handle(self, request: WebRequest) -> _Immediate | None:
        if not isinstance(request.body, bytes) or "x-empty" in request.headers:
            return None
        self.handled += 1
        return _Immediate(_echo(request, request.body), self._immediate)


def _echo(request: WebRequest, body: bytes) -> WebResponse:
    """Return all parts of a request, in which the order of the header fields makes no difference."""
    fields = {name: request.headers[name] for name in sorted(request.headers)}
    parts = [request.method, request.path, request.query, fields, body.decode("latin-1"), request.peer, request.scheme]
    return WebResponse(200, json.dumps(parts).encode(), (("Content-Type", "application/json"),))


async def _settled(transport: RecordingTransport) -> None:
    """Let the connection do what it can do without more bytes."""
    written = -1
    while written != len(transport.written):
        written = len(transport.written)
        for _ in range(6):
            await asyncio.sleep(0)
