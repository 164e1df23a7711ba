"""The servers by the names that the setting `http_server` has for them."""

from typing import Literal, Protocol

from gateway.api.web.site import Site

__all__ = ["HttpServer", "ServerName", "serve"]

ServerName = Literal["aiohttp", "lean"]
"""`aiohttp` is the default: the server that most people know. `lean` takes half of its CPU time."""


class HttpServer(Protocol):
    """A site on a socket of its own."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; of several the first."""

    async def stop(self) -> None:
        """Take nothing new, and stop when what is under way is done or its grace is over."""


async def serve(name: ServerName, site: Site, host: str, port: int, *, grace: float) -> HttpServer:
    """Serve a site there; port 0 picks one. `grace` is how many seconds requests under way get to finish at the end.

    Raises:
        OSError: nobody can listen there.
    """
    if name == "lean":
        from gateway.api.web.lean.server import LeanServer  # noqa: PLC0415 - what is not asked for takes no memory

        return await LeanServer.start(site, host, port, grace=grace)
    from gateway.api.web.aiohttp_server import AiohttpServer  # noqa: PLC0415 - the same

    return await AiohttpServer.start(site, host, port, grace=grace)
