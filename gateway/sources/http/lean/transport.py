"""A transport on asyncio protocols and the parser of httptools, which does what the calls to sources need and no more.

A keep-alive GET costs a third to a fifth of the CPU time of aiohttp's client. Not supported, because no source needs
it: HTTP/2, cookies, redirects, proxies, upgrades, request bodies of unknown length, codings other than gzip and
deflate.

A request is written once, on one connection, and the next one on that connection only after its response is complete.
The transport never sends a request again: repeating a call is a step of the pipeline.
"""

import asyncio
import ssl

from gateway.kit.timers import loop_clock
from gateway.sources.http.errors import OutOfDescriptorsError, out_of_descriptors, unreachable_error
from gateway.sources.http.exchange import Multipart, Request, Response, TransportLimits
from gateway.sources.http.lean.connection import ClientConnection
from gateway.sources.http.lean.encoding import BaseUrl, encode_request, is_target, path_of, split_url
from gateway.sources.http.lean.pool import ConnectionPool

__all__ = ["LeanTransport"]


class LeanTransport:
    """Sends the calls of one source. It must be created inside a running event loop.

    `tls` is the context for https; None verifies certificates against the operating system's roots. Without
    `fast_path` all responses are read by the reader that can read every response.
    """

    def __init__(self, limits: TransportLimits, *, tls: ssl.SSLContext | None = None, fast_path: bool = True) -> None:
        self.fast_path = fast_path
        self.time = loop_clock(asyncio.get_running_loop())
        self.limits = limits
        self._tls = tls
        self._pools: dict[str, ConnectionPool] = {}
        self._destinations: dict[str, tuple[ConnectionPool, str]] = {}  # by the base URL of requests, with its path
        self._closed = False

    async def send(self, request: Request) -> Response:
        if self._closed:  # the gateway has ended before this attempt
            raise unreachable_error(request, ConnectionAbortedError())
        timeout_at = self.time() + self.limits.total
        pool, target = self._destination(request)
        message, unsent = encode_request(request, target, pool.base_url)
        connection = pool.take_idle() or await pool.acquire(request)
        response = connection.send(request, message, timeout_at, unsent)
        try:
            return await response
        except asyncio.CancelledError:
            connection.abandon(response)
            raise

    def try_take(self, request: Request) -> tuple[ClientConnection, bytes] | None:
        """Return an idle connection for a request, with what to send; None if there is none, or it is not so simple.

        Either `send` or `put_back` of the connection has to be called with it.
        """
        if self._closed or request.on_write is not None or isinstance(request.body, Multipart):
            return None
        try:
            pool, target = self._destination(request)
            message, _ = encode_request(request, target, pool.base_url)
        except ValueError:
            return None
        connection = pool.take_idle()
        return None if connection is None else (connection, message)

    def encode(self, request: Request) -> bytes:
        """Return what to send for a request whose body is in one piece."""
        pool, target = self._destination(request)
        return encode_request(request, target, pool.base_url)[0]

    async def aclose(self) -> None:
        self._closed = True
        for pool in self._pools.values():
            await pool.aclose()

    def _destination(self, request: Request) -> tuple[ConnectionPool, str]:
        """Return the pool for a request, and its target.

        Raises:
            ValueError: the URL is not an http or https URL, or not escaped.
        """
        url, base_url = request.url, request.base_url
        known = self._destinations.get(base_url)
        if known is not None and url.startswith(base_url):
            target = known[1] + url[len(base_url) :]
            if is_target(target):
                return known[0], target
        url, target = split_url(url)
        pool = self._pools.get(url) or self._pool(url, request)
        if (path := path_of(base_url, url)) is not None:
            self._destinations[base_url] = pool, path
        return pool, target

    def _pool(self, url: str, request: Request) -> ConnectionPool:
        """Add a pool for a base URL; a source normally has one, so the limit of connections is that of the source."""
        base_url = BaseUrl.of(url)
        if base_url.secure and self._tls is None:
            if out_of_descriptors():  # the context would have no certificates, without an error, until the process ends
                raise OutOfDescriptorsError(request)
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        pool = self._pools[url] = ConnectionPool(base_url, self.limits, self._tls, fast_path=self.fast_path)
        return pool
