"""The transports by the values of the setting `http_client`."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from gateway.sources.http.exchange import TransportLimits
from gateway.sources.http.lean.transport import LeanTransport

if TYPE_CHECKING:
    from gateway.sources.http.aiohttp_transport import AiohttpTransport

__all__ = ["CLIENTS", "Client"]

Client = Literal["aiohttp", "lean"]


def _aiohttp(limits: TransportLimits, *, fast_path: bool = True) -> "AiohttpTransport":  # noqa: ARG001 - it has none
    from gateway.sources.http.aiohttp_transport import AiohttpTransport  # noqa: PLC0415 - it takes a sixth of the start

    return AiohttpTransport(limits)


CLIENTS: "Mapping[Client, Callable[..., AiohttpTransport | LeanTransport]]" = {
    "aiohttp": _aiohttp,
    "lean": LeanTransport,
}
"""`lean` is the default. It takes a third to a fifth of the CPU time of `aiohttp`, and is the stricter one.

docs/decisions/http-client-and-server.md compares them.
"""
