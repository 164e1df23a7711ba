"""Starts the HTTP server that the setting `http_server` names."""

from typing import Literal, Protocol

from gateway.api.web.open_connections import ConnectionLimit
from gateway.api.web.site import Site

__all__ = ["HttpServer", "ServerName", "serve"]

ServerName = Literal["aiohttp", "lean"]
"""`aiohttp` is the default, because it is widely known. `lean` takes half of its CPU time."""


class HttpServer(Protocol):
    """A site that is served on a listening socket."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, of several addresses the first."""

    @property
    def connections(self) -> int:
        """The number of open connections."""

    def retire(self) -> None:
        """Close each connection after its next response: the process will stop, and clients should go elsewhere."""

    async def stop(self) -> None:
        """Accept no more connections, and stop as soon as the running requests are done or the grace period is over."""


async def serve(
    name: ServerName, site: Site, host: str, port: int, *, grace: float, limit: ConnectionLimit | None = None
) -> HttpServer:
    """Start to serve a site; port 0 selects a free port. `grace`: the seconds that running requests get to finish.

    Without `limit`, any number of connections is accepted.

    Raises:
        OSError: the address cannot be listened on.
    """
    if name == "lean":
        from gateway.api.web.lean.server import LeanServer  # noqa: PLC0415 - the other server takes no memory

        return await LeanServer.start(site, host, port, grace=grace, limit=limit)
    from gateway.api.web.aiohttp_server import AiohttpServer  # noqa: PLC0415 - the same

    return await AiohttpServer.start(site, host, port, grace=grace, limit=limit)
