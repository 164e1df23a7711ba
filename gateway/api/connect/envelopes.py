"""The framing of streams: each message has a byte of flags and its length before it; the last one ends the stream."""

import struct
from collections.abc import Iterable

import orjson
from google.rpc import status_pb2

from gateway.api.connect.compression import accepts_gzip, compress, decompress, is_worth_compressing
from gateway.api.connect.errors import error_value, header_value
from gateway.api.grpc.admission import too_large
from gateway.api.grpc.errors import ProtocolRefusal, RpcCode
from gateway.errors import BadUserInput

__all__ = ["MAX_HEAD", "end_of_stream", "envelope", "only_message"]

_HEAD = struct.Struct(">BI")
MAX_HEAD = _HEAD.size
"""The bytes before a message."""

_COMPRESSED, _END = 1, 2


def envelope(message: bytes, *, may_compress: bool) -> bytes:
    """Return a message in its envelope; `may_compress`: the client accepts gzip."""
    if may_compress and is_worth_compressing(message):
        message = compress(message)
        return _HEAD.pack(_COMPRESSED, len(message)) + message
    return _HEAD.pack(0, len(message)) + message


def end_of_stream(trailers: Iterable[tuple[str, str | bytes]], status: status_pb2.Status | None) -> bytes:
    """Return the end of a stream with its trailers, and the status of its failure."""
    metadata: dict[str, list[str]] = {}
    for name, value in trailers:
        metadata.setdefault(name, []).append(header_value(value) if isinstance(value, bytes) else value)
    end: dict[str, object] = {"metadata": metadata}
    if status is not None:
        end["error"] = error_value(status)
    content = orjson.dumps(end)
    return _HEAD.pack(_END, len(content)) + content


def only_message(body: bytes, coding: str, max_bytes: int) -> bytes:
    """Return the message in a body that has one envelope.

    `coding` is the one that the header names for compressed messages.

    Raises:
        ProtocolRefusal: the body has no message or several, or one that is compressed without a stated coding.
        BadUserInput: the body ends early, or its message is too large, or not compressed as stated.
    """
    if not body:
        raise ProtocolRefusal("The call has no request message.", RpcCode.UNIMPLEMENTED)
    if len(body) < MAX_HEAD:
        raise BadUserInput("The body ends before its first message.")
    flags, length = _HEAD.unpack_from(body)
    message = body[MAX_HEAD:]
    if flags not in {0, _COMPRESSED}:
        raise BadUserInput(f"The request message has the flags {flags}, which are not known.")
    if length > len(message):
        raise BadUserInput("The body ends before its message, whose length is in the envelope.")
    if length < len(message):
        raise ProtocolRefusal("The body has more than one request message.", RpcCode.UNIMPLEMENTED)
    if flags == _COMPRESSED:
        if not accepts_gzip(coding):
            raise ProtocolRefusal(
                "The request message is compressed, and `Connect-Content-Encoding` names no coding.", RpcCode.INTERNAL
            )
        return decompress(message, max_bytes)
    if length > max_bytes:
        raise too_large(max_bytes)
    return message
