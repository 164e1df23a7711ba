"""The fast path of the lean server: reads plain requests whose bytes arrived at once.

Here llhttp calls methods of lists and dictionaries, which are written in C, and no Python function. What is not plain,
or not whole, is left to `RequestReader`, which gets the same bytes: it rejects, waits, and joins fields.
"""

from functools import lru_cache
from typing import Any

import msgspec
from httptools import HttpRequestParser

from gateway.api.web.http import WebRequest
from gateway.api.web.lean.options import ServerOptions
from gateway.api.web.request_target import split_target
from gateway.kit.shaped_headers import Shape, ShapedHeaders, shape_of
from gateway.telemetry.report import RequestReport

__all__ = ["WholeRequestParser", "WholeRequestReader"]

_MAX_SIZE = 16 * 1024  # bytes of a request; most are far smaller
_MAX_CACHED_LINE = 256  # bytes of a request line
_NO_LINE = b"\0"  # no method begins with it
_MAX_REMEMBERED = 2 * 1024  # bytes of a head, for each connection
_KEPT = frozenset({b"keep-alive", b"Keep-Alive"})
# llhttp evaluates Proxy-Connection like Connection.
_LEFT_TO_REQUEST_READER = frozenset({"transfer-encoding", "expect", "upgrade", "content-encoding", "proxy-connection"})


class _Head(msgspec.Struct, frozen=True):
    """A head of a request, as its bytes and parsed; `size` is that of the request with its body."""

    data: bytes
    size: int
    method: str
    path: str
    query: str
    headers: ShapedHeaders


class WholeRequestParser:
    """Parses the requests of all connections of a server, each from its first to its last byte in one call.

    The attributes beginning with `on_` are what llhttp calls. A second message in the bytes calls `pop` of a list that
    is empty, and so fails. After any failure the parser is replaced, because it would wait for the rest of a message.
    """

    __slots__ = (
        "_begins",
        "_body",
        "_ends",
        "_fields",
        "_line",
        "_max_fields",
        "_max_size",
        "_max_target",
        "_parsed_line",
        "_parser",
        "on_body",
        "on_header",
        "on_message_begin",
        "on_message_complete",
    )

    def __init__(self, options: ServerOptions) -> None:
        self._max_size = min(_MAX_SIZE, options.max_head)
        self._max_target = options.max_target
        self._max_fields = options.max_fields
        self._line, self._parsed_line = _NO_LINE, ("", "", "")  # of the last request
        self._renew()

    def _renew(self) -> None:
        self._begins: list[None] = []
        self._ends: list[None] = []
        self._fields: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self.on_message_begin = self._begins.pop
        self.on_message_complete = self._ends.clear
        self.on_header: Any = self._fields.setdefault
        self.on_body = self._body.append
        self._parser = HttpRequestParser(self)

    def try_parse(self, data: bytes) -> _Head | None:
        """Return the head of a request, if the bytes are exactly one request, and a plain one."""
        end = data.find(b"\r\n\r\n")
        if end < 0 or len(data) > self._max_size:
            return None
        if data.startswith(self._line):
            parsed = self._parsed_line
        else:
            line = data[: data.find(b"\r\n")]
            found = _parse_line(line) if len(line) <= _MAX_CACHED_LINE else _parse_line.__wrapped__(line)
            if found is None or len(line) > self._max_target:
                return None
            self._line, self._parsed_line = line + b"\r\n", (parsed := found)
        fields, body, ends = self._fields, self._body, self._ends
        self._begins.append(None)
        ends.append(None)
        try:
            self._parser.feed_data(data)
        except Exception:  # noqa: BLE001 - the other reader has the same one, and rejects the request
            ends.append(None)
        # What is refused is not looked up: thousands of names, in heads that all differ, would fill the caches.
        shape = None if ends or len(fields) > self._max_fields else _parse_names(tuple(fields))
        if (
            shape is None
            or len(fields) != data.count(b"\n", 0, end)  # `setdefault` drops repeated fields
            or ((connection := shape.names.get("connection")) is not None and fields[connection] not in _KEPT)
            or end + 4 + (len(body[0]) if body else 0) != len(data)
        ):
            self._renew()
            return None
        headers = ShapedHeaders(fields.copy(), shape)
        fields.clear()
        body.clear()
        return _Head(data[: end + 4], len(data), *parsed, headers)


class WholeRequestReader:
    """Reads the requests of one connection that are plain and whole; a parser may serve many connections.

    It remembers the last head. Most clients send the next request with the same one, if its body has the same length,
    and then nothing is parsed.
    """

    __slots__ = ("_last", "_parser")

    def __init__(self, parser: WholeRequestParser) -> None:
        self._parser = parser
        self._last: _Head | None = None

    def try_read(self, data: bytes, peer: str) -> WebRequest | None:
        """Return the request in these bytes of a client at that address, None if `RequestReader` has to read them.

        The bytes must be all that have arrived since the request before, or since the start of the connection.
        """
        head = self._last
        if head is None or len(data) != head.size or not data.startswith(head.data):
            head = self._parser.try_parse(data)
            if head is None:
                return None
            self._last = head if len(head.data) <= _MAX_REMEMBERED else None
        body = data[len(head.data) :]
        return WebRequest(head.method, head.path, head.query, head.headers, body, "http", "", RequestReport(), peer)


@lru_cache(maxsize=256)
def _parse_line(line: bytes) -> tuple[str, str, str] | None:
    """Return method, path and query of a request line of HTTP/1.1, None if it needs a closer look."""
    parts = line.split(b" ")
    # llhttp skips line breaks before a method.
    if len(parts) != 3 or parts[2] != b"HTTP/1.1" or not parts[0].isalpha() or parts[0] == b"CONNECT":  # noqa: PLR2004 - the parts of a line
        return None
    try:
        return parts[0].decode("ascii"), *split_target(parts[1].decode("ascii"))
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _parse_names(names: tuple[bytes, ...]) -> Shape | None:
    """Return the shape of a request with fields of these names, None if they need a closer look."""
    shape = shape_of(names)
    if shape is None or "host" not in shape.names or not _LEFT_TO_REQUEST_READER.isdisjoint(shape.names):
        return None
    return shape
