"""The transports by the names that the setting `http_client` has for them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from gateway.sources.http.exchange import TransportLimits
from gateway.sources.http.lean.transport import LeanTransport

if TYPE_CHECKING:
    from gateway.sources.http.transport import AiohttpTransport

__all__ = ["CLIENTS", "Client"]

Client = Literal["aiohttp", "lean"]


def _aiohttp(limits: TransportLimits) -> "AiohttpTransport":
    from gateway.sources.http.transport import AiohttpTransport  # noqa: PLC0415 - a sixth of a start without it

    return AiohttpTransport(limits)


CLIENTS: "Mapping[Client, Callable[[TransportLimits], AiohttpTransport | LeanTransport]]" = {
    "aiohttp": _aiohttp,
    "lean": LeanTransport,
}
"""`aiohttp` is the default: the client that most people know. `lean` takes a third to a fifth of its CPU time."""
