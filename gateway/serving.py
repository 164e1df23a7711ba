"""A gateway on its sockets: start, say so, serve until told to stop, drain, stop."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.app import Gateway
from gateway.settings import Settings

__all__ = ["serving", "told_to_stop"]

_DRAIN = 10.0  # seconds that requests under way get to finish


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """A running gateway; gives its base URL. Leaving lets the requests under way finish."""
    async with Gateway(settings) as gateway:
        runner = web.AppRunner(
            gateway.aiohttp_app(), access_log=None, shutdown_timeout=_DRAIN, handler_cancellation=True
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, settings.http_host, settings.http_port)
            await site.start()
            host, port = runner.addresses[0][:2]
            yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
        finally:
            await runner.cleanup()


def told_to_stop() -> asyncio.Event:
    """Set by SIGINT or SIGTERM. To be called first: a process may be told to stop while it starts."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop
