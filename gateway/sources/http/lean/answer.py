"""Answers out of the bytes of a connection, one at a time. Pure: pieces of any size in, an answer out."""

import zlib
from collections.abc import Mapping

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.kit.inflate import Inflater
from gateway.kit.lazy_headers import LazyHeaders
from gateway.sources.http.errors import cut_off, lost, no_http, too_large
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.lean.decoding import decoder

__all__ = ["AnswerReader"]

_MOST_AROUND = 64 * 1024  # bytes that are no body: of heads, of trailers, between two pieces
_MOST_FIELDS = 256
_FINAL = 200
_SWITCHED = 101
_WITHOUT_BODY = frozenset({204, 304})
_NO_FIELDS: Mapping[bytes, bytes] = {}


class _EndedError(Exception):
    """The answer is whole: nobody asked for what follows."""


class AnswerReader:
    """Reads what a connection brings. The `on_` methods are the parser's.

    `reusable` says after an answer whether another call may follow it on the same connection.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._came: dict[bytes, bytes] = {}
        self.on_header = self._came.setdefault  # the first of two wins; called for each header, so nothing of ours
        self._parser = HttpResponseParser(self)

    def expect(self, request: Request) -> None:
        """What comes next is the answer to this call."""
        self._request = request
        self._came.clear()
        self._fields: Mapping[bytes, bytes] | None = None
        self._body: bytes | bytearray = b""
        self._inflate: Inflater | None = None
        self._size = self._around = 0
        self._whole = False
        self.reusable = False

    def feed(self, data: bytes) -> Response | None:
        """Take what came; the answer, once it is whole.

        Raises:
            SourceInvalidResponse: no HTTP, or more bytes than the cap.
            SourceUnavailable: the body is not what it says it is.
        """
        self._around += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError as error:
            if not isinstance(error.__context__, _EndedError):
                raise (error.__context__ or error) from None
            self.reusable = False
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self._whole:
                raise no_http(self._request) from error
            self.reusable = False
        if self._whole:
            return self._answer()
        if self._around > _MOST_AROUND or len(self._came) > _MOST_FIELDS:
            raise no_http(self._request)
        return None

    def end(self) -> Response:
        """The connection has ended: the answer, if it had no other end.

        Raises:
            SourceUnavailable: there is no answer, or half of one.
        """
        if self._fields is None:
            raise lost(self._request)
        if b"content-length" in self._fields or b"transfer-encoding" in self._fields:
            raise cut_off(self._request)
        self._finish()
        return self._answer()

    def on_message_begin(self) -> None:
        if self._whole:
            raise _EndedError

    def on_headers_complete(self) -> None:
        self._status = status = self._parser.get_status_code()
        came = self._came
        if status == _SWITCHED or len(came) > _MOST_FIELDS:
            raise no_http(self._request)
        if status < _FINAL:
            came.clear()
            return
        self._fields = fields = {name.lower(): value for name, value in reversed(came.items())}
        if self._request.method == "HEAD" or (status in _WITHOUT_BODY and _has_length(fields)):
            self._whole = True
            raise _EndedError  # the parser would wait for a body
        if b"content-encoding" in fields:
            try:
                self._inflate = decoder(fields[b"content-encoding"])
            except ValueError:
                raise no_http(self._request) from None
        if self._around > _MOST_AROUND and sum(map(len, (*came, *came.values()))) > _MOST_AROUND:
            raise no_http(self._request)

    def on_body(self, piece: bytes) -> None:
        self._around = 0
        if self._inflate is not None:
            try:
                piece = self._inflate.feed(piece, self._most - self._size + 1)
            except zlib.error:
                raise cut_off(self._request) from None
        self._size += len(piece)
        if self._size > self._most:
            raise too_large(self._request, self._status, self._most)
        if not self._body:
            self._body = piece
        elif isinstance(self._body, bytearray):
            self._body += piece
        else:
            self._body = bytearray(self._body + piece)

    def on_message_complete(self) -> None:
        if self._fields is None:
            return  # an interim answer
        self._finish()
        self.reusable = self._parser.should_keep_alive()

    def _finish(self) -> None:
        if self._inflate is not None and not self._inflate.is_complete:
            raise cut_off(self._request)
        self._whole = True

    def _answer(self) -> Response:
        body = self._body
        fields = _NO_FIELDS if self._fields is None else self._fields
        self._body, self._fields = b"", None
        del self._request  # a form of megabytes does not stay with an idle connection
        return Response(self._status, LazyHeaders(fields), body if isinstance(body, bytes) else bytes(body))


def _has_length(fields: Mapping[bytes, bytes]) -> bool:
    return fields.get(b"content-length", b"0").strip() != b"0" or b"transfer-encoding" in fields
