"""A transport on asyncio protocols and the parser of httptools, which does what the calls to sources need and no more.

A keep-alive GET costs a third to a fifth of the CPU time of aiohttp's client. Not supported, because no source needs
it: HTTP/2, cookies, redirects, proxies, upgrades, request bodies of unknown length, codings other than gzip and
deflate.

A request is written once, on one connection, and the next one on that connection only after its response is complete.
The transport never sends a request again: repeating a call is a step of the pipeline.
"""

import asyncio
import ssl

from gateway.sources.http.errors import OutOfDescriptorsError, out_of_descriptors, unreachable_error
from gateway.sources.http.exchange import Request, Response, TransportLimits
from gateway.sources.http.lean.encoding import BaseUrl, encode_request, split_url
from gateway.sources.http.lean.pool import ConnectionPool

__all__ = ["LeanTransport"]


class LeanTransport:
    """Sends the calls of one source. It must be created inside a running event loop.

    `tls` is the context for https; None verifies certificates against the operating system's roots.
    """

    def __init__(self, limits: TransportLimits, *, tls: ssl.SSLContext | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._tls = tls
        self._pools: dict[str, ConnectionPool] = {}
        self._closed = False

    async def send(self, request: Request) -> Response:
        if self._closed:  # the gateway has ended before this attempt
            raise unreachable_error(request, ConnectionAbortedError())
        timeout_at = self._loop.time() + self._limits.total
        url, target = split_url(request.url)
        pool = self._pools.get(url) or self._pool(url, request)
        message, unsent = encode_request(request, target, pool.base_url)
        connection = pool.take_idle() or await pool.acquire(request)
        response = connection.send(request, message, timeout_at, unsent)
        try:
            return await response
        except asyncio.CancelledError:
            connection.abandon(response)
            raise

    async def aclose(self) -> None:
        self._closed = True
        for pool in self._pools.values():
            await pool.aclose()

    def _pool(self, url: str, request: Request) -> ConnectionPool:
        """Add a pool for a base URL; a source normally has one, so the limit of connections is that of the source."""
        base_url = BaseUrl.of(url)
        if base_url.secure and self._tls is None:
            if out_of_descriptors():  # the context would have no certificates, without an error, until the process ends
                raise OutOfDescriptorsError(request)
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        pool = self._pools[url] = ConnectionPool(base_url, self._limits, self._tls)
        return pool
