"""The wire, by asyncio's protocols and httptools' parser: what a call needs, and nothing else.

A keep-alive GET costs a third to a fifth of what it costs by aiohttp's client. What is left out, because no source
has it: HTTP/2, cookies, redirects, proxies, upgrades, bodies of unknown length, compressions but gzip and deflate.

A call is written once, on one connection; there is none after it on that connection before its answer is whole.
Nothing is sent again, whatever happens: repeating a call is a step of the pipeline.
"""

import asyncio
import ssl

from gateway.sources.http.exchange import Request, Response, TransportLimits
from gateway.sources.http.lean.encoding import BaseUrl, encoded, split
from gateway.sources.http.lean.pool import Pool

__all__ = ["LeanTransport"]


class LeanTransport:
    """Calls of one source. Made inside a running loop. `tls` says whom to trust, None being the system's roots."""

    def __init__(self, limits: TransportLimits, *, tls: ssl.SSLContext | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._tls = tls
        self._pools: dict[str, Pool] = {}

    async def send(self, request: Request) -> Response:
        until = self._loop.time() + self._limits.total
        url, target = split(request.url)
        pool = self._pools.get(url) or self._pool(url)
        message, rest = encoded(request, target, pool.origin)
        connection = pool.take() or await pool.wait(request)
        answer = connection.begin(request, message, until, rest)
        try:
            return await answer
        except asyncio.CancelledError:
            connection.leave(answer)
            raise

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()

    def _pool(self, url: str) -> Pool:
        """The origin's own: a source has one origin, so its connections are all of the source's."""
        origin = BaseUrl.of(url)
        if origin.secure and self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        pool = self._pools[url] = Pool(origin, self._limits, self._tls)
        return pool
