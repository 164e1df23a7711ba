"""The HTTP of a gateway: its routes, for its server or that of the embedding program, and the admin port."""

import math
import sys
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from gateway.api.graphql.graphiql.page import DIST
from gateway.api.web.cors import Cors
from gateway.api.web.health import health
from gateway.api.web.http import Route
from gateway.api.web.metrics import metrics_route
from gateway.api.web.open_connections import ConnectionLimit
from gateway.api.web.servers import HttpServer, serve
from gateway.api.web.site import Site
from gateway.api.web.status.fonts import Fonts
from gateway.api.web.status.route import status_routes
from gateway.app.file_limit import ADMIN_CONNECTIONS
from gateway.app.parts import Parts
from gateway.app.state_observer import StateObserver
from gateway.app.status import StatusReader
from gateway.app.surfaces import build_site
from gateway.settings import Settings
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.status import Status
from gateway.telemetry.telemetry import Telemetry

__all__ = ["HttpServing"]

_ADMIN_GRACE = 1.0  # seconds for the running requests of the admin port


class HttpServing:
    """Builds the routes of a gateway, and starts its servers; `is_ready` is what `/readyz` reports.

    `trusts_machine`: whoever reaches the API from this machine may do everything, so it is served under the names of
    this machine alone.
    """

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        status: StatusReader,
        *,
        cors: Cors,
        metrics: Metrics,
        observer: StateObserver,
        telemetry: Telemetry,
        trusts_machine: bool,
        is_ready: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._parts = parts
        self._status = status
        self._cors = cors
        self._metrics = metrics
        self._observer = observer
        self._telemetry = telemetry
        self._trusts_machine = trusts_machine
        self._is_ready = is_ready
        self._servers: list[HttpServer] = []
        self._checked_at = -math.inf  # when `/readyz` was requested last, by the monotonic clock

    def site(self) -> Site:
        """Build all routes, with those for operators unless these have a port of their own."""
        return build_site(
            self._settings,
            self._parts,
            cors=self._cors,
            observer=self._observer,
            telemetry=self._telemetry,
            more=self._admin_routes(self._cors) if self._settings.admin_port is None else (),
        )

    async def serve(self, grace: float, limit: ConnectionLimit | None) -> HttpServer:
        """Start the server of the settings.

        Raises:
            OSError: the address of the settings cannot be listened on.
        """
        settings, site = self._settings, self.site()
        if self._trusts_machine:
            public_host = urlsplit(settings.public_url or "").hostname
            self._cors.hosts = frozenset({public_host} if public_host else ())
        address = settings.http_host, settings.http_port
        server = await serve(settings.http_server, site, *address, grace=grace, limit=limit)
        self._servers.append(server)
        return server

    async def serve_admin(self) -> HttpServer | None:
        """Start the server of the admin port; return None if the port is not set."""
        settings = self._settings
        if settings.admin_port is None:
            return None
        cors = Cors(is_fixed=True)
        if settings.admin_is_local:
            cors.hosts = frozenset()  # no page of another site reads the status or the metrics by DNS rebinding
        site = Site(self._admin_routes(cors), cors=cors)
        address = settings.admin_host, settings.admin_port
        limit = ConnectionLimit(ADMIN_CONNECTIONS, sys.maxsize)
        return await serve(settings.http_server, site, *address, grace=_ADMIN_GRACE, limit=limit)

    def checked_within(self, seconds: float) -> bool:
        """Return whether something has requested `/readyz` in that time, as load balancers do."""
        return time.monotonic() - self._checked_at < seconds

    def _admin_routes(self, cors: Cors) -> list[Route]:
        """Build the routes for operators. They also respond while the gateway is closed, after the others."""
        metrics = metrics_route(self._metrics.registry, cors, prepare=self._telemetry.flush)
        routes = [*health(self._check_ready), metrics]
        if self._settings.serves_status:
            routes += status_routes(self._read_status, cors, Fonts.load(DIST))
        return routes

    def _check_ready(self) -> bool:
        self._checked_at = time.monotonic()
        return self._is_ready()

    async def _read_status(self) -> Status:
        self._telemetry.flush()
        return await self._status.read(connections=sum(server.connections for server in self._servers))
