"""The gateway as an object: what programs embed, and what the command line serves."""

import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from gateway.api.capacity import Capacity
from gateway.api.gate import Gate
from gateway.api.graphql.execution.context import Incoming
from gateway.api.graphql.execution.executor import Executor
from gateway.api.graphql.execution.reception import IncomingFactory
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError
from gateway.api.graphql.execution.result import Result
from gateway.api.graphql.graphiql.page import GraphiQL
from gateway.api.graphql.http.endpoint import EndpointOptions, GraphQLEndpoint
from gateway.api.graphql.http.parsing import RequestLimits
from gateway.api.graphql.http.response import StatusProfile
from gateway.api.graphql.http.uploads import UploadLimits
from gateway.api.graphql.live.live import Live
from gateway.api.graphql.live.options import LiveOptions
from gateway.api.web.asgi import Asgi
from gateway.api.web.cors import Cors
from gateway.api.web.health import health
from gateway.api.web.metrics import Metrics, scrape
from gateway.api.web.servers import HttpServer, serve
from gateway.api.web.site import Site
from gateway.app.callers import opened
from gateway.app.change_intake import poll, webhooks
from gateway.app.graphql import executor_of
from gateway.app.metrics_observer import MetricsObserver
from gateway.app.sources import ConfiguredSources
from gateway.app.state_memory import MemoryState
from gateway.callers.authentication import Authenticate, Authentication
from gateway.events.log import EventLog
from gateway.operation import request_id
from gateway.settings import Settings
from gateway.sources.http.circuit import CircuitState
from gateway.state.once import IdempotentChanges
from gateway.users.listing.cursor import Cursors
from gateway.users.reference import ReferenceData
from gateway.users.service import UserService
from gateway.users.source import Sources

if TYPE_CHECKING:  # what the settings can have off is imported where it is on
    from aiohttp import web

    from gateway.api.grpc.server import GrpcServer
__all__ = ["Gateway"]


Part = TypeVar("Part")


