"""The gateway of the command line, which decides and reads what embedding programs do not."""

from gateway.api.web.open_connections import ConnectionLimit
from gateway.api.web.servers import HttpServer
from gateway.app.gateway import Gateway
from gateway.operation import within_gateway
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
        return self._http.checked_within(seconds)

    async def serve_limited_http(self, *, grace: float, limit: ConnectionLimit) -> HttpServer:
        """Start the HTTP server of the settings, which accepts connections up to the limit."""
        with within_gateway(self._warnings):
            return await self._serving.serve(grace, limit)
