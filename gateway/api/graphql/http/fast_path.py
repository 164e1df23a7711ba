"""The fast path of the GraphQL endpoint: a POST of JSON whose operation is prepared and compiled.

`FastPath.try_handle` checks without waiting all that the endpoint checks, by the same functions. What is not
plain, or not right, it leaves to the endpoint. The rest of the work is one coroutine. See docs/fast-path.md.
"""

import msgspec
from graphql import OperationType

from gateway.api.graphql.execution.executor import Executor, FoundOperation
from gateway.api.graphql.execution.incoming import Incoming, IncomingFactory, RequestOptions
from gateway.api.graphql.execution.prepared import Prepared
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError, refused_for
from gateway.api.graphql.http.accept import Accepted, MediaType, accepted
from gateway.api.graphql.http.csrf import csrf_refusal
from gateway.api.graphql.http.options import EndpointOptions
from gateway.api.graphql.http.parsing import has_json, try_read_json
from gateway.api.graphql.http.request_options import request_options
from gateway.api.graphql.http.response import completed, refusal_response, result_response
from gateway.api.graphql.live.live import Live
from gateway.api.web.http import WebRequest, WebResponse
from gateway.errors import GatewayError
from gateway.kit.shaped_headers import ShapedHeaders

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
        try:
            head = self._check_head(request)
            graphql_request = try_read_json(request.body, self._options.limits) if head.is_plain else None
            found = None if graphql_request is None else self.executor.try_prepare(graphql_request)
            if graphql_request is None or found is None or not _has_one_part(found.prepared, head.accepts):
                return None
            incoming = self._incoming_factory.try_create(request.connection(), request.report, head.options)
        except (RefusedError, GatewayError):  # the endpoint finds the same, and responds to it
            return None
        if incoming is None:
            return None
        immediate = self.executor.is_immediate(found.prepared, graphql_request, incoming)
        return FastHandling(self, graphql_request, incoming, found, head.accepts.single, immediate)

    def _check_head(self, request: WebRequest) -> "_Head":
        """Return what there is to know of the head of a request; most clients send the same one again and again."""
        headers = request.headers
        if not isinstance(headers, ShapedHeaders):
            return self._read_head(request)
        head = headers.checked
        if not isinstance(head, _Head) or head.fast_path is not self:
            head = headers.checked = self._read_head(request)
        return head

    def _read_head(self, request: WebRequest) -> "_Head":
        """Check that it is a POST of JSON, no request for a stream, and not sent for a page of another site."""
        accepts = accepted(request.headers.get("accept", ""))
        is_plain = request.method == "POST" and not accepts.nothing and not accepts.event_stream and has_json(request)
        if not is_plain or self._reservations.handles(request):
            return _Head(self, accepts)
        if self._options.preflight and csrf_refusal(request, self._options.cors) is not None:
            return _Head(self, accepts)
        return _Head(self, accepts, request_options(request), is_plain=True)


class _Head(msgspec.Struct, frozen=True, eq=False):
    """What the fast path of an endpoint has to know of the head of a request. `is_plain`: it may handle the request."""

    fast_path: FastPath
    accepts: Accepted
    options: RequestOptions = RequestOptions()
    is_plain: bool = False


class FastHandling(msgspec.Struct, frozen=True, eq=False):
    """A request that `FastPath` has checked. `immediate`: `respond` does not wait if it is called now."""

    fast_path: FastPath
    request: GraphQLRequest
    incoming: Incoming
    found: FoundOperation
    media_type: MediaType
    immediate: bool

    def respond_now(self) -> WebResponse:
        """Do the same as `respond` without a task, where that does not wait."""
        execution = self.respond()
        try:
            execution.send(None)
        except StopIteration as ended:
            response: WebResponse = ended.value
            return response
        execution.close()
        raise RuntimeError("an operation had to wait that was found to be immediate")

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
