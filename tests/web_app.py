"""Serves an aiohttp application on a free port, for tests that need another server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

__all__ = ["running"]


@asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[str]:
    """Serve the application until the block ends, and return its URL."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
