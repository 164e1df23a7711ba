"""What is known of a request when its caller is authenticated."""

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

__all__ = ["Connection", "Surface"]

Surface = Literal["http", "websocket", "grpc"]

_ESCAPED = re.compile(r"\\(?:([0-3][0-7]{2})|(.))")


# One is created for each request. Compared by identity: two requests with equal headers are two connections.
class Connection(msgspec.Struct, frozen=True, eq=False):
    """What a client sent with a request, a WebSocket or a gRPC call, before anything is executed for it.

    `surface` is `http` (GraphQL with all its streams, Connect, and pictures), `websocket` or `grpc`. `headers` are the
    header fields, or the metadata that are text, by their names in any case; their names are listed in lower case.
    Those of a WebSocket are the fields of its handshake, and the credentials in the payload of `connection_init`, which
    is in `payload`, too. `peer` is the address that the connection comes from, without the port: that of a proxy in
    front, if there is one; empty where it is not known.

    `request` is what the web server has: the scope of an ASGI application, `aiohttp.web.Request` (`BaseRequest` from
    the gateway's server, which has no application), the context of grpcio, or None. With it the embedding program reads
    what its middleware has added, for example a session.
    """

    surface: Surface
    headers: Mapping[str, str]
    payload: Mapping[str, Any] | None = None
    peer: str = ""
    request: Any = None

    def __repr__(self) -> str:
        return f"Connection({self.surface!r})"  # all the rest may contain credentials

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies by name (RFC 6265, 5.4). Of a repeated name the first one, which is of the longest path."""
        found: dict[str, str] = {}
        for pair in self.headers.get("cookie", "").split(";"):
            name, separator, value = pair.partition("=")
            if separator:
                found.setdefault(name.strip(), _unquoted(value.strip()))
        return found


def _unquoted(value: str) -> str:
    """Return the value without the quotation marks and escapes that Python's `http.cookies` adds."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':  # noqa: PLR2004 - both quotation marks
        return value
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)) if match[1] else match[2], value[1:-1])
