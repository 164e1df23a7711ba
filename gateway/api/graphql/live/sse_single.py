"""GraphQL over server-sent events, one stream for all operations of a client: graphql-sse's single connection mode.

    PUT                                     → 201 and a token that all other requests have to send
    GET, accepting text/event-stream        → the stream
    POST, `extensions.operationId`          → 202, the responses are sent on the stream
    DELETE ?operationId=…                   → 200, the operation is stopped

The token is in the header `X-GraphQL-Event-Stream-Token`, or in the parameter `token`, since an EventSource cannot send
headers.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from urllib.parse import parse_qs

import orjson
from msgspec.structs import replace

from gateway.api.gate import Overloaded
from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError, refusal
from gateway.api.graphql.http.accept import accepted
from gateway.api.graphql.live.connections import Connections
from gateway.api.graphql.live.feeds import Feeds
from gateway.api.graphql.live.options import LiveEvent, LiveOptions, Observe
from gateway.api.graphql.live.responses import LiveResponse
from gateway.api.graphql.live.sse_format import HEADERS, KEEP_ALIVE, operation_complete, operation_next
from gateway.api.web.http import WebRequest, WebResponse
from gateway.errors import Conflict, Forbidden, GatewayError, NotFound, RateLimited
from gateway.kit.counts import Counts, share_of
from gateway.kit.mailbox import Mailbox
from gateway.telemetry.report import RequestReport
from gateway.telemetry.telemetry import Telemetry

__all__ = ["Reservation", "Reservations"]


class Reservation:
    """One reserved event stream and its operations, which may start before the stream is opened.

    Only the principal of that identity may use it. `chunks` are the bytes to send on the stream.
    """

    def __init__(self, identity: str, feeds: Feeds, options: LiveOptions, telemetry: Telemetry) -> None:
        self.identity = identity
        self.chunks: Mailbox[bytes] = Mailbox(options.queue)
        self.is_open = False
        self._feeds = feeds
        self._telemetry = telemetry
        self._max_operations = options.operations_each
        self._operations: dict[str, asyncio.Task[None]] = {}

    def open(self) -> None:
        """Mark the stream as opened by its client.

        Raises:
            RefusedError: 409, it is open already.
        """
        if self.is_open:
            raise RefusedError(409, Conflict("The event stream is already open."))
        self.is_open = True

    def start(self, id: str, request: GraphQLRequest, incoming: Incoming) -> None:
        """Start an operation.

        Raises:
            RefusedError: 404, the stream has ended; 409, the id is in use; 429, there are too many operations.
        """
        if self.chunks.is_closed:  # while the operation was being read: nothing would stop the operation
            raise RefusedError(404, NotFound("No event stream has this token."))
        if id in self._operations:
            raise RefusedError(409, Conflict("An operation with this id is already running."))
        if len(self._operations) >= self._max_operations:
            message = f"An event stream can have at most {self._max_operations} operations. Retry after 1 s."
            raise RefusedError(429, RateLimited(message, retry_after=1.0))
        self._operations[id] = asyncio.get_running_loop().create_task(self._run_operation(id, request, incoming))

    def stop(self, id: str) -> None:
        """Stop an operation; nothing is sent on the stream about it.

        Raises:
            RefusedError: 404, no operation has that id.
        """
        task = self._operations.pop(id, None)
        if task is None:
            raise refusal(404, "No operation has this id.")
        task.cancel()

    def close_after(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self.chunks.abort)

    def end(self, last: LiveResponse) -> None:
        """Discard what was not sent yet; end each operation with that response, then the stream."""
        ids_json = [orjson.dumps(operation_id).decode() for operation_id in self._operations]
        chunks = [operation_next(id_json, last.text) + operation_complete(id_json) for id_json in ids_json]
        self.chunks.close_with(b"".join(chunks))

    def close(self) -> None:
        """End the stream and cancel its operations."""
        self.chunks.abort()
        for task in self._operations.values():
            task.cancel()

    async def _run_operation(self, id: str, request: GraphQLRequest, incoming: Incoming) -> None:
        id_json = orjson.dumps(id).decode()
        # Not the report of the POST, which ends with the response 202. It has the same id, and no method: it is an
        # operation, and not one more HTTP request.
        report = RequestReport("http", incoming.request_id, caller=incoming.principal.name)
        incoming = replace(incoming, report=report)
        with self._telemetry.reporting(report, incoming.headers):
            try:
                async with self._feeds.follow(request, incoming) as responses:
                    async for response in responses:
                        await self._put(id_json, response, report)
            except Exception as error:  # noqa: BLE001 - the client gets every error as a response
                await self._put(id_json, self._feeds.last_response(error, incoming), report)
        # Before `complete` is sent: the client may reuse the id as soon as it has read that.
        if self._operations.get(id) is asyncio.current_task():
            del self._operations[id]
        await self.chunks.put(operation_complete(id_json))

    async def _put(self, id_json: str, response: LiveResponse, report: RequestReport) -> None:
        response.add_to(report)
        report.bytes += len(response.text)
        await self.chunks.put(operation_next(id_json, response.text))


_TOKEN_HEADER = "x-graphql-event-stream-token"  # noqa: S105 - the name of a header


class Reservations:
    """The reserved event streams of this process. With several replicas, a client has to reach the same one each time.

    A token can be used only by the principal that reserved the stream, and pages of other sites cannot know it, so it
    also serves as the preflight.
    """

    def __init__(
        self, connections: Connections, feeds: Feeds, options: LiveOptions, observe: Observe, telemetry: Telemetry
    ) -> None:
        self._telemetry = telemetry
        self._connections = connections
        self._feeds = feeds
        self._options = options
        self._observe = observe
        self._limit_each = share_of(options.reservations, options.share)  # of one caller
        self._reservations: dict[str, tuple[Reservation, asyncio.TimerHandle]] = {}
        self._number_of = Counts()  # reservations by identity

    def handles(self, request: WebRequest) -> bool:
        """Return whether the request is one of this mode: it has a token, or is a PUT without a body."""
        return _token(request) is not None or (request.method == "PUT" and not request.content_type)

    async def respond(
        self,
        request: WebRequest,
        incoming: Incoming,
        read: Callable[[], Awaitable[GraphQLRequest]],
    ) -> WebResponse:
        """Respond to a request of this mode.

        `read` parses the GraphQL request in it.

        Raises:
            RefusedError: 400, 403, 404, 409, 429 or 503.
        """
        if request.method == "PUT":
            return self._reserve(incoming)
        token = _token(request) or ""
        reservation = self._find(token, incoming)
        if request.method == "DELETE":
            reservation.stop(_parameter(request, "operationId") or "")
            return WebResponse(200)
        if accepted(request.headers.get("accept", "")).event_stream:
            reservation.open()
            return WebResponse(200, self._chunks(token, reservation, incoming), HEADERS)
        operation = await read()  # an invalid document is an error on the stream, where clients expect it
        operation_id = operation.extensions.get("operationId")
        if not isinstance(operation_id, str) or not operation_id:
            raise refusal(400, "`extensions.operationId` must be a string.")
        reservation.start(operation_id, operation, incoming)
        return WebResponse(202)

    def close(self) -> None:
        """Close all reserved streams, open or not."""
        for token in tuple(self._reservations):
            self._drop(token)

    def _reserve(self, incoming: Incoming) -> WebResponse:
        if len(self._reservations) >= self._options.reservations:
            self._observe(LiveEvent.REFUSED, "reservations")
            raise RefusedError(503, Overloaded("Too many reserved event streams. Retry after 1 s.", retry_after=1.0))
        identity = incoming.principal.identity
        if identity and self._number_of[identity] >= self._limit_each:  # empty where callers are not distinguished
            self._observe(LiveEvent.REFUSED, "reservations of a caller")
            message = f"A caller can have at most {self._limit_each} reserved event streams. Retry after 1 s."
            raise RefusedError(429, RateLimited(message, retry_after=1.0))
        self._number_of.add(identity)
        token = secrets.token_urlsafe(24)
        expiry = asyncio.get_running_loop().call_later(self._options.reservation, self._drop, token)
        self._reservations[token] = (Reservation(identity, self._feeds, self._options, self._telemetry), expiry)
        return WebResponse(201, token.encode(), (("Content-Type", "text/plain; charset=utf-8"),))

    def _find(self, token: str, incoming: Incoming) -> Reservation:
        reservation, _ = self._reservations.get(token, (None, None))
        if reservation is None:
            raise RefusedError(404, NotFound("No event stream has this token."))
        if reservation.identity != incoming.principal.identity:
            raise RefusedError(403, Forbidden("The event stream was reserved by another caller."))
        return reservation

    async def _chunks(self, token: str, reservation: Reservation, incoming: Incoming) -> AsyncGenerator[bytes]:
        def end(reason: GatewayError) -> None:
            reservation.end(self._feeds.last_response(reason, incoming))

        try:
            admitted = self._connections.admit(reservation, "reserved events", reservation.identity)
            with admitted, incoming.while_valid(end):
                self._reservations[token][1].cancel()
                yield KEEP_ALIVE
                while not reservation.chunks.is_exhausted:
                    chunk = await reservation.chunks.next_within(self._options.ping)
                    if chunk is not None:
                        yield chunk
                    elif not reservation.chunks.is_exhausted:
                        yield KEEP_ALIVE
        except GatewayError:  # no error can be sent here: the client finds the stream ended, and reserves another one
            return
        finally:
            self._drop(token)

    def _drop(self, token: str) -> None:
        reserved = self._reservations.pop(token, None)
        if reserved is not None:
            reservation, expiry = reserved
            expiry.cancel()
            self._number_of.remove(reservation.identity)
            reservation.close()


def _token(request: WebRequest) -> str | None:
    sent = request.headers.get(_TOKEN_HEADER)
    return sent or (_parameter(request, "token") if request.query else None)


def _parameter(request: WebRequest, name: str) -> str | None:
    if f"{name}=" not in request.query:
        return None
    try:
        fields = parse_qs(request.query, max_num_fields=100)
    except ValueError:
        raise refusal(400, "The URL has too many parameters.") from None
    return next(iter(fields.get(name, ())), None)
