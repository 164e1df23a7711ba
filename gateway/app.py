"""The composition root: settings → sources → service → surfaces. Only here are things built out of others."""

import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import web

from gateway.api.graphql.context import Incoming
from gateway.api.graphql.documents.store import Documents
from gateway.api.graphql.endpoint import EndpointOptions, GraphQLEndpoint
from gateway.api.graphql.executor import Executor
from gateway.api.graphql.graphiql.page import GraphiQL
from gateway.api.graphql.request import GraphQLRequest
from gateway.api.graphql.requests import RequestLimits
from gateway.api.graphql.responses import StatusProfile
from gateway.api.graphql.results import Result
from gateway.api.graphql.schema import build_schema, executable, rules
from gateway.api.graphql.uploads import UploadLimits
from gateway.api.grpc.server import GrpcOptions, GrpcServer, Tls, start_grpc
from gateway.api.web.aiohttp_server import aiohttp_application
from gateway.api.web.asgi import Asgi
from gateway.api.web.cors import Cors
from gateway.api.web.health import health
from gateway.api.web.metrics import Metrics, scrape
from gateway.api.web.site import Site
from gateway.events.log import EventLog
from gateway.events.memory import MemoryEventLog
from gateway.settings import Settings, SourceSettings
from gateway.sources.http.bucket import Rate
from gateway.sources.http.circuit import Circuit, CircuitState
from gateway.sources.http.deadline import current_deadline
from gateway.sources.http.exchange import Request, pipeline
from gateway.sources.http.hedging import HedgingSettings
from gateway.sources.http.observing import Event
from gateway.sources.http.retry import RetrySettings
from gateway.sources.http.retry_budget import RetryBudget
from gateway.sources.http.scope import operation
from gateway.sources.http.steps import RATES, StepSettings, steps
from gateway.sources.http.timing import Timing
from gateway.sources.http.transport import AiohttpTransport, Limits
from gateway.sources.registry import SYSTEMS, build, settings_of
from gateway.state.idempotency import IdempotencySettings, IdempotencyStore
from gateway.state.memory import MemoryIdempotency
from gateway.state.once import KeptAnswers
from gateway.state.redis import RedisIdempotency, connect
from gateway.users.cursor import Cursors
from gateway.users.idempotency import fresh_key
from gateway.users.model import UserSource
from gateway.users.reference import ReferenceData
from gateway.users.service import UserService
from gateway.users.source import Source, Sources

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
        self.sources = Sources(())
        self._circuits: dict[UserSource, Circuit] = {}
        self._executor: Executor | None = None
        self._users: UserService | None = None
        self._events: EventLog | None = None
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        settings = self.settings
        budget = RetryBudget()
        self.sources = Sources(
            [self._source(name, budget) for name in SYSTEMS if settings_of(settings, name).configured]
        )
        self._events = MemoryEventLog()
        self._open.push_async_callback(self._events.close)
        secret = settings.cursor_secret
        self._users = UserService(
            self.sources,
            reference=ReferenceData(self.sources, ttl=settings.reference_ttl, patience=_seconds_left),
            cursors=Cursors(secret.get_secret_value().encode() if secret else secrets.token_bytes(32)),
            once=KeptAnswers(self._idempotency(), patience=_seconds_left),
            publish=self._events.publish,
        )
        self._open.push_async_callback(self._users.drain)
        self._executor = self._made_executor()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._users = self._events = None
        await self._open.aclose()

    @property
    def ready(self) -> bool:
        """Whether the gateway can serve: entered, and not every source's circuit open."""
        states = [circuit.state for circuit in self._circuits.values()]
        return self._users is not None and (not states or any(state is not CircuitState.OPEN for state in states))

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
        bounds = partial(operation, timeout=timeout or self.settings.request_timeout)
        incoming = Incoming(self.users, fresh_key(), idempotency_key, bounds)
        asked = GraphQLRequest(query, dict(variables or {}), operation_name)
        return await self._entered(self._executor).execute(asked, incoming)

    def aiohttp_app(self) -> web.Application:
        """GraphQL, GraphiQL, health and metrics as an aiohttp application, to run or to mount as a sub-application.

        Run it with `handler_cancellation=True`, so that a client who goes away stops what it asked for.
        """
        return aiohttp_application(self._site())

    def asgi_app(self) -> Asgi:
        """The same as an ASGI application, to run or to mount in FastAPI, Starlette or any other."""
        return Asgi(self._site())

    async def serve_grpc(self) -> GrpcServer | None:
        """The gRPC server, started; None where the settings have it off."""
        own = self.settings
        if own.grpc_port is None:
            return None
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
        return await start_grpc(self.users, options, scope=operation, events=self.events)

    def _entered(self, part: Part | None) -> Part:
        if part is None:
            raise RuntimeError("enter the gateway first: `async with Gateway(settings) as gateway`")
        return part

    def _made_executor(self) -> Executor:
        settings = self.settings
        told = settings.in_development if settings.introspection is None else settings.introspection
        schema = executable(build_schema())
        documents = Documents(schema, rules(introspection=told), suggestions=told)
        return Executor(schema, documents, suggestions=told)

    def _site(self) -> Site:
        """Everything that is served by HTTP."""
        settings = self.settings
        uploads = UploadLimits(file=settings.softwareone.icon_bytes)
        options = EndpointOptions(
            RequestLimits(settings.max_body_bytes, uploads, settings.request_timeout),
            settings.request_timeout,
            StatusProfile(settings.status_profile),
            preflight=settings.preflight,
        )
        graphiql = settings.in_development if settings.graphiql is None else settings.graphiql
        endpoint = GraphQLEndpoint(
            self._entered(self._executor),
            self.users,
            options,
            scope=operation,
            graphiql=GraphiQL() if graphiql else None,
        )
        circuits = self._circuits
        return Site(
            [
                *endpoint.routes(),
                *health(lambda: self.ready),
                scrape(self.metrics, lambda: {name: circuit.state for name, circuit in circuits.items()}),
            ],
            cors=Cors(settings.cors_origins),
        )

    def _source(self, name: UserSource, budget: RetryBudget) -> Source:
        """One system: its client over its steps over its own session."""
        own = settings_of(self.settings, name)
        transport = AiohttpTransport(_limits(own))
        self._open.push_async_callback(transport.aclose)
        circuit = self._circuits[name] = Circuit(observe=self._count)
        settings = StepSettings(
            timeout=own.timeout,
            rate=RATES.get(name) if own.rate_limit is None else Rate.per_second(own.rate_limit),
            retry=RetrySettings(attempts=own.max_attempts),
            hedging=HedgingSettings() if own.hedge else None,
        )
        within = steps(settings, budget=budget, circuit=circuit, observe=self._count)
        return build(name, self.settings, pipeline(transport, [*within, Timing(self._measure)]))

    def _idempotency(self) -> IdempotencyStore:
        settings = IdempotencySettings(ttl=self.settings.idempotency_ttl)
        if self.settings.redis_url is None:
            return MemoryIdempotency(settings)
        client = connect(self.settings.redis_url.get_secret_value())
        self._open.push_async_callback(client.aclose)
        return RedisIdempotency(client, settings)

    def _count(self, event: Event) -> None:
        labels = (event.source, event.method, event.template, event.happening, event.detail)
        self.metrics.events.labels(*labels).inc()

    def _measure(self, request: Request, status: str, seconds: float) -> None:
        self.metrics.calls.labels(request.source, request.method, request.template, status).observe(seconds)


def _limits(own: SourceSettings) -> Limits:
    """The wire's limits: those of one try."""
    one_try = own.timeout / 2 if own.try_timeout is None else min(own.try_timeout, own.timeout)
    return Limits(
        total=one_try,
        connect=own.connect_timeout,
        read=one_try,
        connections=own.max_connections,
        response_bytes=own.max_response_bytes,
    )


def _seconds_left() -> float | None:
    deadline = current_deadline.get()
    return None if deadline is None else deadline.remaining()
