"""A proxy in front of a source that keeps its responses back until a test releases them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from aiohttp import ClientSession
from faults.toxic import FOREVER, Toxic, proxied
from security.outside import wait_until
from telemetry.scrape import scrape

__all__ = ["HeldSource", "call_is_shared"]


class HeldSource:
    """Sends each call to a source at once, and holds the response if `path` is found in that of the call.

    A test that needs a call under way is not done with a delay, which a slow machine may exceed.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let all responses pass, those that are held and those to later calls."""
        self._released.set()

    @asynccontextmanager
    async def serve(self, base: str) -> AsyncIterator[str]:
        """Run the proxy in front of a base URL until the block ends; yield the URL that replaces it."""
        url = urlsplit(base)
        async with proxied(url.hostname or "", url.port or 0) as proxy:
            proxy.released = self._released
            proxy.poison(Toxic.LATENCY_AFTER, FOREVER, call=self._path)
            yield url._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()


async def call_is_shared(session: ClientSession, url: str) -> None:
    """Wait until an operation of a gateway waits for a call that another one has made."""

    async def is_counted() -> bool:
        found = await scrape(session, url)
        return found.total("gateway_source_events_total", event="shared") > 0

    await wait_until(is_counted)
