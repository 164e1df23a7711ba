"""Parses the requests of a connection, in their order."""

from collections import deque
from collections.abc import Callable, Mapping

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from gateway.api.web.http import Malformed
from gateway.api.web.lean.body import Body, ConnectionIO
from gateway.api.web.lean.incoming import IncomingRequest, RejectedRequest
from gateway.api.web.lean.options import ServerOptions
from gateway.api.web.request_target import split_target
from gateway.api.web.sockets import SocketHandler

__all__ = ["RequestReader"]

_FRAMING_FIELDS = (b"content-length", b"transfer-encoding")


def _check(version: str, method: str, headers: Mapping[bytes, bytes]) -> None:
    """Reject what is not supported, and what another server could understand in another way.

    Raises:
        RejectedRequest: with the status of the response.
    """
    coding, expected = headers.get(b"transfer-encoding"), headers.get(b"expect")
    if version == "1.1":
        if b"host" not in headers:
            raise RejectedRequest(400)  # RFC 9112, 3.2
    elif version != "1.0":
        raise RejectedRequest(505)
    elif coding is not None:
        raise RejectedRequest(400)  # RFC 9112, 6.1: faulty framing
    if coding is not None and coding.strip().lower() != b"chunked":
        raise RejectedRequest(501)  # RFC 9112, 6.1
    if expected is not None and expected.strip().lower() != b"100-continue":
        raise RejectedRequest(417)  # RFC 9110, 10.1.1
    if method == "CONNECT":
        raise RejectedRequest(405)


