"""The responses of Connect: a message, or an error, with the trailers of the call as header fields."""

from collections.abc import Iterable, Mapping

import msgspec
from google.rpc import status_pb2

from gateway.api.capacity import whole_seconds
from gateway.api.connect.codecs import CODECS, STREAM_PREFIX, UNARY_PREFIX, Codec
from gateway.api.connect.compression import GZIP, compress, is_worth_compressing, may_respond_with_gzip
from gateway.api.connect.envelopes import end_of_stream
from gateway.api.connect.errors import HTTP_STATUS, error_bytes, header_value
from gateway.api.grpc.calls import FRESHNESS, PARTIAL_ERRORS, Call
from gateway.api.grpc.errors import RpcCode
from gateway.api.grpc.watching import RESUME_TOKEN
from gateway.api.web.http import UNBUFFERED, ExtendedHeaders, FixedHeaders, WebResponse
from gateway.errors import Code, GatewayError

__all__ = [
    "ResponseOptions",
    "failed_response",
    "failed_stream",
    "message_response",
    "response_options",
    "stream_headers",
    "unsupported_response",
]

_Fields = tuple[tuple[str, str], ...]

# Responses contain personal data. Caches may store the response to a GET that has only an X-API-Key, since they know no
# credential but Authorization (RFC 9111, 3.5).
_PRIVATE = (("Cache-Control", "private, no-store"), ("Vary", "Accept-Encoding, Authorization, X-API-Key, Origin"))
_UNARY_HEADERS = {name: FixedHeaders(("Content-Type", UNARY_PREFIX + name), *_PRIVATE) for name in CODECS}
_STREAM_HEADERS = {
    name: FixedHeaders(("Content-Type", STREAM_PREFIX + name), *_PRIVATE, *UNBUFFERED) for name in CODECS
}
_ERROR_HEADERS = _UNARY_HEADERS["json"]
_ALSO_HEADERS = {
    name.lower(): name for name in ("X-Request-ID", "Server-Timing", "RateLimit", "RateLimit-Policy", "Cache-Status")
}
"""The trailers that are sent as header fields of HTTP as well: browsers, proxies and tools read them there."""

_TRAILERS = (*_ALSO_HEADERS.values(), "Idempotency-Replayed")
_EXPOSED = ", ".join(
    (
        *("Content-Encoding", "Connect-Content-Encoding", RESUME_TOKEN),
        *(f"Trailer-{name}" for name in (*_TRAILERS, PARTIAL_ERRORS, FRESHNESS)),
    )
)


class ResponseOptions(msgspec.Struct, frozen=True):
    """What the head of a request says about the response. `exposed`: the field that lets pages read the trailers."""

    may_compress: bool = False
    exposed: _Fields = ()


def response_options(headers: Mapping[str, str], coding: str | None) -> ResponseOptions:
    """Return what the head of a request says about the response; `coding` is that of the request."""
    return ResponseOptions(may_respond_with_gzip(headers.get("accept-encoding"), coding), _exposed(headers))


def message_response(call: Call, body: bytes, codec: Codec, options: ResponseOptions) -> WebResponse:
    """Return the response of a unary call."""
    call.report.status, call.report.http_status = "OK", 200
    return _unary(call, body, _UNARY_HEADERS[codec.name], options)


def failed_response(call: Call, status: status_pb2.Status, error: Exception, options: ResponseOptions) -> WebResponse:
    """Return the response of a unary call that failed. Its status of HTTP depends on the code."""
    code = RpcCode(status.code)
    call.report.status, call.report.http_status = code.name, HTTP_STATUS[code]
    more: list[tuple[str, str]] = []
    if isinstance(error, GatewayError):
        if error.retry_after is not None:
            more.append(("Retry-After", str(whole_seconds(error.retry_after))))
        if error.code is Code.UNAUTHENTICATED:
            more.append(("WWW-Authenticate", "Bearer"))
    return _unary(call, error_bytes(status), _ERROR_HEADERS, options, more)


def failed_stream(call: Call, status: status_pb2.Status, codec: Codec, headers: Mapping[str, str]) -> WebResponse:
    """Return the response of a stream that was refused: its end is all that it has."""
    call.report.status, call.report.http_status = RpcCode(status.code).name, 200
    return WebResponse(200, end_of_stream(call.all_trailers(), status), stream_headers(codec, headers, ()))


def stream_headers(codec: Codec, headers: Mapping[str, str], more: _Fields) -> ExtendedHeaders:
    """Return the header fields of a stream; `headers` are those of the request."""
    fields = ((_ALSO_HEADERS.get(name, name), value) for name, value in more)
    return _STREAM_HEADERS[codec.name].with_fields(*fields, *_exposed(headers))


def unsupported_response(prefix: str) -> WebResponse:
    """Return the response to a media type that is not supported; `prefix`: what the supported ones begin with."""
    supported = ", ".join(prefix + name for name in CODECS)
    body = f"Send the request as one of {supported}.".encode()
    return WebResponse(415, body, (("Content-Type", "text/plain; charset=utf-8"), ("Accept-Post", supported)))


def _unary(
    call: Call, body: bytes, fixed: FixedHeaders, options: ResponseOptions, more: Iterable[tuple[str, str]] = ()
) -> WebResponse:
    fields = [*more]
    for name, value in call.all_trailers():
        text = header_value(value) if isinstance(value, bytes) else value
        header = _ALSO_HEADERS.get(name)
        if header is not None:
            fields.append((header, text))
        fields.append((f"Trailer-{name}", text))
    if options.may_compress and is_worth_compressing(body):
        body = compress(body)
        fields.append(("Content-Encoding", GZIP))
    return WebResponse(call.report.http_status, body, ExtendedHeaders(fixed, (*fields, *options.exposed)))


def _exposed(headers: Mapping[str, str]) -> _Fields:
    """Return the header field that lets pages of allowed origins read the trailers, for a request of a page."""
    return (("Access-Control-Expose-Headers", _EXPOSED),) if "origin" in headers else ()
