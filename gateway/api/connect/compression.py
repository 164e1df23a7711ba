"""gzip, the compression of messages: how large a decompressed one may get, and which ones are worth compressing."""

import gzip
import zlib
from functools import lru_cache

from gateway.api.grpc.admission import too_large
from gateway.errors import BadUserInput
from gateway.kit.inflate import Inflater

__all__ = ["GZIP", "accepts_gzip", "compress", "decompress", "is_worth_compressing", "may_respond_with_gzip"]

GZIP = "gzip"

_MIN_BYTES = 1024  # below that the response is one packet anyway
_LEVEL = 4


def is_worth_compressing(message: bytes) -> bool:
    """Return whether a message is compressed for a client that accepts it."""
    return len(message) >= _MIN_BYTES


def compress(message: bytes) -> bytes:
    """Return the message, compressed; equal for equal messages."""
    return gzip.compress(message, _LEVEL, mtime=0)


def decompress(content: bytes, max_bytes: int) -> bytes:
    """Return the decompressed message. No more than `max_bytes` are decompressed.

    Raises:
        BadUserInput: it has more, or is not in the format of gzip.
    """
    if not content:
        return b""
    inflater = Inflater(GZIP)
    try:
        message = inflater.feed(content, max_bytes + 1)
        if len(message) > max_bytes:
            raise too_large(max_bytes)
        message += inflater.flush()
    except zlib.error:
        raise BadUserInput("The request is not compressed by gzip.") from None
    if not inflater.is_complete:
        raise BadUserInput("The compressed request ends early.")
    return message


def may_respond_with_gzip(accepted: str | None, sent: str | None) -> bool:
    """Return whether a client accepts gzip, by the codings that it accepts; without them by that of its request."""
    return accepts_gzip((sent or "") if accepted is None else accepted)


@lru_cache(64)
def accepts_gzip(accepted: str) -> bool:
    """Return whether a list of codings, as in `Accept-Encoding`, permits gzip."""
    for item in accepted.split(","):
        coding, _, parameters = item.partition(";")
        if coding.strip().lower() == GZIP:
            return parameters.replace(" ", "").lower() not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
