"""The transports by the names that the setting `http_client` has for them."""

from collections.abc import Mapping
from typing import Literal

from gateway.sources.http.lean.transport import LeanTransport
from gateway.sources.http.transport import AiohttpTransport

__all__ = ["CLIENTS", "Client"]

Client = Literal["aiohttp", "lean"]

CLIENTS: Mapping[Client, type[AiohttpTransport | LeanTransport]] = {"aiohttp": AiohttpTransport, "lean": LeanTransport}
"""`aiohttp` is the default: the client that most people know. `lean` takes a third to a fifth of its CPU time."""
