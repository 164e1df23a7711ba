"""The fast path of the GraphQL endpoint: a POST of JSON whose operation is prepared and compiled.

`FastPath.try_handle` checks without waiting all that the endpoint checks, by the same functions. What is not
plain, or not right, it leaves to the endpoint. The rest of the work is one coroutine. See docs/fast-path.md.
"""

import msgspec
from graphql import OperationType

from gateway.api.graphql.execution.executor import Executor, FoundOperation
from gateway.api.graphql.execution.incoming import Incoming, IncomingFactory
from gateway.api.graphql.execution.prepared import Prepared
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError, refused_for
from gateway.api.graphql.http.accept import Accepted, MediaType, accepted
from gateway.api.graphql.http.csrf import csrf_refusal
from gateway.api.graphql.http.options import EndpointOptions
from gateway.api.graphql.http.parsing import try_read_request
from gateway.api.graphql.http.request_options import request_options
from gateway.api.graphql.http.response import completed, refusal_response, result_response
from gateway.api.graphql.live.live import Live
from gateway.api.web.http import WebRequest, WebResponse
from gateway.errors import GatewayError

__all__ = ["FastHandling", "FastPath"]


class FastPath:
    """Handles what it can of the requests to one endpoint; the parameters are those of the endpoint."""

    def __init__(
        self, executor: Executor, incoming_factory: IncomingFactory, live: Live, options: EndpointOptions
    ) -> None:
        self.executor = executor
        self.profile = options.status_profile
        self._incoming_factory = incoming_factory
        self._reservations = live.reservations
        self._options = options

    def try_handle(self, request: WebRequest) -> "FastHandling | None":
        """Return a request that was checked completely; None: the endpoint handles it, and nothing was done yet."""
        accepts = accepted(request.headers.get("accept", ""))
        try:
            if not self._is_plain(request, accepts):
                return None
            graphql_request = try_read_request(request, self._options.limits)
            found = None if graphql_request is None else self.executor.try_prepare(graphql_request)
            if graphql_request is None or found is None or not _has_one_part(found.prepared, accepts):
                return None
            incoming = self._incoming_factory.try_create(request.connection(), request.report, request_options(request))
        except (RefusedError, GatewayError):  # the endpoint finds the same, and responds to it
            return None
        if incoming is None:
            return None
        return FastHandling(self, graphql_request, incoming, found, accepts.single)

    def _is_plain(self, request: WebRequest, accepts: Accepted) -> bool:
        """Whether this is no request for a stream, and none that a browser may have sent for a page of another site."""
        if request.method != "POST" or accepts.nothing or accepts.event_stream or self._reservations.handles(request):
            return False
        return not self._options.preflight or csrf_refusal(request, self._options.cors) is None


class FastHandling(msgspec.Struct, frozen=True, eq=False):
    """A request that `FastPath` has checked."""

    fast_path: FastPath
    request: GraphQLRequest
    incoming: Incoming
    found: FoundOperation
    media_type: MediaType

    @property
    def immediate(self) -> bool:
        return False

    def respond_now(self) -> WebResponse:
        raise NotImplementedError

    async def respond(self) -> WebResponse:
        """Execute the operation, and return the response to it."""
        incoming, media_type = self.incoming, self.media_type
        report, executor, profile = incoming.report, self.fast_path.executor, self.fast_path.profile
        report.caller = incoming.principal.name
        request = executor.accept(self.found, self.request, incoming)
        try:
            result = await executor.answer(self.found.prepared, request, incoming)
            response = result_response(result, media_type, profile)
        except RefusedError as error:
            response = refusal_response(error, media_type, profile, report)
        except GatewayError as error:
            response = refusal_response(refused_for(error), media_type, profile, report)
        return completed(response, report)


def _has_one_part(prepared: Prepared, accepts: Accepted) -> bool:
    """Whether the response is in one piece: no subscription, and no `@defer` for a client that accepts parts."""
    if prepared.operation_type is OperationType.SUBSCRIPTION:
        return False
    return prepared.incremental is None or accepts.incremental is None
