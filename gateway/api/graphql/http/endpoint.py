"""GraphQL over HTTP: one endpoint for queries by GET and POST, streams of events, and people with a browser."""

import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from graphql import OperationType

from gateway.api.graphql.execution.executor import ANYTHING, ONE_ANSWER, READ_AND_WATCH, READ_ONLY, Executor
from gateway.api.graphql.execution.incoming import Incoming, IncomingFactory
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError, refusal, refused_for
from gateway.api.graphql.execution.result import Result
from gateway.api.graphql.graphiql.page import GraphiQL
from gateway.api.graphql.http.accept import MediaType, accepted
from gateway.api.graphql.http.csrf import require_preflight
from gateway.api.graphql.http.parsing import RequestLimits, read_request
from gateway.api.graphql.http.response import StatusProfile, multipart, refused, responded
from gateway.api.graphql.live.live import Live
from gateway.api.web.http import Route, WebRequest, WebResponse
from gateway.errors import GatewayError
from gateway.operation import request_id

__all__ = ["EndpointOptions", "GraphQLEndpoint"]

_METHODS = ("GET", "POST")
_SINGLE = frozenset({MediaType.RESPONSE, MediaType.JSON})
_TAKES = f"The answer can be {MediaType.RESPONSE.value} or {MediaType.JSON.value}."


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """`preflight`: nothing is executed that another site's page could send unasked."""

    limits: RequestLimits
    status_profile: StatusProfile = StatusProfile.AUDIT
    preflight: bool = True


class GraphQLEndpoint:
    """Answers in the form that the client's `Accept` ranks first; see `StatusProfile` for the statuses."""

    def __init__(
        self,
        executor: Executor,
        reception: IncomingFactory,
        live: Live,
        options: EndpointOptions,
        *,
        graphiql: GraphiQL | None = None,
    ) -> None:
        self._executor = executor
        self._reception = reception
        self._live = live
        self._options = options
        self._graphiql = graphiql

    def routes(self, path: str = "/graphql") -> list[Route]:
        """The endpoint at its path, and GraphiQL's assets beside it."""
        own = Route(("GET", "POST", "PUT", "DELETE"), path, self.__call__)  # the last two for reserved event streams
        return [own, *(self._graphiql.routes() if self._graphiql else ())]

    async def __call__(self, request: WebRequest) -> WebResponse:
        if self._graphiql is not None and _is_browser(request):
            return self._graphiql.page()
        started = time.perf_counter()
        headers = request.headers
        own_id = request_id(headers.get("x-request-id"))
        profile = self._options.status_profile
        kinds = accepted(headers.get("accept", ""))
        single = next((kind for kind in kinds if kind in _SINGLE), MediaType.JSON)
        try:
            if not kinds:
                raise refusal(406, _TAKES)
            key = headers.get("idempotency-key", "").strip().strip('"')  # the IETF draft quotes it, most clients do not
            incoming = await self._reception.create(
                headers, own_id, idempotency_key=key or None, max_seconds=_own_timeout(headers)
            )
            if self._live.reservations.handles(request):
                response = await self._live.reservations.respond(
                    request,
                    incoming,
                    partial(self._asked, request, incoming, ANYTHING),
                    lambda result: responded(result, single, profile),
                )
            elif request.method not in _METHODS:
                raise refusal(405, "Send the request by POST, or a query by GET.", ("Allow", ", ".join(_METHODS)))
            elif kinds[0] is MediaType.EVENT_STREAM:
                response = self._live.streams.respond(await self._asked(request, incoming, READ_AND_WATCH), incoming)
            else:
                asked = await self._asked(request, incoming, READ_ONLY)
                allowed = READ_ONLY if request.method == "GET" else ONE_ANSWER
                execute = self._executor.increments if MediaType.MULTIPART in kinds else self._executor.execute
                answer = await execute(asked, incoming, allowed=allowed)
                response = responded(answer, single, profile) if isinstance(answer, Result) else multipart(answer)
        except RefusedError as error:
            response = refused(error, single, profile, own_id)
        except GatewayError as error:
            response = refused(refused_for(error), single, profile, own_id)
        told = (
            ("X-Request-ID", own_id),
            ("Server-Timing", f"total;dur={(time.perf_counter() - started) * 1000:.1f}"),
        )
        return WebResponse(response.status, response.body, (*response.headers, *told))

    async def _asked(
        self, request: WebRequest, incoming: Incoming, by_get: Collection[OperationType]
    ) -> GraphQLRequest:
        if request.method == "GET":
            asked = await read_request(request, self._options.limits)
            asked = await self._executor.resolve(asked, incoming)
            self._executor.check(asked, by_get)  # first: no header makes a change by GET right
            if self._options.preflight:
                require_preflight(request)
            return asked
        if self._options.preflight:
            require_preflight(request)
        return await read_request(request, self._options.limits)


def _is_browser(request: WebRequest) -> bool:
    return (
        request.method == "GET" and "text/html" in request.headers.get("accept", "") and "query=" not in request.query
    )


def _own_timeout(headers: Mapping[str, str]) -> float | None:
    """The seconds that `X-Request-Timeout` gives the operation; what is no number of seconds counts for nothing."""
    sent = headers.get("x-request-timeout")
    if sent is None:
        return None
    try:
        seconds = float(sent)
    except ValueError:
        return None
    return seconds if 0 < seconds < math.inf else None
