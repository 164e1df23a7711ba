"""Requests out of the bytes of a connection, in their order."""

from collections import deque
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from gateway.api.web.http import Malformed, SocketHandler
from gateway.api.web.lean.body import Body, Flow
from gateway.api.web.lean.incoming import IncomingRequest, Refused
from gateway.api.web.lean.options import ServerOptions

__all__ = ["RequestReader", "check", "framing", "split"]

_FRAMING = (b"content-length", b"transfer-encoding")


def check(version: str, method: str, came: Mapping[bytes, bytes]) -> None:
    """Refuse what another server may have understood in another way, and what is not served.

    Raises:
        Refused: with the status to answer.
    """
    coding, expected = came.get(b"transfer-encoding"), came.get(b"expect")
    if version == "1.1":
        if b"host" not in came:
            raise Refused(400)  # RFC 9112, 3.2
    elif version != "1.0":
        raise Refused(505)
    elif coding is not None:
        raise Refused(400)  # RFC 9112, 6.1: its framing is faulty
    if coding is not None and coding.strip().lower() != b"chunked":
        raise Refused(501)
    if expected is not None and expected.strip().lower() != b"100-continue":
        raise Refused(417)
    if method == "CONNECT":
        raise Refused(405)


def split(target: bytes) -> tuple[str, str]:
    """The path that is asked for, without its escapes, and the query, with them.

    Raises:
        Refused: it is no target.
    """
    text = target.decode("ascii")  # the parser lets nothing else through
    if text[0] != "/":
        text = _below(text)
    path, _, query = text.partition("#")[0].partition("?")
    return unquote(path) if "%" in path else path, query


def framing(came: Mapping[bytes, bytes]) -> bytes:
    """The lines that tell where a body ends; none where there is no body."""
    if came.get(b"content-length", b"0").strip() == b"0" and b"transfer-encoding" not in came:
        return b""
    return b"".join(b"%b: %b\r\n" % (name, came[name]) for name in _FRAMING if name in came)


def _below(target: str) -> str:
    """A target that is a whole URL, as for a proxy, without its origin."""
    if target == "*":
        return target
    try:
        parts = urlsplit(target)
    except ValueError:
        raise Refused(400) from None
    return f"{parts.path or '/'}?{parts.query}"


_PIECE = 16 * 1024  # bytes: no more requests than fit into them are read ahead of the one that is answered
_ONCE = frozenset({b"host", b"content-encoding", b"expect"})  # twice, they would have two meanings


