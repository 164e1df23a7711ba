"""The fast path of the GraphQL endpoint: a POST of JSON whose operation is prepared and compiled.

`FastPath.try_handle` checks without waiting all that the endpoint checks, by the same functions. What is not
plain, or not right, it leaves to the endpoint. The rest of the work is one coroutine. See docs/fast-path.md.
"""

import msgspec
from graphql import OperationType
from msgspec.structs import replace

from gateway.api.graphql.execution.executor import Executor
from gateway.api.graphql.execution.incoming import Incoming, IncomingFactory, RequestOptions
from gateway.api.graphql.execution.preparation import FoundOperation
from gateway.api.graphql.execution.prepared import Prepared
from gateway.api.graphql.execution.ready import ReadyResult
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError, refused_for
from gateway.api.graphql.http.accept import Accepted, MediaType, accepted
from gateway.api.graphql.http.csrf import csrf_refusal
from gateway.api.graphql.http.options import EndpointOptions
from gateway.api.graphql.http.parsing import has_json, try_read_json
from gateway.api.graphql.http.request_options import request_options
from gateway.api.graphql.http.response import completed, refusal_response, result_response
from gateway.api.graphql.live.live import Live
from gateway.api.web.http import Headers, WebRequest, WebResponse
from gateway.errors import GatewayError
from gateway.kit.shaped_headers import ShapedHeaders

__all__ = ["FastHandling", "FastPath"]

_MAX_HEADS = 256
_FIELDS = frozenset(
    {
        "accept",
        "cache-control",
        "content-type",
        "host",
        "idempotency-key",
        "origin",
        "x-forwarded-proto",
        "x-graphql-event-stream-token",
        "x-request-timeout",
    }
)
"""The header fields of which the fast path has to know something; a head without the others is checked in its stead."""


class FastPath:
    """Handles what it can of the requests to one endpoint; the parameters are those of the endpoint."""

    def __init__(
        self, executor: Executor, incoming_factory: IncomingFactory, live: Live, options: EndpointOptions
    ) -> None:
        self.executor = executor
        self._preparation = executor.preparation
        self._ready_answers = executor.ready_answers
        self.profile = options.status_profile
        self._incoming_factory = incoming_factory
        self._reservations = live.reservations
        self._options = options
        self._heads: dict[tuple[object, ...], _Head] = {}

    def try_handle(self, request: WebRequest) -> "FastHandling | None":
        """Return a request that was checked completely; None: the endpoint handles it, and nothing was done yet."""
        try:
            head = self._check_head(request)
            if not head.is_plain:
                return None
            # First: nothing is parsed for a client that is not known.
            incoming = self._incoming_factory.try_create(request.connection(), request.report, head.options)
            graphql_request = None if incoming is None else try_read_json(request.body, self._options.limits)
            found = None if graphql_request is None else self._preparation.try_prepare(graphql_request)
            if incoming is None or graphql_request is None or found is None:
                return None
            if found.prepared.may_have_parts and not _has_one_part(found.prepared, head.accepts):
                return None
        except (RefusedError, GatewayError):  # the endpoint finds the same, and responds to it
            return None
        ready = self._ready_answers.try_find(found.prepared, graphql_request, incoming)
        return FastHandling(self, graphql_request, incoming, found, head.accepts.single, ready is not None, ready)

    def _check_head(self, request: WebRequest) -> "_Head":
        """Return what there is to know of the head of a request.

        Most clients send the same one again and again, or heads that differ in fields that make no difference here.
        """
        headers = request.headers
        if not isinstance(headers, ShapedHeaders):
            return self._read_head(request)
        head = headers.checked
        if not isinstance(head, _Head) or head.fast_path is not self:
            key = (request.method, request.query, *headers.key(_FIELDS))
            head = self._heads.get(key)
            if head is None:
                fields = {name: value for name in _FIELDS if (value := headers.get(name)) is not None}
                head = self._read_head(replace(request, headers=Headers.of(fields)))
                if not head.options.idempotency_key:  # which differs in each request that has one
                    if len(self._heads) >= _MAX_HEADS:
                        self._heads.clear()
                    self._heads[key] = head
            headers.checked = head
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
    """A request that `FastPath` has checked. `immediate`: it is answered by `ready`, without a wait."""

    fast_path: FastPath
    request: GraphQLRequest
    incoming: Incoming
    found: FoundOperation
    media_type: MediaType
    immediate: bool
    ready: ReadyResult | None

    def respond_now(self) -> WebResponse:
        """Return the response with a user that is kept."""
        executor, incoming, ready = self.fast_path.executor, self.incoming, self.ready
        assert ready is not None  # noqa: S101 - `immediate` states it
        request = executor.preparation.accept(self.found, self.request, incoming)
        try:
            result = executor.ready_answers.answer(ready, self.found.prepared, request, incoming)
        except RefusedError as error:
            return self._refusal(error)
        return completed(result_response(result, self.media_type, self.fast_path.profile), incoming.report)

    async def respond(self) -> WebResponse:
        """Execute the operation, and return the response to it."""
        executor, incoming = self.fast_path.executor, self.incoming
        request = executor.preparation.accept(self.found, self.request, incoming)
        try:
            result = await executor.answer(self.found.prepared, request, incoming)
        except RefusedError as error:
            return self._refusal(error)
        except GatewayError as error:
            return self._refusal(refused_for(error))
        return completed(result_response(result, self.media_type, self.fast_path.profile), incoming.report)

    def _refusal(self, error: RefusedError) -> WebResponse:
        report = self.incoming.report
        return completed(refusal_response(error, self.media_type, self.fast_path.profile, report), report)


def _has_one_part(prepared: Prepared, accepts: Accepted) -> bool:
    """Whether the response is in one piece: no subscription, and no `@defer` for a client that accepts parts."""
    if prepared.operation_type is OperationType.SUBSCRIPTION:
        return False
    return prepared.incremental is None or accepts.incremental is None
