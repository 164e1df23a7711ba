"""What the heads of unary calls by POST contain, which is found once for equal heads."""

from collections.abc import Hashable

import msgspec

from gateway.api.connect.codecs import UNARY_PREFIX, Codec
from gateway.api.connect.requests import checked_timeout, codec_in_head
from gateway.api.connect.responses import ResponseOptions, response_options
from gateway.api.grpc.admission import Method
from gateway.api.web.cors import Cors
from gateway.api.web.http import WebRequest
from gateway.errors import GatewayError
from gateway.freshness import Freshness
from gateway.kit.shaped_headers import ShapedHeaders

__all__ = ["Head", "Heads"]

_FIELDS = frozenset(
    {
        "accept-encoding",
        "cache-control",
        "connect-protocol-version",
        "connect-timeout-ms",
        "content-encoding",
        "content-type",
        "host",
        "origin",
    }
)
"""The header fields of which something has to be known."""

_MAX_HEADS = 64


class Head(msgspec.Struct, frozen=True, eq=False):
    """What the head of a valid POST contains. `max_bytes` is the maximum size of its body; `heads` has found it."""

    heads: "Heads"
    codec: Codec
    max_bytes: int
    timeout: float | None
    wanted: Freshness
    options: ResponseOptions


class Heads:
    """Reads the heads of the POSTs of one endpoint. Equal ones, as far as they matter, are read once."""

    def __init__(self) -> None:
        self._found: dict[Hashable, Head | None] = {}

    def find(self, method: Method, cors: Cors | None, request: WebRequest) -> Head | None:
        """Return what the head of a POST contains; None where it is something else, or is refused.

        Clients send the same one again and again, or heads that differ in fields that make no difference here.
        """
        headers = request.headers
        if not isinstance(headers, ShapedHeaders):
            return self._read(method, cors, request)
        head = headers.checked
        if not isinstance(head, Head) or head.heads is not self:
            key = (method.name, cors, request.method, *headers.key(_FIELDS))
            try:
                head = self._found[key]  # once: a tuple is hashed anew for each look-up
            except KeyError:
                if len(self._found) >= _MAX_HEADS:
                    self._found.clear()
                head = self._found[key] = self._read(method, cors, request)
            headers.checked = head
        return head

    def _read(self, method: Method, cors: Cors | None, request: WebRequest) -> Head | None:
        headers = request.headers
        codec = codec_in_head(request, UNARY_PREFIX) if request.method == "POST" else None
        if codec is None or (cors is not None and cors.is_rebound(request)):
            return None
        coding = headers.get("content-encoding")
        try:
            timeout = checked_timeout(headers, coding)
        except GatewayError:  # the slow path finds the same, and responds to it
            return None
        wanted = Freshness.parse(headers.get("cache-control"))
        return Head(self, codec, codec.max_bytes(method), timeout, wanted, response_options(headers, coding))
