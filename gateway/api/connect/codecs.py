"""The two forms of messages: the binary one of protobuf, and JSON."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gateway.api.connect.json_reader import message_of_json
from gateway.api.connect.json_writer import json_bytes
from gateway.api.grpc.admission import Method, too_large

__all__ = ["CODECS", "STREAM_PREFIX", "UNARY_PREFIX", "Codec"]

UNARY_PREFIX: Final = "application/"
STREAM_PREFIX: Final = "application/connect+"

_JSON_FACTOR = 2  # the same message is larger as JSON: base64 takes a third more, and fields have names


@dataclass(frozen=True, slots=True)
class Codec:
    """Converts messages to bytes and back. `factor`: how much larger than in the binary form a request may be."""

    name: str
    write: Callable[[Any], bytes]
    read: Callable[[Method, bytes], Any]
    factor: int

    def max_bytes(self, method: Method) -> int:
        """Return the maximum size of a request."""
        return method.max_bytes * self.factor


def _binary(message: Any) -> bytes:
    content: bytes = message.SerializeToString()
    return content


def _read_json(method: Method, data: bytes) -> Any:
    message = message_of_json(method.request, data)
    if message.ByteSize() > method.max_bytes:
        raise too_large(method.max_bytes)
    return message


CODECS: Final = {
    codec.name: codec
    for codec in (
        Codec("proto", _binary, Method.parse, 1),
        Codec("json", json_bytes, _read_json, _JSON_FACTOR),
    )
}
"""The forms by their names, which the media types end in."""
