"""The gateway as an object, which programs embed and the command line serves."""

import math
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from gateway.api.capacity import Capacity
from gateway.api.gate import Gate
from gateway.api.graphql.execution.executor import Executor
from gateway.api.graphql.execution.incoming import Incoming, IncomingFactory
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError
from gateway.api.graphql.execution.result import Result
from gateway.api.graphql.graphiql.page import GraphiQL
from gateway.api.graphql.http.endpoint import EndpointOptions, GraphQLEndpoint
from gateway.api.graphql.http.parsing import RequestLimits
from gateway.api.graphql.http.response import StatusProfile
from gateway.api.graphql.http.uploads import UploadLimits
from gateway.api.graphql.live.live import Live
from gateway.api.graphql.live.options import LiveOptions
from gateway.api.pictures import PictureLinks
from gateway.api.web.asgi import Asgi
from gateway.api.web.cors import Cors
from gateway.api.web.health import health
from gateway.api.web.http import Route
from gateway.api.web.icon import icon_route
from gateway.api.web.metrics import metrics_route
from gateway.api.web.open_connections import ConnectionLimit
from gateway.api.web.servers import HttpServer, serve
from gateway.api.web.site import Site
from gateway.api.web.status.route import status_route
from gateway.app.callers import open_credentials
from gateway.app.change_intake import build_webhooks, start_polling
from gateway.app.file_limit import ADMIN_CONNECTIONS, file_limit, grpc_connection_limit
from gateway.app.graphql import build_executor
from gateway.app.metrics_observer import MetricsObserver
from gateway.app.metrics_reading import read_metrics
from gateway.app.pictures import build_picture_links, build_pictures_route
from gateway.app.secret_files import watch_secret_files
from gateway.app.sources import ConfiguredSources
from gateway.app.state_memory import MemoryState
from gateway.app.state_observer import StateObserver
from gateway.app.status import StatusReader, this_replica
from gateway.app.telemetry import build_telemetry, embedded_tracing
from gateway.callers.authentication import Authentication
from gateway.callers.revocation import CredentialWatch
from gateway.events.log import EventLog
from gateway.settings import Settings
from gateway.sources.http.circuit import CircuitState
from gateway.state.once import IdempotentChanges
from gateway.telemetry.access_log import Write, write_to_logger
from gateway.telemetry.loop_lag import LoopLag
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent_warnings import RecentWarnings
from gateway.telemetry.report import RequestReport
from gateway.telemetry.state_changes import StateChanges
from gateway.telemetry.tracing import Tracing
from gateway.users.listing.cursor import Cursors
from gateway.users.model import User, UserChange
from gateway.users.reference import ReferenceData
from gateway.users.service import UserService
from gateway.users.source import Sources

if TYPE_CHECKING:  # what the settings can disable is only imported where it is enabled
    from aiohttp import web

    from gateway.api.grpc.server import GrpcServer

__all__ = ["Gateway"]

Opened = TypeVar("Opened")
_ADMIN_GRACE = 1.0  # seconds for the running requests of the admin port


