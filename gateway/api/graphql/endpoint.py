"""GraphQL over HTTP: one endpoint for queries by GET and POST, streams of events, and people with a browser."""

import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from gateway.api.graphql.context import Incoming
from gateway.api.graphql.executor import ONE_ANSWER, READ_ONLY, Executor
from gateway.api.graphql.graphiql.page import GraphiQL
from gateway.api.graphql.negotiation import MediaType, accepted
from gateway.api.graphql.preflight import require_preflight
from gateway.api.graphql.request import GraphQLRequest, RefusedError, refusal
from gateway.api.graphql.requests import RequestLimits, read_request
from gateway.api.graphql.responses import StatusProfile, event_stream, multipart, refused, responded
from gateway.api.graphql.results import Result
from gateway.api.web.http import Request, Response, Route, request_id
from gateway.users.service import UserService

__all__ = ["EndpointOptions", "GraphQLEndpoint", "Scope"]

_TAKES = f"The answer can be {MediaType.RESPONSE.value} or {MediaType.JSON.value}."


class Scope(Protocol):
    """Bounds what is done inside by seconds."""

    def __call__(self, *, timeout: float | None = None) -> AbstractContextManager[object]: ...


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """`timeout` is in seconds, for an operation whose client gives it no shorter time."""

    limits: RequestLimits
    timeout: float
    status_profile: StatusProfile = StatusProfile.AUDIT
    preflight: bool = True


class GraphQLEndpoint:
    """Answers in the form that the client's `Accept` ranks first; see `StatusProfile` for the statuses."""

    def __init__(
        self,
        executor: Executor,
        service: UserService,
        options: EndpointOptions,
        *,
        scope: Scope,
        graphiql: GraphiQL | None = None,
    ) -> None:
        self._executor = executor
        self._service = service
        self._options = options
        self._scope = scope
        self._graphiql = graphiql

    def routes(self, path: str = "/graphql") -> list[Route]:
        """The endpoint at its path, and GraphiQL's assets beside it."""
        own = Route(("GET", "POST"), path, self.__call__)
        return [own, *(self._graphiql.routes() if self._graphiql else ())]

    async def __call__(self, request: Request) -> Response:
        if self._graphiql is not None and _is_browser(request):
            return self._graphiql.page()
        started = time.perf_counter()
        incoming = self._incoming(request)
        kinds = accepted(request.headers.get("accept", ""))
        single = next((kind for kind in kinds if kind in {MediaType.RESPONSE, MediaType.JSON}), None)
        try:
            if not kinds:
                raise refusal(406, _TAKES)
            response = await self._respond(request, await self._asked(request), incoming, kinds, single)
        except RefusedError as error:
            response = refused(error, single or MediaType.JSON, self._options.status_profile, incoming.request_id)
        told = (
            ("X-Request-ID", incoming.request_id),
            ("Server-Timing", f"total;dur={(time.perf_counter() - started) * 1000:.1f}"),
        )
        return Response(response.status, response.body, (*response.headers, *told))

    async def _asked(self, request: Request) -> GraphQLRequest:
        if request.method == "GET":
            asked = await read_request(request, self._options.limits)
            self._executor.check(asked, READ_ONLY)  # first: no header makes a change by GET right
            if self._options.preflight:
                require_preflight(request)
            return asked
        if self._options.preflight:
            require_preflight(request)
        return await read_request(request, self._options.limits)

    async def _respond(
        self,
        request: Request,
        asked: GraphQLRequest,
        incoming: Incoming,
        kinds: tuple[MediaType, ...],
        single: MediaType | None,
    ) -> Response:
        profile = self._options.status_profile
        if kinds[0] is MediaType.EVENT_STREAM:
            return event_stream(_payloads(self._executor.stream(asked, incoming)))
        allowed = READ_ONLY if request.method == "GET" else ONE_ANSWER
        if MediaType.MULTIPART in kinds:
            answer = await self._executor.increments(asked, incoming, allowed=allowed)
            if not isinstance(answer, Result):
                return multipart(answer)
            return responded(answer, single or MediaType.JSON, profile)
        if single is None:
            raise refusal(406, _TAKES)
        return responded(await self._executor.execute(asked, incoming, allowed=allowed), single, profile)

    def _incoming(self, request: Request) -> Incoming:
        headers = request.headers
        key = headers.get("idempotency-key", "").strip().strip('"')  # the IETF draft quotes it, most clients do not
        seconds = min(self._options.timeout, _own_timeout(headers) or self._options.timeout)
        return Incoming(self._service, request_id(headers), key or None, partial(self._scope, timeout=seconds))


async def _payloads(results: AsyncIterator[Result]) -> AsyncIterator[Mapping[str, Any]]:
    async for result in results:
        yield result.payload()


def _is_browser(request: Request) -> bool:
    return (
        request.method == "GET" and "text/html" in request.headers.get("accept", "") and "query=" not in request.query
    )


def _own_timeout(headers: Mapping[str, str]) -> float | None:
    """The seconds that `X-Request-Timeout` gives the operation; what is no number of seconds counts for nothing."""
    try:
        seconds = float(headers.get("x-request-timeout", ""))
    except ValueError:
        return None
    return seconds if 0 < seconds < math.inf else None
