"""Starts, serves and stops a gateway on its ports, for the command line."""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway.api.web.servers import HttpServer
from gateway.app.command_line import CommandLineGateway
from gateway.app.file_limit import connection_limit, raise_file_limit
from gateway.app.otlp import export_metrics, export_spans
from gateway.app.ports import named_port
from gateway.app.public_types import GrpcServer
from gateway.kit.blob import require_temporary_folder
from gateway.kit.extras import has_extra, install_command
from gateway.settings import Settings
from gateway.telemetry.access_log import Write, json_line, text_line, write_to_logger, write_to_stream
from gateway.telemetry.log_stream import LogStream

__all__ = ["Addresses", "collect_less", "serving", "stop_requested"]

_LOG = logging.getLogger("gateway")
_DRAIN_DELAY = 8.0  # seconds: more than three checks with two seconds between them, haproxy's default
_CHECKED = 60.0  # seconds: load balancers check at least twice a minute
_GRACE = 10.0  # seconds for the requests that are executed when the process stops
_YOUNG = 20_000  # objects


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a gateway is served: the base URLs of HTTP and of the admin port, and `host:port` of gRPC.

    `grpc` is None where it is disabled or not installed. Without an admin port, `admin` is the base URL of HTTP.
    `status`: it serves `/status` too.
    """

    http: str
    grpc: str | None
    admin: str
    status: bool


@asynccontextmanager
async def serving(settings: Settings, log: LogStream | None = None) -> AsyncIterator[Addresses]:
    """Serve a gateway until the block ends; then fail `/readyz`, drain, and finish the requests that are executed.

    The access log is written to `log`, or to the logger `gateway.access`. The admin port is open until the end, so that
    somebody can see what the process waits for.

    Raises:
        OSError: a port is in use, or see `Gateway.__aenter__`.
        ValueError: no temporary file can be written, or see `Gateway.__aenter__`.
    """
    require_temporary_folder()
    write_access: Write = write_to_logger
    if log is not None:
        write_access = write_to_stream(log, json_line if settings.log_format == "json" else text_line)
    async with AsyncExitStack() as at_the_end:
        tracing = await at_the_end.enter_async_context(export_spans(settings))
        gateway = CommandLineGateway(settings, write_access=write_access, tracing=tracing)
        # Spans and metrics are sent until everything else has ended: the last export has those of that.
        await at_the_end.enter_async_context(export_metrics(settings, gateway.metrics))
        async with gateway:
            limit = connection_limit(settings, raise_file_limit())
            with named_port("HTTP", "http_port", settings.http_host, settings.http_port):
                server = await gateway.serve_limited_http(grace=_GRACE, limit=limit)
            grpc = None
            try:
                grpc = await _serve_grpc(gateway)
                with named_port("admin", "admin_port", settings.admin_host, settings.admin_port):
                    admin = await gateway.serve_admin()
                if admin is not None:
                    at_the_end.push_async_callback(admin.stop)
                yield Addresses(
                    http=_url(server),
                    grpc=grpc.address if grpc else None,
                    admin=_url(admin or server),
                    status=settings.serves_status,
                )
            finally:
                delay = settings.drain_delay
                if delay is None:
                    delay = _DRAIN_DELAY if gateway.checked_within(_CHECKED) else 0.0
                gateway.retire()
                server.retire()
                if grpc is not None:
                    await grpc.drain()
                await asyncio.sleep(delay)
                if grpc is not None:
                    await asyncio.gather(_stop_http(gateway, server), grpc.stop(_GRACE))
                else:
                    await _stop_http(gateway, server)
    _LOG.info("stopped")  # not reached where the start failed, which is an error of its own


async def _serve_grpc(gateway: CommandLineGateway) -> GrpcServer | None:
    """Start the gRPC server, unless it is disabled, or neither installed nor requested by its port."""
    settings = gateway.settings
    if settings.grpc_port is not None and "grpc_port" not in settings.model_fields_set and not has_extra("grpc"):
        _LOG.info("gRPC is not served, since it is not installed: %s", install_command("grpc"))
        return None
    with named_port("gRPC", "grpc_port", settings.grpc_host, settings.grpc_port):
        return await gateway.serve_grpc()


def _url(server: HttpServer) -> str:
    host, port = server.address
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def _stop_http(gateway: CommandLineGateway, server: HttpServer) -> None:
    await gateway.drain()
    await server.stop()


def stop_requested() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set. Call it first: the signal may arrive while the process starts.

    The first signal is logged: a process that is killed has no such line in its log.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def request(number: signal.Signals) -> None:
        if not stop.is_set():
            _LOG.info("stopping", extra={"signal": number.name})
            stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, request, number)
    return stop


def collect_less() -> None:
    """Exclude all present objects from garbage collection, and collect less often. For a started server process.

    Reference counts free almost all objects of a request, except a few cycles. With Python's default thresholds the
    collector took 10 to 20 % of the CPU time of a request, most of it for the modules and the schema.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