class Gateway:
    """The gateway, to embed in another program or to serve.

        async with Gateway(Settings()) as gateway:
            user = await gateway.users.get_user(user_id)

    Enter it inside the event loop in which it is used. When the block ends, it finishes the changes that are being
    executed and closes its connections.

    Spans are made by `tracing`; None: by the tracer provider of the embedding program, if it has set one by then.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        write_access: Write = write_to_logger,
        tracing: Tracing | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.metrics = Metrics()
        self.states = StateChanges()
        """What operators should know and lasts, for example that a circuit is open."""
        self._observer = StateObserver(self.metrics, self.states)
        self.telemetry = build_telemetry(self.settings, self.metrics, self._observer.history, write_access)
        self._tracing = tracing
        self._stack = AsyncExitStack()
        self._sources: ConfiguredSources | None = None
        self._users: UserService | None = None
        self._events: EventLog | None = None
        self._capacity: Capacity | None = None
        self._executor: Executor | None = None
        self._incoming: IncomingFactory | None = None
        self._live: Live | None = None
        self._pictures: PictureLinks | None = None
        self._credentials = CredentialWatch(Authentication())
        self._cors = Cors(self.settings.cors_origins)
        self.warnings = RecentWarnings()
        """The last warnings of the log."""
        self._status: StatusReader | None = None
        self._servers: list[HttpServer] = []
        self._retired = False
        self._checked = -math.inf  # when `/readyz` was requested last, by the monotonic clock

    async def __aenter__(self) -> Self:
        """Build and start all parts.

        Raises:
            OSError, ValueError: a file that the settings name cannot be read or is not valid, or Redis refuses the
                credentials, or its configuration would lose records.
        """
        try:
            await self._enter()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _enter(self) -> None:
        """Build the parts in such an order that closing them in reverse closes the intake of changes first.

        The service, which finishes the changes, is closed after that, and the connections at the end.
        """
        settings, observer, stack = self.settings, self._observer, self._stack
        self.warnings.install()
        stack.callback(self.warnings.remove)
        self.telemetry.tracing = self._tracing or embedded_tracing()
        stack.callback(self.states.close)
        watch_secret_files(settings, stack)
        state = _build_state(settings, stack, observer)
        await state.start()
        self._sources = ConfiguredSources(settings, stack, observer)
        sources, forwards = self._sources.sources, self._sources.forwards
        self._credentials = await stack.enter_async_context(open_credentials(settings.auth, forwards))
        self._events = state.events()
        secret = settings.cursor_secret
        once = IdempotentChanges(state.idempotency(), observe=observer.idempotency)
        stack.push_async_callback(once.aclose)
        reference = ReferenceData(sources, ttl=settings.reference_ttl, observe=observer.batch)
        self._users = UserService(
            sources,
            reference=reference,
            cursors=Cursors(secret.get_secret_value().encode() if secret else secrets.token_bytes(32)),
            execute_once=once,
            publish=self._publish,
            require_publishable=self._events.require_writable,
        )
        self._pictures = build_picture_links(settings, self._sources.pictures)
        self._events.on_change(self._users.drop_prefetched)
        self._events.on_change(self._sources.separate_reads)
        stack.push_async_callback(self._users.drain)
        self._capacity = _build_capacity(settings, state, observer)
        self._executor = build_executor(settings, state, stack, observer, self._capacity)
        self._incoming = IncomingFactory(
            self._users, self._events, self._credentials, settings.request_timeout, self._pictures, self.telemetry
        )
        options = LiveOptions(**settings.live.model_dump(), message=settings.max_body_bytes)
        self._live = Live(
            self._executor, self._incoming, options, admits=self._cors.admits_socket, observe=observer.live
        )
        stack.push_async_callback(self._live.drain)
        start_polling(settings, sources, self._events, state, stack=stack, observer=observer, telemetry=self.telemetry)
        read_metrics(
            self.metrics,
            observer=observer,
            telemetry=self.telemetry,
            sources=self._sources,
            reference=reference,
            live=self._live,
            events=self._events,
        )
        await stack.enter_async_context(LoopLag(observer.loop_lag))
        replica = this_replica()
        self._status = StatusReader(
            settings,
            replica,
            observer=observer,
            sources=self._sources,
            live=self._live,
            events=self._events,
            replicas=state.replicas(msgspec.json.encode(replica)),
            states=self.states,
            warnings=self.warnings.latest,
            state=self._state,
            connections=lambda: sum(server.connections for server in self._servers),
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._users = self._events = None
        await self._stack.aclose()

    @property
    def ready(self) -> bool:
        """Whether the gateway can serve: entered, not retired, and the circuit of at least one source is not open."""
        if self._users is None or self._sources is None or self._retired:
            return False
        states = self._sources.circuits().values()
        return not states or any(state is not CircuitState.OPEN for state in states)

    @property
    def sources(self) -> Sources:
        """The configured sources."""
        return self._entered(self._sources).sources

    @property
    def users(self) -> UserService:
        """The service that all surfaces use, with typed arguments and records."""
        return self._entered(self._users)

    @property
    def events(self) -> EventLog:
        """The event log, with the changes of users."""
        return self._entered(self._events)

    @property
    def pictures(self) -> PictureLinks:
        """The URLs by which browsers load pictures: `gateway.pictures.url(user)`.

        They begin with the setting `public_url`; without that, they are paths below the URL of the HTTP routes.
        """
        return self._entered(self._pictures)

    async def execute(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        operation_name: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - a deadline for calls to sources, not a cancellation
        on_error: str = "PROPAGATE",
    ) -> Result:
        """Execute a GraphQL document. Errors are in the result, in the same form as over HTTP.

        `timeout` is in seconds; None means the setting `request_timeout`. `on_error` is the error behavior: `NULL`,
        `PROPAGATE` or `HALT` (docs/nullability.md).
        """
        report = RequestReport("python")
        incoming = Incoming(
            self.users,
            report,
            idempotency_key,
            timeout or self.settings.request_timeout,
            events=self.events,
            pictures=self._pictures,
        )
        request = GraphQLRequest(query, dict(variables or {}), operation_name, on_error=on_error)
        executor = self._entered(self._executor)
        with self.telemetry.reporting(report, {}):
            try:
                return await executor.execute(request, incoming)
            except RefusedError as refused:
                return executor.error_result(refused.error, incoming)

    def aiohttp_app(self) -> "web.Application":
        """Return all HTTP routes as an aiohttp application, to run or to mount as a sub-application.

        Run it with `handler_cancellation=True`: otherwise a request is executed to its end although its client has
        disconnected.
        """
        from gateway.api.web.aiohttp_server import aiohttp_application  # noqa: PLC0415 - other servers do not need it

        return aiohttp_application(self._site())

    def asgi_app(self) -> Asgi:
        """Return all HTTP routes as an ASGI application, to run or to mount in FastAPI, Starlette and others."""
        return Asgi(self._site())

    async def serve_http(self, *, grace: float, limit: ConnectionLimit | None = None) -> HttpServer:
        """Start the HTTP server of the settings; on its stop, requests have `grace` seconds to finish.

        Without `limit`, any number of connections is accepted.
        """
        settings, site = self.settings, self._site()
        if settings.trusts_machine:
            public_host = settings.public_url.host if settings.public_url else None
            self._cors.hosts = frozenset({public_host} if public_host else ())
        address = settings.http_host, settings.http_port
        server = await serve(settings.http_server, site, *address, grace=grace, limit=limit)
        self._servers.append(server)
        return server

    async def serve_admin(self) -> HttpServer | None:
        """Start the server of the admin port: metrics, health and status; return None if the port is not set.

        Whoever starts it stops it, after the gateway or before it.
        """
        settings = self.settings
        if settings.admin_port is None:
            return None
        cors = Cors()
        if settings.admin_is_local:
            cors.hosts = frozenset()  # no page of another site reads the status by DNS rebinding
        site = Site(self._admin_routes(cors))
        address = settings.admin_host, settings.admin_port
        limit = ConnectionLimit(ADMIN_CONNECTIONS, sys.maxsize)
        return await serve(settings.http_server, site, *address, grace=_ADMIN_GRACE, limit=limit)

    async def serve_grpc(self) -> "GrpcServer | None":
        """Start the gRPC server; return None if it is disabled."""
        settings = self.settings
        if settings.grpc_port is None:
            return None
        from gateway.api.grpc.server import GrpcOptions, Tls, start_grpc  # noqa: PLC0415 - 14 MiB that `off` saves

        tls = None
        if settings.grpc_tls_certificate and settings.grpc_tls_key:
            tls = Tls(settings.grpc_tls_certificate, settings.grpc_tls_key, settings.grpc_tls_client_ca)
        options = GrpcOptions(
            host=settings.grpc_host,
            port=settings.grpc_port,
            tls=tls,
            icon_bytes=settings.softwareone.icon_bytes,
            reflection=settings.in_development if settings.reflection is None else settings.reflection,
            max_connections=grpc_connection_limit(settings, file_limit()),
            max_calls=settings.grpc_calls,
            max_calls_each=settings.grpc_calls_each,
            request_timeout=settings.request_timeout,
        )
        return await start_grpc(
            self.users,
            options,
            events=self.events,
            credentials=self._credentials,
            capacity=self._capacity,
            pictures=self._pictures,
            telemetry=self.telemetry,
        )

    def retire(self) -> None:
        """Make `ready` false, so that load balancers use other replicas. Requests are still executed."""
        self._retired = True

    async def drain(self) -> None:
        """Retire, and close the live connections. Other requests are still executed. May be called repeatedly."""
        self.retire()
        if self._live is not None:
            await self._live.drain()

    def checked_within(self, seconds: float) -> bool:
        """Return whether something has requested `/readyz` in that time, as load balancers do."""
        return time.monotonic() - self._checked < seconds

    def _check_ready(self) -> bool:
        self._checked = time.monotonic()
        return self.ready

    def _admin_routes(self, cors: Cors) -> list[Route]:
        """Build the routes for operators. They also respond while the gateway is closed, after the others."""
        routes = [*health(self._check_ready), metrics_route(self.metrics.registry)]
        if self.settings.serves_status:
            routes.append(status_route(self._entered(self._status).read, cors))
        return routes

    def _state(self) -> str:
        if self.ready:
            return "ready"
        return "stopping" if self._retired or self._users is None else "not ready"

    def _site(self) -> Site:
        """Build the routes of everything that is served over HTTP, but for those of the admin port where it is set."""
        settings, live, sources = self.settings, self._entered(self._live), self._entered(self._sources)
        uploads = UploadLimits(file=settings.softwareone.icon_bytes)
        options = EndpointOptions(
            RequestLimits(settings.max_body_bytes, uploads, settings.request_timeout),
            StatusProfile(settings.status_profile),
            preflight=settings.preflight,
            cors=self._cors,
        )
        with_page = settings.in_development if settings.graphiql is None else settings.graphiql
        graphiql = GraphiQL(credentials=settings.auth.headers) if with_page else None
        endpoint = GraphQLEndpoint(
            self._entered(self._executor),
            self._entered(self._incoming),
            live,
            options,
            graphiql=graphiql,
        )
        return Site(
            [
                *endpoint.routes(),
                icon_route(graphiql.icon if graphiql else None),
                build_pictures_route(settings, sources, self.pictures, self._credentials.authenticate),
                build_webhooks(settings, self.sources, self.events, self._observer).route,
                *(self._admin_routes(self._cors) if settings.admin_port is None else ()),
            ],
            [live.route()],
            cors=self._cors,
            telemetry=self.telemetry,
        )

    async def _publish(self, change: UserChange, user: User, change_id: str = "", *, repeated: bool = False) -> None:
        """Publish the event of a change that was made here."""
        self.pictures.on_change(user)
        with self.telemetry.publishing(user.source):
            await self.events.publish_and_wait(change, user, change_id, repeated=repeated)

    def _entered(self, part: Opened | None) -> Opened:
        """Return a part that exists only inside the block.

        Raises:
            RuntimeError: the gateway has not been entered.
        """
        if part is None:
            raise RuntimeError("enter the gateway first: `async with Gateway(settings) as gateway`")
        return part


def _build_state(settings: Settings, stack: AsyncExitStack, observer: MetricsObserver) -> MemoryState:
    """Build the state in memory or, if a URL is set, in Redis."""
    if settings.redis_url is None:
        return MemoryState(settings, stack, observer)
    from gateway.app.state_redis import RedisState  # noqa: PLC0415 - the Redis client takes 6 MiB

    return RedisState(settings.redis_url.get_secret_value(), settings, stack, observer)


def _build_capacity(settings: Settings, state: MemoryState, observer: MetricsObserver) -> Capacity:
    """Build the capacity that all surfaces have in common."""
    configured = settings.gate
    gate = Gate(
        configured.at_once,
        queue=configured.queue,
        max_wait=configured.patience,
        share=configured.share,
        observe=observer.gate,
    )
    return Capacity(rates=state.rates(), gate=gate)
