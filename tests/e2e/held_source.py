"""A proxy in front of a source that keeps its responses back until a test releases them."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web
from security.outside import wait_until
from telemetry.scrape import scrape
from web_app import running
from yarl import URL

__all__ = ["HeldSource", "call_is_shared"]

_NOT_FORWARDED = {"content-length", "content-encoding", "transfer-encoding", "connection", "date", "server"}


class HeldSource:
    """Sends each call to a source at once, and holds the response if `path` is found in that of the call.

    A test that needs a call under way is not done with a delay, which a slow machine may exceed.
    """

    def __init__(self, path: str) -> None:
        self._path = re.compile(path)
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let all responses pass, those that are held and those to later calls."""
        self._released.set()

    @asynccontextmanager
    async def serve(self, base: str) -> AsyncIterator[str]:
        """Run the proxy in front of a base URL until the block ends; yield the URL that replaces it."""
        async with ClientSession(auto_decompress=False) as session:

            async def forward(request: web.Request) -> web.Response:
                target = URL(base.rstrip("/") + request.raw_path, encoded=True)
                headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
                body = await request.read()
                async with session.request(request.method, target, data=body, headers=headers) as response:
                    content = await response.read()
                    kept = [each for each in response.headers.items() if each[0].lower() not in _NOT_FORWARDED]
                if self._path.search(request.path):
                    await self._released.wait()
                return web.Response(status=response.status, body=content, headers=dict(kept))

            app = web.Application()
            app.router.add_route("*", "/{path:.*}", forward)
            async with running(app) as url:
                try:
                    yield url
                finally:
                    self.release()


async def call_is_shared(session: ClientSession, url: str) -> None:
    """Wait until an operation of a gateway waits for a call that another one has made."""

    async def is_counted() -> bool:
        found = await scrape(session, url)
        return found.total("gateway_source_events_total", event="shared") > 0

    await wait_until(is_counted)
