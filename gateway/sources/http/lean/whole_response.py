"""Reads a response that arrives whole, in one piece and in an ordinary form, without a Python call for its parts.

The callbacks of the parser are methods of built-in types. They check nothing, so every response that they cannot
represent is left to `ResponseReader`, which reads the same bytes from the start and has all the rules.
"""

import re
import zlib
from functools import lru_cache
from typing import NamedTuple

from httptools import HttpResponseParser

from gateway.kit.shaped_headers import Shape, ShapedHeaders
from gateway.sources.http.exchange import Response
from gateway.sources.http.lean.decoding import decoder
from gateway.sources.http.lean.response_reader import MAX_HEADERS, MAX_NON_BODY_BYTES, WITHOUT_BODY

__all__ = ["WholeResponseReader"]

_FINAL = 200
_START = b"HTTP/1.1 "
_BLANK_LINE = b"\r\n\r\n"
_LAST_CHUNK = b"\r\n0\r\n\r\n"  # without trailers
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_KEEP_ALIVE = frozenset({b"keep-alive", b"Keep-Alive"})
_CHUNKED = b"chunked"
# The parser may give up a connection because of these.
_ONLY_SLOW = frozenset({"upgrade", "proxy-connection"})


class WholeResponseReader:
    """Reads the responses on one connection. `reads` of a piece of data is None if `ResponseReader` has to read it.

    A response that it returns leaves the connection usable: it is of HTTP/1.1, has an end, and nothing follows it.
    """

    def __init__(self) -> None:
        self._received: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        self._unbegun: list[None] = []  # has one entry until the response begins
        self._ended: list[None] = []  # likewise until it ends
        self._connect()

    def _connect(self) -> None:
        """Begin with a new parser, and nothing received."""
        self.on_header = self._received.setdefault  # the first of two headers with the same name is used
        self.on_body = self._pieces.append
        self.on_message_begin = self._unbegun.pop  # a second response is an IndexError
        self.on_message_complete = self._ended.clear
        self._parser = HttpResponseParser(self)

    def read(self, data: bytes, max_body: int) -> Response | None:
        """Return the response if `data` is all of it, and nothing about it is unusual; else None."""
        received, pieces, unbegun, ended = self._received, self._pieces, self._unbegun, self._ended
        unbegun.append(None)
        ended.append(None)
        try:
            self._parser.feed_data(data)
        except Exception:  # noqa: BLE001 - whatever it is, the other reader raises what stands for it
            ended.append(None)
        response = None if ended else self._response(data, max_body)
        received.clear()
        pieces.clear()
        if response is None:
            unbegun.clear()
            ended.clear()
            self._connect()  # the old parser may be in the middle of a response
        return response

    def _response(self, data: bytes, max_body: int) -> Response | None:
        received, pieces = self._received, self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if len(data) - len(body) > MAX_NON_BODY_BYTES:
            return None
        form = _form(tuple(received))
        status = self._parser.get_status_code()
        if form is None or status < _FINAL or status in WITHOUT_BODY or not data.startswith(_START):
            return None
        shape, special = form
        if special is not None and not _is_plain(data, received, special):
            return None
        if special is not None and special.content_encoding is not None:
            inflated = _inflated(pieces, received[special.content_encoding], max_body)
            if inflated is None:
                return None
            body = inflated
        if len(body) > max_body:
            return None
        return Response(status, ShapedHeaders(received.copy(), shape), body)


class _Special(NamedTuple):
    """The spellings of the names in a head that change how a response is read; None for one that it does not have."""

    connection: bytes | None
    transfer_encoding: bytes | None
    content_encoding: bytes | None


def _is_plain(data: bytes, received: dict[bytes, bytes], special: _Special) -> bool:
    """Return whether those headers have ordinary values."""
    # A second field of the same name, which only the parser has seen, could have another value.
    if data.count(b"\r\n", 0, data.find(_BLANK_LINE)) != len(received):
        return False
    connection, transfer_encoding, _ = special
    return (connection is None or received[connection] in _KEEP_ALIVE) and (
        transfer_encoding is None or (received[transfer_encoding] == _CHUNKED and data.endswith(_LAST_CHUNK))
    )


def _inflated(pieces: list[bytes], coding: bytes, max_body: int) -> bytes | None:
    """Return the body without its coding; None if it does not match it, or is longer than `max_body`."""
    try:
        inflater = decoder(coding)
        if inflater is None:
            return b"".join(pieces)
        inflated: list[bytes] = []
        size = 0
        for piece in pieces:
            inflated.append(inflater.feed(piece, max_body - size + 1))
            size += len(inflated[-1])
            if size > max_body:
                return None
    except (ValueError, zlib.error):
        return None
    return b"".join(inflated) if inflater.is_complete else None


@lru_cache(maxsize=64)  # a source has few; their names may be long
def _form(names: tuple[bytes, ...]) -> tuple[Shape, _Special | None] | None:
    """Return the shape of a head, and the names in it that change how the response is read, if it has any.

    None: the head has a name that only the other reader handles, a name in two spellings, or too many names.
    """
    if len(names) > MAX_HEADERS or not all(map(_NAME.fullmatch, names)):
        return None
    spellings = {name.decode("ascii").lower(): name for name in names}
    if len(spellings) != len(names) or not _ONLY_SLOW.isdisjoint(spellings):
        return None
    special = _Special(*map(spellings.get, ("connection", "transfer-encoding", "content-encoding")))
    return Shape(spellings), special if any(special) else None
