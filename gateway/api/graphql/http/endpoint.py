"""The GraphQL endpoint: operations by GET and POST, streams of subscriptions, and GraphiQL for browsers."""

from collections.abc import Collection
from functools import partial

from graphql import OperationType

from gateway.api.graphql.execution.executor import Executor
from gateway.api.graphql.execution.incoming import Incoming, IncomingFactory
from gateway.api.graphql.execution.preparation import (
    ANY_OPERATION,
    QUERY_ONLY,
    QUERY_OR_MUTATION,
    QUERY_OR_SUBSCRIPTION,
)
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError, refusal, refused_for
from gateway.api.graphql.execution.result import Result
from gateway.api.graphql.graphiql.page import GraphiQL
from gateway.api.graphql.http.accept import Accepted, MediaType, accepted, prefers_html
from gateway.api.graphql.http.csrf import csrf_refusal
from gateway.api.graphql.http.fast_path import FastPath
from gateway.api.graphql.http.incremental import until_revoked
from gateway.api.graphql.http.options import EndpointOptions
from gateway.api.graphql.http.parsing import read_request
from gateway.api.graphql.http.request_options import request_options
from gateway.api.graphql.http.response import completed, incremental_response, refusal_response, result_response
from gateway.api.graphql.http.uploads import FileRefused
from gateway.api.graphql.live.live import Live
from gateway.api.graphql.live.stream_format import EVENTS, PARTS
from gateway.api.web.http import Route, WebRequest, WebResponse
from gateway.errors import GatewayError

__all__ = ["GraphQLEndpoint"]

_METHODS = ("GET", "POST")
_STREAM_FORMATS = {MediaType.EVENT_STREAM: EVENTS, MediaType.SUBSCRIPTION: PARTS}
_SUPPORTED = (
    f"Accept {MediaType.RESPONSE.value} or {MediaType.JSON.value}, or one of {MediaType.EVENT_STREAM.value}, "
    f"{MediaType.INCREMENTAL.value}, {MediaType.INCREMENTAL_2022.value} and {MediaType.SUBSCRIPTION.value}."
)


class GraphQLEndpoint:
    """Responds with the media type that the client's `Accept` prefers; for the statuses see `StatusProfile`."""

    def __init__(
        self,
        executor: Executor,
        incoming_factory: IncomingFactory,
        live: Live,
        options: EndpointOptions,
        *,
        graphiql: GraphiQL | None = None,
    ) -> None:
        self._executor = executor
        self._preparation = executor.preparation
        self._incoming_factory = incoming_factory
        self._live = live
        self._options = options
        self._graphiql = graphiql
        self._fast_path = FastPath(executor, incoming_factory, live, options)

    def routes(self, path: str = "/graphql") -> list[Route]:
        """Return the route of the endpoint, and those of GraphiQL's assets beside it."""
        methods = (*_METHODS, "PUT", "DELETE")  # the last two for reserved event streams
        route = Route(methods, path, self.__call__, self._fast_path.try_handle)
        return [route, *(self._graphiql.routes() if self._graphiql else ())]

    async def __call__(self, request: WebRequest) -> WebResponse:
        if self._graphiql is not None and _opens_page(request):
            return self._graphiql.page()
        report, profile = request.report, self._options.status_profile
        accepts = accepted(request.headers.get("accept", ""))
        single = accepts.single
        try:
            if accepts.nothing:
                raise refusal(406, _SUPPORTED)
            incoming = await self._incoming_factory.create(request.connection(), report, request_options(request))
            if self._live.reservations.handles(request):
                response = await self._live.reservations.respond(
                    request, incoming, partial(self._read, request, incoming, ANY_OPERATION)
                )
            elif request.method not in _METHODS:
                raise refusal(405, "Send the request by POST, or a query by GET.", ("Allow", ", ".join(_METHODS)))
            else:
                response = await self._execute(request, incoming, accepts)
        except RefusedError as error:
            response = refusal_response(error, single, profile, report)
        except GatewayError as error:
            response = refusal_response(refused_for(error), single, profile, report)
        return completed(response, report)

    async def _execute(self, request: WebRequest, incoming: Incoming, accepts: Accepted) -> WebResponse:
        """Execute the operation of a request; return a stream, a response in parts, or one in one piece."""
        stream, single, profile = accepts.stream, accepts.single, self._options.status_profile
        graphql_request = await self._read(request, incoming, QUERY_ONLY if stream is None else QUERY_OR_SUBSCRIPTION)
        if accepts.event_stream:
            return self._live.streams.respond(graphql_request, incoming, EVENTS)
        if stream is not None:
            graphql_request = await self._preparation.resolve(graphql_request, incoming)
            prepared = self._preparation.prepare(graphql_request, incoming, allowed=ANY_OPERATION)
            if isinstance(prepared, Result):
                return result_response(prepared, single, profile)
            if prepared.operation_type is OperationType.SUBSCRIPTION:
                return self._live.streams.respond(graphql_request, incoming, _STREAM_FORMATS[stream])
        allowed = QUERY_ONLY if request.method == "GET" else QUERY_OR_MUTATION
        if accepts.incremental is None:
            result = await self._executor.execute(graphql_request, incoming, allowed=allowed)
            return result_response(result, single, profile)
        answer = await self._executor.execute_incrementally(graphql_request, incoming, allowed=allowed)
        if isinstance(answer, Result):
            return result_response(answer, single, profile)
        parts = until_revoked(answer, incoming)
        return incremental_response(parts, accepts.incremental)

    async def _read(
        self, request: WebRequest, incoming: Incoming, allowed_by_get: Collection[OperationType]
    ) -> GraphQLRequest:
        """Read the GraphQL request, and check what must be checked before it is executed."""
        wait_to_parse = partial(self._incoming_factory.long_steps.wait, incoming.principal.identity)
        forgery = csrf_refusal(request, self._options.cors) if self._options.preflight else None
        if request.method == "GET":
            graphql_request = await read_request(request, self._options.limits, wait_to_parse)
            graphql_request = await self._preparation.resolve(graphql_request, incoming, may_store=forgery is None)
            self._preparation.check(graphql_request, allowed_by_get)  # first: no header permits a mutation by GET
            if forgery is not None:
                raise forgery
            return graphql_request
        if forgery is not None:
            raise forgery
        try:
            return await read_request(request, self._options.limits, wait_to_parse)
        except FileRefused as refused:
            named = await self._preparation.resolve(refused.request, incoming)
            raise refused.at(self._preparation.argument_path(named, refused.path)) from None


def _opens_page(request: WebRequest) -> bool:
    """Whether a browser opens the URL. A `query` in it is for the page, which shows it and does not execute it."""
    return request.method == "GET" and prefers_html(request.headers.get("accept", ""))
