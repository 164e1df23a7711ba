"""The gateway as an object, which programs embed and the command line serves."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gateway.api.graphql.execution.request import GraphQLRequest
from gateway.api.graphql.execution.result import Result
from gateway.api.python.freshness import FreshnessOptions
from gateway.api.python.graphql import GraphQLOperations
from gateway.api.python.operations import PythonSurface
from gateway.api.python.users import Users, build_users
from gateway.api.web.asgi import Asgi
from gateway.api.web.cors import Cors
from gateway.api.web.servers import HttpServer
from gateway.api.web.site import Site
from gateway.app.http_serving import HttpServing
from gateway.app.overrides import Overrides
from gateway.app.parts import Parts, open_parts
from gateway.app.public_types import AsgiApp, GrpcServer, Pictures, PublishedMetrics
from gateway.app.setting_errors import named_setting
from gateway.app.signals import on_stop_signals
from gateway.app.state_observer import StateObserver
from gateway.app.status import StatusReader
from gateway.app.surfaces import serve_grpc
from gateway.app.telemetry import build_telemetry, embedded_tracing
from gateway.callers.authentication import Authenticate
from gateway.kit.clock import REAL_CLOCK, Clock
from gateway.operation import within_gateway
from gateway.principal import Principal
from gateway.settings import Settings
from gateway.sources.http.circuit import CircuitState
from gateway.sources.http.credentials import Credentials
from gateway.sources.http.exchange import TransportFactory
from gateway.state.state import State
from gateway.telemetry.access_log import Write, write_to_logger
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent_warnings import RecentWarnings
from gateway.telemetry.state_changes import StateChanges
from gateway.telemetry.tracing import Tracing
from gateway.users.source import Source

if TYPE_CHECKING:  # what the settings can disable is only imported where it is enabled
    from aiohttp import web

__all__ = ["Gateway"]

_CLOSED = "the gateway is closed: use it inside its block, `async with Gateway(settings) as gateway`"


class Gateway:
    """The gateway, to embed in another program or to serve.

        async with Gateway(Settings()) as gateway:
            user = await gateway.users.get_user(user_id)

    Enter it inside the event loop in which it is used. When the block ends, it finishes the changes that are being
    executed and closes its connections. After that it may be entered again, also in another event loop.

    `authenticate` identifies the callers of all surfaces, `credentials` provides what the sources are called with for
    each of them, and `transport` creates the HTTP clients of the sources; None: as the settings configure it. Each of
    the `sources` replaces the configured one of its name. Expiry times, rate limits and pauses are measured by `clock`.
    `state` keeps what replicas have in common; None: Redis if the settings name one, else the memory of the process.

    Callers that `authenticate` does not know are authenticated by `GATEWAY_AUTH__MODE`, if that is set.

    Spans are made by the tracer provider of the embedding program, if it has set one when the gateway is entered.
    """

    settings: Settings
    _http: HttpServing  # this and the next three exist from when it is entered on
    _surface: PythonSurface
    _users: Users
    _operations: GraphQLOperations
    _write_access: Write = staticmethod(write_to_logger)
    _tracing: Tracing | None = None  # None: that of the embedding program

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        authenticate: Authenticate | None = None,
        credentials: Credentials | None = None,
        transport: TransportFactory | None = None,
        sources: Sequence[Source] = (),
        clock: Clock = REAL_CLOCK,
        state: State | None = None,
    ) -> None:
        if not isinstance(settings, Settings | None):
            raise TypeError("`settings` must be gateway.Settings: `Gateway(Settings(account=AccountSettings(…)))`")
        self.settings = settings or Settings()
        if self.settings.lacks_authentication and authenticate is None:
            with named_setting("environment"):
                raise ValueError("production requires GATEWAY_AUTH__MODE (api_key, jwt or both), or `authenticate`")
        self._overrides = Overrides(authenticate, credentials, transport, sources, clock, state)
        self._metrics = Metrics()
        self._states = StateChanges()
        self._observer = StateObserver(self._metrics, self._states)
        self._warnings = RecentWarnings()
        history = self._observer.history
        self._telemetry = build_telemetry(self.settings, self._metrics, history, self._write_access, self._warnings)
        self._stack = AsyncExitStack()
        self._parts: Parts | None = None
        self._is_entered = self._is_open = False
        self._mounted: Site | None = None  # what the ASGI applications serve
        self._cors = Cors(self.settings.cors_origins)
        self._retired = False

    async def __aenter__(self) -> Self:
        """Build and start all parts.

        Raises:
            RuntimeError: it is entered already.
            OSError, ValueError: a file that the settings name cannot be read or is not valid, or Redis refuses the
                credentials, or its configuration would lose records.
        """
        if self._is_entered:
            raise RuntimeError("the gateway is entered already: one block at a time")
        self._is_entered = True
        with within_gateway(self._warnings):
            try:
                await self._enter()
            except BaseException:
                self._is_entered = False
                await self._stack.aclose()
                raise
        return self

    async def _enter(self) -> None:
        settings, stack = self.settings, self._stack
        stack.callback(self._telemetry.close)  # the last one, after all that reports requests
        self._warnings.install()
        stack.callback(self._warnings.remove)
        stack.callback(self._states.close)
        self._telemetry.tracing = self._tracing or embedded_tracing()
        self._parts = parts = await open_parts(
            settings,
            stack,
            self._overrides,
            observer=self._observer,
            metrics=self._metrics,
            telemetry=self._telemetry,
            cors=self._cors,
        )
        self._mounted, self._retired = None, False
        status = StatusReader(
            settings,
            parts,
            observer=self._observer,
            states=self._states,
            warnings=self._warnings.latest,
            lifecycle=self._lifecycle,
        )
        self._http = HttpServing(
            settings,
            parts,
            status,
            cors=self._cors,
            metrics=self._metrics,
            observer=self._observer,
            telemetry=self._telemetry,
            trusts_machine=settings.trusts_machine and self._overrides.authenticate is None,
            is_ready=lambda: self.ready,
        )

        def require_open() -> None:
            if self._parts is not parts or not self._is_open:
                raise RuntimeError(_CLOSED)

        self._surface = surface = PythonSurface(
            parts.users,
            parts.sources.bind,
            parts.events,
            parts.credentials,
            self._telemetry,
            require_open,
            settings.request_timeout,
            parts.clock.time,
        )
        self._users = build_users(surface)
        self._operations = GraphQLOperations(surface, parts.executor, parts.live, parts.pictures)
        self._is_open = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        try:
            with within_gateway(self._warnings):
                await self._stack.aclose()
        finally:
            self._is_entered = False

    @property
    def ready(self) -> bool:
        """Whether the gateway can serve: entered, not retired, and the circuit of at least one source is not open."""
        if self._parts is None or not self._is_open or self._retired:
            return False
        states = self._parts.sources.circuits().values()
        return not states or any(state is not CircuitState.OPEN for state in states)

    @property
    def metrics(self) -> PublishedMetrics:
        """The metrics of this gateway alone."""
        return self._metrics

    @property
    def users(self) -> Users:
        """The typed service: it reads, creates, changes and watches users without GraphQL."""
        self._require_entered()
        return self._users

    @property
    def pictures(self) -> Pictures:
        """The URLs by which browsers load pictures: `gateway.pictures.url(user)`.

        They begin with the setting `public_url`; without that, they are paths below the URL of the HTTP routes.
        """
        return self._entered.pictures

    async def execute(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        operation_name: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - a deadline for calls to sources, not a cancellation
        on_error: str = "PROPAGATE",
        principal: Principal | None = None,
        max_age: float | None = None,
        max_stale: float = 0.0,
        only_if_cached: bool = False,
    ) -> Result:
        """Execute a GraphQL document. Errors are in the result, in the same form as over HTTP.

        `timeout` is in seconds; None means the setting `request_timeout`. `on_error` is the error behavior: `NULL`,
        `PROPAGATE` or `HALT` (docs/nullability.md). `principal` is the caller on whose behalf it is executed, with its
        scopes and limits; None: the embedding program, which may do everything. `max_age`, `max_stale` and
        `only_if_cached` state which kept records a query accepts, as those of `users` do; what was given past its
        lifetime is in `extensions["freshness"]` of the result.
        """
        request = GraphQLRequest(query, dict(variables or {}), operation_name, on_error=on_error)
        self._require_entered()
        freshness = FreshnessOptions(max_age, max_stale, only_if_cached)
        return await self._operations.execute(request, principal, idempotency_key, timeout, freshness)

    def subscribe(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        operation_name: str | None = None,
        timeout: float | None = None,
        on_error: str = "PROPAGATE",
        principal: Principal | None = None,
        max_age: float | None = None,
        max_stale: float = 0.0,
        only_if_cached: bool = False,
    ) -> AsyncGenerator[Result]:
        """Execute a GraphQL subscription, and yield a result for each event.

        An error that ends the subscription is in its last result, which has `executed` False: the document is not
        valid, a limit is reached, events are not read fast enough, or the principal has expired or was revoked. It ends
        without one when the gateway is drained or closed. The arguments are those of `execute`; `timeout` is for each
        event. `max_age`, `max_stale` and `only_if_cached` apply to a query only, which yields its parts (`@defer`):
        events have what was true at their time.
        """
        request = GraphQLRequest(query, dict(variables or {}), operation_name, on_error=on_error)
        self._require_entered()
        freshness = FreshnessOptions(max_age, max_stale, only_if_cached)
        return self._operations.subscribe(request, principal, timeout, freshness)

    def revoke(self, name: str) -> None:
        """End all that the principal of this name has open: WebSockets, streams, and subscriptions in this process.

        What was read with a credential that this caller alone has brought is dropped, too.

        Call it after `authenticate` has ceased to accept the caller, for example when somebody logs out.
        """
        self._entered.credentials.revoke(name)
        self._entered.users.caller_revoked(name)

    def aiohttp_app(self) -> "web.Application":
        """Return all HTTP routes as an aiohttp application, to run or to mount as a sub-application.

        Run it with `handler_cancellation=True`: otherwise a request is executed to its end although its client has
        disconnected.
        """
        from gateway.api.web.aiohttp_server import aiohttp_application  # noqa: PLC0415 - other servers do not need it

        return aiohttp_application(self._serving.site())

    def asgi_app(self) -> AsgiApp:
        """Return all HTTP routes as an ASGI application, to run or to mount in FastAPI, Starlette and others.

        It may be mounted before the gateway is entered, and serves while it is.
        """
        return Asgi(self._mounted_site)

    async def serve_http(self, *, grace: float = 10.0) -> HttpServer:
        """Start the HTTP server of the settings; on its stop, requests have `grace` seconds to finish.

        Whoever starts it stops it, before the gateway ends.

        Raises:
            OSError: the address of the settings cannot be listened on.
        """
        with within_gateway(self._warnings):
            return await self._serving.serve(grace, None)

    async def serve_admin(self) -> HttpServer | None:
        """Start the server of the admin port: metrics, health and status; return None if the port is not set.

        Whoever starts it stops it, after the gateway or before it.
        """
        with within_gateway(self._warnings):
            return await self._serving.serve_admin()

    async def serve_grpc(self) -> GrpcServer | None:
        """Start the gRPC server; return None if it is disabled. Whoever starts it stops it, before the gateway ends.

        Raises:
            OSError, ValueError: the address is not available, a file of TLS is not valid, or gRPC is not installed.
        """
        with within_gateway(self._warnings):
            return await serve_grpc(self.settings, self._entered, self._telemetry)

    def retire(self) -> None:
        """Make `ready` false, so that load balancers use other replicas. Requests are still executed."""
        self._retired = True

    def drain_on_signals(self) -> AbstractContextManager[None]:
        """Return a block in which SIGINT and SIGTERM drain the gateway, beside what else the process does at them.

        For servers that wait for open connections before they end the lifespan of an application, as uvicorn does: its
        subscriptions would last. Outside of the main thread, which alone gets signals, the block does nothing.
        """
        return on_stop_signals(self.drain)

    async def drain(self) -> None:
        """Retire, close the live connections, and end the subscriptions of the embedding program.

        Other requests are still executed. May be called repeatedly.
        """
        self.retire()
        if self._parts is not None:
            self._surface.subscriptions.drain()
            await self._parts.live.drain()
            await self._parts.connect.drain()

    def _lifecycle(self) -> str:
        if self.ready:
            return "ready"
        return "stopping" if self._retired or not self._is_open else "not ready"

    @property
    def _serving(self) -> HttpServing:
        self._require_entered()
        return self._http

    def _mounted_site(self) -> Site:
        if self._mounted is None or not self._is_open:
            self._mounted = self._serving.site()
        return self._mounted

    @property
    def _entered(self) -> Parts:
        """The parts, which exist only inside the block. Raises RuntimeError."""
        self._require_entered()
        assert self._parts is not None  # noqa: S101 - it is open
        return self._parts

    def _require_entered(self) -> None:
        """Check that the gateway is open.

        Raises:
            RuntimeError: the gateway has not been entered, or was left.
        """
        if self._parts is None:
            raise RuntimeError("enter the gateway first: `async with Gateway(settings) as gateway`")
        if not self._is_open:
            raise RuntimeError(_CLOSED)
