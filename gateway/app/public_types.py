"""The types of what `Gateway` gives to embedding programs, without what only the gateway uses of them."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from prometheus_client import CollectorRegistry

from gateway.users.model import Actor, MarketplaceAccount, User

__all__ = ["AsgiApp", "GrpcServer", "Pictures", "PublishedMetrics"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

AsgiApp = Callable[[_Message, _Receive, _Send], Awaitable[None]]
"""An application by the ASGI specification."""


class GrpcServer(Protocol):
    """A running gRPC server."""

    @property
    def address(self) -> str:
        """Where it listens: `host:port`."""

    @property
    def port(self) -> int:
        """The port on which it listens."""

    async def drain(self) -> None:
        """Report NOT_SERVING, so that load balancers use other servers, and end the streams. Accept other calls."""

    async def stop(self, grace: float = 10.0) -> None:
        """Drain, refuse new calls, and stop when the running ones have ended, after `grace` seconds at most."""


class PublishedMetrics(Protocol):
    """The metrics of a gateway."""

    @property
    def registry(self) -> CollectorRegistry:
        """A registry of prometheus-client with all metrics, to export beside other ones."""


class Pictures(Protocol):
    """Makes the URLs by which browsers load pictures."""

    def url(self, record: User | Actor | MarketplaceAccount, base_url: str = "") -> str | None:
        """Return the URL of the picture of a record; None if it has no picture.

        It begins with the setting `public_url`, else with `base_url`; without both it is a path. A picture at a host
        that the gateway does not call has the URL that the source gave.
        """
