"""Parses the responses on a connection, one at a time. It does no I/O: it takes bytes in pieces of any size."""

import zlib
from collections.abc import Mapping

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.kit.inflate import Inflater
from gateway.kit.lazy_headers import LazyHeaders
from gateway.sources.http.errors import disconnected_error, not_http_error, too_large_error, truncated_error
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.lean.decoding import decoder

__all__ = ["MAX_HEADERS", "MAX_NON_BODY_BYTES", "WITHOUT_BODY", "ResponseReader"]

MAX_NON_BODY_BYTES = 64 * 1024  # of a head, of trailers, or between two pieces of a body
MAX_HEADERS = 256
_INTERIM = 100
_FINAL = 200
_SWITCHING_PROTOCOLS = 101
WITHOUT_BODY = frozenset({204, 304})
_NO_HEADERS: Mapping[bytes, bytes] = {}


class _CompleteError(Exception):
    """Stops the parser: the response is complete, and what follows was not requested."""


class ResponseReader:
    """Parses responses of at most `max_body` bytes, if their requests set no other maximum. The parser calls `on_…`.

    `reusable` is, after a response, whether the connection can be used for another call.
    """

    def __init__(self, max_body: int) -> None:
        self._default_max_body = max_body
        self._received: dict[bytes, bytes] = {}
        # The first of two headers with the same name is used. It is called for each header, so it is not a method here.
        self.on_header = self._received.setdefault
        self._parser = HttpResponseParser(self)

    def expect(self, request: Request) -> None:
        """Begin with the response to this request."""
        self._request = request
        self._max_body = self._default_max_body if request.max_bytes is None else request.max_bytes
        self._received.clear()
        self._headers: Mapping[bytes, bytes] | None = None
        self._body: bytes | bytearray = b""
        self._inflate: Inflater | None = None
        self._body_size = self._non_body_size = 0
        self._complete = False
        self.reusable = False

    def feed(self, data: bytes) -> Response | None:
        """Parse received bytes; return the response once it is complete.

        Raises:
            SourceInvalidResponse: the bytes are not HTTP, or more than allowed.
            SourceUnavailable: the body does not match its coding.
        """
        self._non_body_size += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError as error:
            if not isinstance(error.__context__, _CompleteError):
                raise (error.__context__ or error) from None
            self.reusable = False
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self._complete:
                raise not_http_error(self._request) from error
            self.reusable = False
        if self._complete:
            return self._response()
        if self._non_body_size > MAX_NON_BODY_BYTES or len(self._received) > MAX_HEADERS:
            raise not_http_error(self._request)
        return None

    def end(self) -> Response:
        """Return the response if it is one that ends with the connection, which has ended.

        Raises:
            SourceUnavailable: there is no response, or only a part of it.
        """
        if self._headers is None:
            raise disconnected_error(self._request)
        if b"content-length" in self._headers or b"transfer-encoding" in self._headers:
            raise truncated_error(self._request)
        self._finish()
        return self._response()

    def on_message_begin(self) -> None:
        if self._complete:
            raise _CompleteError

    def on_headers_complete(self) -> None:
        self._status = status = self._parser.get_status_code()
        received = self._received
        # The parser reads a body below 100, which would become a part of that of the final response.
        if status < _INTERIM or status == _SWITCHING_PROTOCOLS or len(received) > MAX_HEADERS:
            raise not_http_error(self._request)
        if status < _FINAL:
            received.clear()
            return
        self._headers = headers = {name.lower(): value for name, value in reversed(received.items())}
        if self._request.method == "HEAD" or (status in WITHOUT_BODY and _announces_body(headers)):
            self._complete = True
            raise _CompleteError  # the parser would wait for a body
        if b"content-encoding" in headers:
            try:
                self._inflate = decoder(headers[b"content-encoding"])
            except ValueError:
                raise not_http_error(self._request) from None
        if (
            self._non_body_size > MAX_NON_BODY_BYTES
            and sum(map(len, (*received, *received.values()))) > MAX_NON_BODY_BYTES
        ):
            raise not_http_error(self._request)

    def on_body(self, piece: bytes) -> None:
        self._non_body_size = 0
        if self._inflate is not None:
            try:
                piece = self._inflate.feed(piece, self._max_body - self._body_size + 1)
            except zlib.error:
                raise truncated_error(self._request) from None
        self._body_size += len(piece)
        if self._body_size > self._max_body:
            raise too_large_error(self._request, self._status, self._max_body)
        if not self._body:
            self._body = piece
        elif isinstance(self._body, bytearray):
            self._body += piece
        else:
            self._body = bytearray(self._body + piece)

    def on_message_complete(self) -> None:
        if self._headers is None:
            return  # an interim response
        self._finish()
        self.reusable = self._parser.should_keep_alive()

    def _finish(self) -> None:
        if self._inflate is not None and not self._inflate.is_complete:
            raise truncated_error(self._request)
        self._complete = True

    def _response(self) -> Response:
        body = self._body
        headers = _NO_HEADERS if self._headers is None else self._headers
        self._body, self._headers = b"", None
        del self._request  # an idle connection must not keep a form of megabytes in memory
        return Response(self._status, LazyHeaders(headers), body if isinstance(body, bytes) else bytes(body))


def _announces_body(headers: Mapping[bytes, bytes]) -> bool:
    return headers.get(b"content-length", b"0").strip() != b"0" or b"transfer-encoding" in headers
