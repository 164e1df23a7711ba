"""A gateway on its sockets: start, say so, serve until told to stop, drain, stop."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.api.web.servers import HttpServer
from gateway.app import Gateway
from gateway.settings import Settings

__all__ = ["Addresses", "collect_less", "serving", "stop_requested"]

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
        server = await gateway.serve_http(grace=_DRAIN)
        grpc = None
        try:
            grpc = await gateway.serve_grpc()
            host, port = server.address
            http = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            yield Addresses(http, grpc.address if grpc else None)
        finally:
            gateway.retire()
            if grpc is not None:
                await grpc.drain()
            await asyncio.sleep(settings.drain_delay)
            if grpc is not None:
                await asyncio.gather(_stopped(gateway, server), grpc.stop(_DRAIN))
            else:
                await _stopped(gateway, server)


async def _stopped(gateway: Gateway, server: HttpServer) -> None:
    await gateway.drain()
    await server.stop()


def stop_requested() -> asyncio.Event:
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
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