class RequestReader:
    """Reads what a connection brings; the parser is llhttp without any of its leniencies, and calls the `on_` methods.

    While a request waits for its turn, what follows it stays unread. `socket` knows what answers WebSockets at a path.
    `midway` says whether there is half of a head.
    """

    def __init__(self, flow: Flow, options: ServerOptions, socket: Callable[[str], SocketHandler | None]) -> None:
        self._flow = flow
        self._options = options
        self._socket = socket
        self._waiting: deque[IncomingRequest | Refused] = deque()
        self._rest = bytearray()
        self._held = self._over = self._switched = self._resumed = False
        self._incoming: IncomingRequest | None = None  # whose body comes
        self._framing = b""
        self._around = 0
        self.midway = False
        self._parser: HttpRequestParser | None = HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        """Take what came."""
        if self._over:
            return
        if self._waiting or self._switched or self._rest or len(data) > _PIECE:
            self._rest += data
            self._read_on()
        else:
            self._parse(data)

    def next(self) -> IncomingRequest | Refused | None:
        """The next request whose head is there."""
        if not self._waiting:
            return None
        following = self._waiting.popleft()
        if self._rest:
            self._read_on()
        return following

    def rest(self) -> bytes:
        """What came after the request for a WebSocket."""
        rest = bytes(self._rest)
        self._rest.clear()
        self._pace()
        return rest

    def end(self, failure: Exception) -> None:
        """Nothing is read any more; a body that is not whole fails so."""
        self._over, self.midway = True, False
        self._rest.clear()
        self._parser = None  # it knows this object, too
        if self._incoming is not None:
            self._incoming.body.fail(failure)
            self._incoming = None

    def _read_on(self) -> None:
        rest = self._rest
        while rest and not (self._waiting or self._switched):
            piece = bytes(rest[:_PIECE])
            del rest[:_PIECE]
            self._parse(piece)
        self._pace()

    def _pace(self) -> None:
        if len(self._rest) > self._options.held:
            self._held = True
            self._flow.hold()
        elif self._held:
            self._held = False
            self._flow.release()

    def _parse(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            return
        try:
            parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._rest[:0] = data[upgrade.args[0] :]
            self._pass_over()
        except HttpParserCallbackError as error:
            refused = error.__context__
            if not isinstance(refused, Refused):
                raise
            self._refuse(refused)
        except HttpParserError:
            self._refuse(Refused(400))
        else:
            # What is no body has a cap: a head that is not whole yet, and what stands between chunks.
            # It may count what stood before in the same piece; `on_headers_complete` looks at a head exactly.
            self._around += len(data)
            if self._around > self._options.head + _PIECE and (self.midway or self._incoming is not None):
                self._refuse(Refused(431))

    def _refuse(self, refused: Refused) -> None:
        if self._incoming is None and not self._over:
            self._waiting.append(refused)
        self.end(Malformed())

    def _pass_over(self) -> None:
        """Go on after a request to speak another protocol, if it was not granted: the parser takes it as if it were.

        Java's client asks for HTTP/2 that way, whatever else it asks for. Where there is a body the parser has to
        be told anew how long it is, and whether it is the last one.
        """
        if self._switched or self._over:
            return
        if self._framing:
            lines, self._framing = self._framing, b""
            if self._incoming is not None and not self._incoming.keep:
                lines += b"Connection: close\r\n"
            self._resumed = True
            self._parser = HttpRequestParser(self)
            self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % lines)
        self._read_on()

    def on_message_begin(self) -> None:
        self._came: dict[bytes, bytes] = {}
        self._target = b""
        self._around = 0
        self.midway = True

    def on_url(self, piece: bytes) -> None:
        self._target += piece
        if len(self._target) > self._options.target:
            raise Refused(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        came = self._came
        if name in came:
            if name in _ONCE:
                raise Refused(400)
            value = b"%b, %b" % (came[name].rstrip(b" \t"), value)
        came[name] = value

    def on_headers_complete(self) -> None:
        self.midway = False
        if self._resumed:
            self._resumed = False
            return
        parser, came, options = self._parser, self._came, self._options
        assert parser is not None  # noqa: S101 - it calls
        self._came = {}  # for trailers, which nobody asks for
        if len(came) > options.fields or (
            self._around + _PIECE > options.head and sum(map(len, (*came, *came.values()))) > options.head
        ):
            raise Refused(431)
        version, method = parser.get_http_version(), parser.get_method().decode()
        check(version, method, came)
        old = version == "1.0"
        body = Body(self._flow, options.held, expected=b"expect" in came and not old)
        path, query = split(self._target)
        self._incoming = incoming = IncomingRequest(method, path, query, came, body, parser.should_keep_alive(), old)
        if parser.should_upgrade():
            self._framing = framing(came)
            if not self._framing and method == "GET" and came.get(b"upgrade", b"").strip().lower() == b"websocket":
                incoming.socket = self._socket(path)
                self._switched = incoming.socket is not None
        self._waiting.append(incoming)

    def on_body(self, piece: bytes) -> None:
        self._around = 0
        if self._incoming is not None:
            self._incoming.body.feed(piece)

    def on_message_complete(self) -> None:
        incoming = self._incoming
        if incoming is None or self._framing:
            return  # its body is still to come: see `_pass_over`
        self._incoming = None
        incoming.body.end()
        if not (incoming.keep or self._switched):
            self.end(Malformed())  # what follows is no request
