"""The composition root: settings → sources → service → surfaces. Only here are things built out of others."""

import secrets
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import strawberry
from aiohttp import web
from strawberry.types import ExecutionResult

from gateway.api.graphql.context import Incoming
from gateway.api.graphql.execution import execute
from gateway.api.graphql.graphiql.page import add_graphiql
from gateway.api.graphql.requests import Limits as RequestLimits
from gateway.api.graphql.schema import build_schema
from gateway.api.graphql.view import GraphQLEndpoint
from gateway.api.web.health import add_health
from gateway.settings import Settings
from gateway.sources.http.exchange import pipeline
from gateway.sources.http.transport import AiohttpTransport, Limits
from gateway.sources.registry import SYSTEMS, build, settings_of
from gateway.users.cursor import Cursors
from gateway.users.idempotency import fresh_key
from gateway.users.reference import ReferenceData
from gateway.users.service import UserService
from gateway.users.source import Sources

__all__ = ["Gateway"]


class Gateway:
    """The gateway as an object, inside your program or behind its own command line.

        async with Gateway(Settings()) as gateway:
            user = await gateway.users.get_user(user_id)

    Enter it inside the event loop that it is used in; leaving it closes its connections.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._transports: list[AiohttpTransport] = []
        self._schema: strawberry.Schema | None = None
        self._users: UserService | None = None
        self.sources = Sources(())

    async def __aenter__(self) -> Self:
        settings = self.settings
        sources = []
        for name in SYSTEMS:
            own = settings_of(settings, name)
            if own.configured:
                transport = AiohttpTransport(
                    Limits(
                        total=own.timeout,
                        connect=own.connect_timeout,
                        read=own.timeout,
                        connections=own.max_connections,
                        response_bytes=own.max_response_bytes,
                    )
                )
                self._transports.append(transport)
                sources.append(build(name, settings, pipeline(transport, ())))
        self.sources = Sources(sources)
        secret = settings.cursor_secret
        self._users = UserService(
            self.sources,
            reference=ReferenceData(self.sources, ttl=settings.reference_ttl),
            cursors=Cursors(secret.get_secret_value().encode() if secret else secrets.token_bytes(32)),
        )
        told = settings.in_development if settings.introspection is None else settings.introspection
        self._schema = build_schema(introspection=told, suggestions=told)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._users is not None:
            await self._users.drain()
        self._users = None
        while self._transports:
            await self._transports.pop().aclose()

    @property
    def ready(self) -> bool:
        """Whether the gateway is entered and can serve."""
        return self._users is not None

    @property
    def users(self) -> UserService:
        """The typed service, without GraphQL."""
        if self._users is None:
            raise RuntimeError("enter the gateway first: `async with Gateway(settings) as gateway`")
        return self._users

    async def execute(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        operation_name: str | None = None,
        idempotency_key: str | None = None,
    ) -> ExecutionResult:
        """Execute a GraphQL document; errors are in the result, in the words that HTTP clients get."""
        incoming = Incoming(self.users, fresh_key(), idempotency_key)
        return await execute(self._built_schema, incoming, query, dict(variables or {}), operation_name)

    def aiohttp_app(self) -> web.Application:
        """GraphQL, GraphiQL and health as an aiohttp application, to run or to mount as a sub-application."""
        settings = self.settings
        app = web.Application(client_max_size=settings.max_body_bytes)
        limits = RequestLimits(body=settings.max_body_bytes, file=settings.softwareone.icon_bytes)
        graphiql = settings.in_development if settings.graphiql is None else settings.graphiql
        endpoint = GraphQLEndpoint(self._built_schema, self.users, limits, graphiql=graphiql)
        app.router.add_route("GET", "/graphql", endpoint.__call__)
        app.router.add_route("POST", "/graphql", endpoint.__call__)
        if graphiql:
            add_graphiql(app)
        add_health(app, lambda: self.ready)
        return app

    @property
    def _built_schema(self) -> strawberry.Schema:
        if self._schema is None:
            raise RuntimeError("enter the gateway first: `async with Gateway(settings) as gateway`")
        return self._schema
