"""The gateway of the command line, which decides and reads what embedding programs do not."""

import time

from gateway.api.web.open_connections import ConnectionLimit
from gateway.api.web.servers import HttpServer
from gateway.app.gateway import Gateway
from gateway.settings import Settings
from gateway.telemetry.access_log import Write, write_to_logger
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.tracing import Tracing
from gateway.users.source import Sources

__all__ = ["CommandLineGateway"]


class CommandLineGateway(Gateway):
    """A gateway that a command serves or checks: it writes the access log by `write_access`, and spans by `tracing`."""

    def __init__(
        self, settings: Settings, *, write_access: Write = write_to_logger, tracing: Tracing | None = None
    ) -> None:
        self._write_access = write_access
        self._tracing = tracing
        super().__init__(settings)

    @property
    def metrics(self) -> Metrics:
        """The metrics, with their names in OpenTelemetry."""
        return self._metrics

    @property
    def sources(self) -> Sources:
        """The configured sources."""
        return self._entered.sources.sources

    def checked_within(self, seconds: float) -> bool:
        """Return whether something has requested `/readyz` in that time, as load balancers do."""
        return time.monotonic() - self._checked_at < seconds

    async def serve_limited_http(self, *, grace: float, limit: ConnectionLimit) -> HttpServer:
        """Start the HTTP server of the settings, which accepts connections up to the limit."""
        return await self._serve_http(grace, limit)