class Gateway:
    """The gateway as an object, inside your program or behind its own command line.

        async with Gateway(Settings()) as gateway:
            user = await gateway.users.get_user(user_id)

    Enter it inside the event loop that it is used in; leaving it finishes the changes under way and closes
    its connections.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.metrics = Metrics()
        self._open = AsyncExitStack()
        self._systems: ConfiguredSources | None = None
        self._users: UserService | None = None
        self._events: EventLog | None = None
        self._capacity: Capacity | None = None
        self._executor: Executor | None = None
        self._live: Live | None = None
        self._authenticate: Authenticate = Authentication()
        self._observed = MetricsObserver(self.metrics)
        self._retired = False

    async def __aenter__(self) -> Self:
        """Open everything.

        Raises:
            OSError, ValueError: a file that the settings name cannot be read or used.
        """
        try:
            await self._enter()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def _enter(self) -> None:
        """What is opened last is closed first: whoever brings changes, then whoever carries them out, then the wire."""
        settings, observed = self.settings, self._observed
        shared = _shared_of(settings, self._open, observed)
        self._systems = ConfiguredSources(settings, self._open, observed)
        sources = self._systems.sources
        self._authenticate = await self._open.enter_async_context(opened(settings.auth, self._systems.forwards))
        self._events = shared.events()
        secret = settings.cursor_secret
        once = IdempotentChanges(shared.idempotency())
        self._open.push_async_callback(once.aclose)
        self._users = UserService(
            sources,
            reference=ReferenceData(sources, ttl=settings.reference_ttl),
            cursors=Cursors(secret.get_secret_value().encode() if secret else secrets.token_bytes(32)),
            execute_once=once,
            publish=self._events.publish,
        )
        self._open.push_async_callback(self._users.drain)
        self._capacity = _capacity_of(settings, shared, observed)
        self._executor = executor_of(settings, shared, self._open, observed, self._capacity)
        allows = Cors(settings.cors_origins).allows
        options = LiveOptions(**settings.live.model_dump(), message=settings.max_body_bytes)
        self._live = Live(self._executor, self._reception, options, allows=allows, observe=observed.live)
        self._open.push_async_callback(self._live.drain)
        poll(settings, sources, self._events, shared, open=self._open, observed=observed)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._users = self._events = None
        await self._open.aclose()

    @property
    def ready(self) -> bool:
        """Whether the gateway can serve: entered, not retired, and not every source's circuit open."""
        if self._users is None or self._systems is None or self._retired:
            return False
        states = self._systems.circuits().values()
        return not states or any(state is not CircuitState.OPEN for state in states)

    @property
    def sources(self) -> Sources:
        """The systems behind, those that are configured."""
        return self._entered(self._systems).sources

    @property
    def users(self) -> UserService:
        """The typed service, without GraphQL."""
        return self._entered(self._users)

    @property
    def events(self) -> EventLog:
        """What happens to users, by any surface of this gateway."""
        return self._entered(self._events)

    async def execute(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        operation_name: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - a budget for the sources' calls, not a cancellation
    ) -> Result:
        """Execute a GraphQL document; errors are in the result, in the words that HTTP clients get.

        `timeout` is in seconds, the setting where it is None.
        """
        incoming = Incoming(
            self.users,
            request_id(),
            idempotency_key,
            timeout or self.settings.request_timeout,
            events=self.events,
        )
        asked = GraphQLRequest(query, dict(variables or {}), operation_name)
        executor = self._entered(self._executor)
        try:
            return await executor.execute(asked, incoming)
        except RefusedError as refused:
            return executor.ending(refused.error, incoming)

    def aiohttp_app(self) -> "web.Application":
        """Everything that is served by HTTP as an aiohttp application, to run or to mount as a sub-application.

        Run it with `handler_cancellation=True`, so that a client who goes away stops what it asked for.
        """
        from gateway.api.web.aiohttp_server import aiohttp_application  # noqa: PLC0415 - where it is asked for

        return aiohttp_application(self._site())

    def asgi_app(self) -> Asgi:
        """The same as an ASGI application, to run or to mount in FastAPI, Starlette or any other."""
        return Asgi(self._site())

    async def serve_http(self, *, grace: float) -> HttpServer:
        """The same on a socket of its own, started; its requests get so many seconds to finish when it is stopped."""
        own = self.settings
        return await serve(own.http_server, self._site(), own.http_host, own.http_port, grace=grace)

    async def serve_grpc(self) -> "GrpcServer | None":
        """The gRPC server, started; None where the settings have it off."""
        own = self.settings
        if own.grpc_port is None:
            return None
        from gateway.api.grpc.server import GrpcOptions, Tls, start_grpc  # noqa: PLC0415 - 14 MiB that `off` spares

        tls = None
        if own.grpc_tls_certificate and own.grpc_tls_key:
            tls = Tls(own.grpc_tls_certificate, own.grpc_tls_key, own.grpc_tls_client_ca)
        options = GrpcOptions(
            host=own.grpc_host,
            port=own.grpc_port,
            tls=tls,
            icon_bytes=own.softwareone.icon_bytes,
            reflection=own.in_development if own.reflection is None else own.reflection,
            request_timeout=own.request_timeout,
        )
        return await start_grpc(
            self.users,
            options,
            events=self.events,
            authenticate=self._authenticate,
            capacity=self._capacity,
        )

    def retire(self) -> None:
        """Be not ready from now on, so that load balancers look elsewhere; everything is still answered."""
        self._retired = True

    async def drain(self) -> None:
        """Retire, and send the clients of live operations away; other requests are still answered. Safe to repeat."""
        self.retire()
        if self._live is not None:
            await self._live.drain()

    def _site(self) -> Site:
        """Everything that is served by HTTP."""
        settings, live, systems = self.settings, self._entered(self._live), self._entered(self._systems)
        uploads = UploadLimits(file=settings.softwareone.icon_bytes)
        options = EndpointOptions(
            RequestLimits(settings.max_body_bytes, uploads, settings.request_timeout),
            StatusProfile(settings.status_profile),
            preflight=settings.preflight,
        )
        graphiql = settings.in_development if settings.graphiql is None else settings.graphiql
        endpoint = GraphQLEndpoint(
            self._entered(self._executor),
            self._reception,
            live,
            options,
            graphiql=GraphiQL() if graphiql else None,
        )
        return Site(
            [
                *endpoint.routes(),
                *health(lambda: self.ready),
                webhooks(settings, self.events, self._observed).route,
                scrape(self.metrics, systems.circuits, live.traffic, lambda: self.events.subscribers),
            ],
            [live.route()],
            cors=Cors(settings.cors_origins),
        )

    @property
    def _reception(self) -> IncomingFactory:
        forwarded = {header for headers in self._entered(self._systems).forwards.values() for header in headers}
        return IncomingFactory(
            self.users,
            self.events,
            self._authenticate,
            self.settings.request_timeout,
            credentials=frozenset({"authorization", "x-api-key", *forwarded}),
        )

    def _entered(self, part: Part | None) -> Part:
        if part is None:
            raise RuntimeError("enter the gateway first: `async with Gateway(settings) as gateway`")
        return part


def _shared_of(settings: Settings, open: AsyncExitStack, observed: MetricsObserver) -> MemoryState:
    """What the settings have of the two."""
    if settings.redis_url is None:
        return MemoryState(settings, open, observed)
    from gateway.app.state_redis import RedisState  # noqa: PLC0415 - the Redis client is 6 MiB that few need

    return RedisState(settings.redis_url.get_secret_value(), settings, open, observed)


def _capacity_of(settings: Settings, shared: MemoryState, observed: MetricsObserver) -> Capacity:
    """The one capacity of both surfaces."""
    own = settings.gate
    gate = Gate(own.at_once, queue=own.queue, patience=own.patience, observe=observed.gate)
    return Capacity(rates=shared.rates(), gate=gate)
