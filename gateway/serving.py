"""A gateway on its sockets: start, say so, serve until told to stop, drain, stop."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from gateway.app import Gateway
from gateway.settings import Settings

__all__ = ["Addresses", "collect_less", "serving", "told_to_stop"]

_DRAIN = 10.0  # seconds that requests under way get to finish
_YOUNG = 20_000  # objects


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a gateway is served: a base URL, and gRPC's `host:port` where it is on."""

    http: str
    grpc: str | None


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Addresses]:
    """A running gateway. Leaving tells load balancers, and lets the requests under way finish."""
    async with Gateway(settings) as gateway:
        runner = web.AppRunner(
            gateway.aiohttp_app(), access_log=None, shutdown_timeout=_DRAIN, handler_cancellation=True
        )
        await runner.setup()
        grpc = None
        try:
            await web.TCPSite(runner, settings.http_host, settings.http_port).start()
            grpc = await gateway.serve_grpc()
            host, port = runner.addresses[0][:2]
            http = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            yield Addresses(http, grpc.address if grpc else None)
        finally:
            if grpc is not None:
                await grpc.drain()
                await asyncio.gather(_stopped(gateway, runner), grpc.stop(_DRAIN))
            else:
                await _stopped(gateway, runner)


async def _stopped(gateway: Gateway, runner: web.AppRunner) -> None:
    await gateway.drain()
    await runner.cleanup()


def told_to_stop() -> asyncio.Event:
    """Set by SIGINT or SIGTERM. To be called first: a process may be told to stop while it starts."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


def collect_less() -> None:
    """For a process that does nothing but serve, once it has started: no garbage collection looks at what stays.

    What a request makes goes by its reference counts, all but a few cycles. With Python's own thresholds the
    collector took 10 to 20 % of the CPU of a request, most of it in walking over modules and schema again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