def _framing_fields(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the lines that state the length of a body; nothing where there is no body."""
    if headers.get(b"content-length", b"0").strip() == b"0" and b"transfer-encoding" not in headers:
        return b""
    return b"".join(b"%b: %b\r\n" % (name, headers[name]) for name in _FRAMING_FIELDS if name in headers)


_MAX_PIECE = 16 * 1024  # bytes given to the parser at once: no more requests are parsed ahead than they contain
_SINGLETON_FIELDS = frozenset({b"host", b"content-encoding", b"expect"})  # repeated, they would be ambiguous


class RequestReader:
    """Parses the bytes of a connection by llhttp, without its leniencies; the parser calls the `on_` methods.

    While a parsed request waits for `next`, the bytes after it stay unparsed. `socket_handler` returns the handler of
    WebSockets at a path. `in_head`: the head of a request has arrived in part.
    """

    def __init__(
        self,
        connection: ConnectionIO,
        options: ServerOptions,
        socket_handler: Callable[[str], SocketHandler | None],
    ) -> None:
        self._connection = connection
        self._options = options
        self._socket_handler = socket_handler
        self._parsed: deque[IncomingRequest | RejectedRequest] = deque()
        self._unparsed = bytearray()
        self._paused = self._closed = self._is_websocket = self._resumed = False
        self._incoming: IncomingRequest | None = None  # the request whose body is arriving
        self._framing = b""
        self._overhead = 0  # bytes of a head, or between the chunks of a body
        self.in_head = False
        self._parser: HttpRequestParser | None = HttpRequestParser(self)

    @property
    def is_idle(self) -> bool:
        """Whether all bytes that arrived belong to requests that are complete and were returned by `next`."""
        return not (
            self._parsed
            or self._unparsed
            or self.in_head
            or self._closed
            or self._is_websocket
            or self._incoming is not None
        )

    def feed(self, data: bytes) -> None:
        """Add bytes that arrived."""
        if self._closed:
            return
        if self._parsed or self._is_websocket or self._unparsed or len(data) > _MAX_PIECE:
            self._unparsed += data
            self._parse_unparsed()
        else:
            self._parse(data)

    def next(self) -> IncomingRequest | RejectedRequest | None:
        """Remove and return the next request whose head is complete, None where there is none."""
        if not self._parsed:
            return None
        incoming = self._parsed.popleft()
        if self._unparsed:
            self._parse_unparsed()
        return incoming

    def take_unparsed(self) -> bytes:
        """Remove and return the bytes after the request for a WebSocket."""
        data = bytes(self._unparsed)
        self._unparsed.clear()
        self._pause_or_resume()
        return data

    def close(self, failure: Exception) -> None:
        """Parse no more bytes; `failure` is raised in the reader of a body that is not complete."""
        self._closed, self.in_head = True, False
        self._unparsed.clear()
        self._parser = None  # it refers to this object
        if self._incoming is not None:
            self._incoming.body.fail(failure)
            self._incoming = None

    def _parse_unparsed(self) -> None:
        unparsed = self._unparsed
        while unparsed and not (self._parsed or self._is_websocket):
            piece = bytes(unparsed[:_MAX_PIECE])
            del unparsed[:_MAX_PIECE]
            self._parse(piece)
        self._pause_or_resume()

    def _pause_or_resume(self) -> None:
        if len(self._unparsed) > self._options.read_ahead:
            self._paused = True
            self._connection.pause_reading()
        elif self._paused:
            self._paused = False
            self._connection.resume_reading()

    def _parse(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            return
        try:
            parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._unparsed[:0] = data[upgrade.args[0] :]
            self._ignore_upgrade()
        except HttpParserCallbackError as error:
            rejected = error.__context__
            if not isinstance(rejected, RejectedRequest):
                raise
            self._reject(rejected)
        except HttpParserError:
            self._reject(RejectedRequest(400))
        else:
            # Limits an incomplete head, and what is between chunks. It may count bytes of the same piece that were
            # before the head; `on_headers_complete` measures a head exactly.
            self._overhead += len(data)
            if self._overhead > self._options.max_head + _MAX_PIECE and (self.in_head or self._incoming is not None):
                self._reject(RejectedRequest(431))

    def _reject(self, rejected: RejectedRequest) -> None:
        if self._incoming is None and not self._closed:
            self._parsed.append(rejected)
        self.close(Malformed())

    def _ignore_upgrade(self) -> None:
        """Continue after a request for another protocol, unless it is answered by a WebSocket (RFC 9110, 7.8).

        Java's client requests HTTP/2 in this way with any request. The parser stops after the head, as if the upgrade
        was accepted. To parse a body, a new parser gets its length, and whether it belongs to the last request.
        """
        if self._is_websocket or self._closed:
            return
        if self._framing:
            lines, self._framing = self._framing, b""
            if self._incoming is not None and not self._incoming.keep_alive:
                lines += b"Connection: close\r\n"
            self._resumed = True
            self._parser = HttpRequestParser(self)
            self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % lines)
        self._parse_unparsed()

    def on_message_begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._fields = 0  # lines, while `_headers` has one entry for all lines of a name
        self._target = b""
        self._overhead = 0
        self.in_head = True

    def on_url(self, piece: bytes) -> None:
        self._target += piece
        if len(self._target) > self._options.max_target:
            raise RejectedRequest(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        headers = self._headers
        self._fields += 1
        if self._fields > self._options.max_fields:
            raise RejectedRequest(431)  # now, because joining the values of repeated fields takes time
        if name in headers:
            if name in _SINGLETON_FIELDS:
                raise RejectedRequest(400)
            joint = b"; " if name == b"cookie" else b", "  # RFC 9113, 8.2.3; RFC 9110, 5.3
            value = headers[name].rstrip(b" \t") + joint + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        self.in_head = False
        if self._resumed:
            self._resumed = False
            return
        parser, headers, options = self._parser, self._headers, self._options
        assert parser is not None  # noqa: S101 - the parser is the caller
        self._headers = {}  # for trailers, which are not used
        if (
            self._overhead + _MAX_PIECE > options.max_head
            and sum(map(len, (*headers, *headers.values()))) > options.max_head
        ):
            raise RejectedRequest(431)
        version, method = parser.get_http_version(), parser.get_method().decode()
        _check(version, method, headers)
        is_http_1_0 = version == "1.0"
        expects_continue = b"expect" in headers and not is_http_1_0
        body = Body(self._connection, options.read_ahead, expects_continue=expects_continue)
        try:
            path, query = split_target(self._target.decode("ascii"))  # the parser accepts no other bytes
        except ValueError:
            raise RejectedRequest(400) from None
        self._incoming = incoming = IncomingRequest(
            method, path, query, headers, body, parser.should_keep_alive(), is_http_1_0
        )
        if parser.should_upgrade():
            self._framing = _framing_fields(headers)
            if not self._framing and method == "GET" and headers.get(b"upgrade", b"").strip().lower() == b"websocket":
                incoming.socket_handler = self._socket_handler(path)
                self._is_websocket = incoming.socket_handler is not None
        self._parsed.append(incoming)

    def on_body(self, piece: bytes) -> None:
        self._overhead = 0
        if self._incoming is not None:
            self._incoming.body.feed(piece)

    def on_message_complete(self) -> None:
        incoming = self._incoming
        if incoming is None or self._framing:
            return  # the body is still to come: see `_ignore_upgrade`
        self._incoming = None
        incoming.body.complete()
        if not (incoming.keep_alive or self._is_websocket):
            self.close(Malformed())  # bytes after the last request are not parsed
