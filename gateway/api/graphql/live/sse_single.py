"""GraphQL over server-sent events, one stream for all operations: graphql-sse's single connection mode.

    PUT                                     → 201 and a token, which goes along with all that follows
    GET, accepting text/event-stream        → the stream
    POST, `extensions.operationId`          → 202, the answers come by the stream
    DELETE ?operationId=…                   → 200, the operation is stopped

The token is in the header `X-GraphQL-Event-Stream-Token`, or for an EventSource in the parameter `token`.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from urllib.parse import parse_qs

import orjson

from gateway.api.gate import Overloaded
from gateway.api.graphql.execution.context import Incoming
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError, refusal
from gateway.api.graphql.execution.result import Result
from gateway.api.graphql.http.accept import MediaType, accepted
from gateway.api.graphql.live.answers import LiveAnswer
from gateway.api.graphql.live.connections import Connections
from gateway.api.graphql.live.feeds import Feeds
from gateway.api.graphql.live.options import LiveEvent, LiveOptions, LiveTraffic, Observe
from gateway.api.graphql.live.sse_format import PULSE, named_complete, named_next, streamed
from gateway.api.web.http import WebRequest, WebResponse
from gateway.errors import Conflict, Forbidden, GatewayError, NotFound, RateLimited
from gateway.kit.mailbox import Mailbox

__all__ = ["Reservation", "Reservations"]


class Reservation:
    """`identity` is whose it is. It is to be dropped at some time, fetched or not."""

    def __init__(self, identity: str, feeds: Feeds, options: LiveOptions, traffic: LiveTraffic) -> None:
        self.identity = identity
        self.lines: Mailbox[bytes] = Mailbox(options.queue)
        self.is_open = False
        self._feeds = feeds
        self._most = options.operations_each
        self._traffic = traffic
        self._operations: dict[str, asyncio.Task[None]] = {}

    def open(self) -> None:
        """Let its client have the stream.

        Raises:
            RefusedError: 409, somebody has it.
        """
        if self.is_open:
            raise RefusedError(409, Conflict("The event stream is open already."))
        self.is_open = True

    def start(self, id: str, asked: GraphQLRequest, incoming: Incoming) -> None:
        """Execute an operation.

        Raises:
            RefusedError: 404, the stream has ended; 409, there is one of that id; 429, there are too many.
        """
        if self.lines.has_ended:  # while the operation was being read: nobody would end it any more
            raise RefusedError(404, NotFound("There is no event stream of that token."))
        if id in self._operations:
            raise RefusedError(409, Conflict(f"There is an operation {id} already."))
        if len(self._operations) >= self._most:
            raise RefusedError(429, RateLimited(f"A stream has {self._most} operations at most.", retry_after=1.0))
        self._operations[id] = asyncio.get_running_loop().create_task(self._operate(id, asked, incoming))

    def stop(self, id: str) -> None:
        """End an operation, without a word on the stream.

        Raises:
            RefusedError: 404, there is none of that id.
        """
        task = self._operations.pop(id, None)
        if task is None:
            raise refusal(404, "There is no such operation.")
        task.cancel()

    def leave(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self.lines.cut)

    def end(self) -> None:
        """End it with all its operations."""
        self.lines.cut()
        for task in self._operations.values():
            task.cancel()

    async def _operate(self, id: str, asked: GraphQLRequest, incoming: Incoming) -> None:
        name = orjson.dumps(id).decode()
        try:
            async with self._feeds.follow(asked, incoming) as answers:
                async for answer in answers:
                    await self._put(name, answer)
        except Exception as error:  # noqa: BLE001 - told in our words
            await self._put(name, self._feeds.ending(error, incoming))
        if self._operations.get(id) is asyncio.current_task():  # first: the client may use the id again
            del self._operations[id]
        await self.lines.put(named_complete(name))

    async def _put(self, name: str, answer: LiveAnswer) -> None:
        await self.lines.put(named_next(name, answer.text))
        self._traffic.answers += 1


_TOKEN = "x-graphql-event-stream-token"  # noqa: S105 - the name of a header


class Reservations:
    """The reserved streams of this process: where there are several, a client has to come to the same one.

    A token is of use to its caller alone, and no stranger's page can know one: so it does for a preflight.
    """

    def __init__(
        self, connections: Connections, feeds: Feeds, options: LiveOptions, traffic: LiveTraffic, observe: Observe
    ) -> None:
        self._connections = connections
        self._feeds = feeds
        self._options = options
        self._traffic = traffic
        self._observe = observe
        self._held: dict[str, tuple[Reservation, asyncio.TimerHandle]] = {}

    def concerns(self, request: WebRequest) -> bool:
        """Whether the request is of this mode: a PUT without a body asks for a stream."""
        return _token(request) is not None or (request.method == "PUT" and not request.content_type)

    async def respond(
        self,
        request: WebRequest,
        incoming: Incoming,
        asked: Callable[[], Awaitable[GraphQLRequest]],
        refuse: Callable[[Result], WebResponse],
    ) -> WebResponse:
        """The answer to such a request; `asked` reads the operation in it, `refuse` tells why it is none.

        Raises:
            RefusedError: 400, 403, 404, 409 or 503.
        """
        if request.method == "PUT":
            return self._reserve(incoming)
        token = _token(request) or ""
        reservation = self._found(token, incoming)
        if request.method == "DELETE":
            reservation.stop(_parameter(request, "operationId") or "")
            return WebResponse(200)
        if accepted(request.headers.get("accept", ""))[:1] == (MediaType.EVENT_STREAM,):
            reservation.open()
            return streamed(self._lines(token, reservation))
        operation = await self._feeds.check(await asked(), incoming)
        if isinstance(operation, Result):
            return refuse(operation)
        name = operation.extensions.get("operationId")
        if not isinstance(name, str) or not name:
            raise refusal(400, "`extensions.operationId` must be a string.")
        reservation.start(name, operation, incoming)
        return WebResponse(202)

    def end(self) -> None:
        """Drop all, fetched or not."""
        for token in tuple(self._held):
            self._drop(token)

    def _reserve(self, incoming: Incoming) -> WebResponse:
        if len(self._held) >= self._options.reservations:
            self._observe(LiveEvent.REFUSED, "reservations")
            raise RefusedError(503, Overloaded("There are as many event streams as there may be.", retry_after=1.0))
        token = secrets.token_urlsafe(24)
        expiry = asyncio.get_running_loop().call_later(self._options.reservation, self._drop, token)
        reservation = Reservation(incoming.principal.identity, self._feeds, self._options, self._traffic)
        self._held[token] = (reservation, expiry)
        return WebResponse(201, token.encode(), (("Content-Type", "text/plain; charset=utf-8"),))

    def _found(self, token: str, incoming: Incoming) -> Reservation:
        reservation, _ = self._held.get(token, (None, None))
        if reservation is None:
            raise RefusedError(404, NotFound("There is no event stream of that token."))
        if reservation.identity != incoming.principal.identity:
            raise RefusedError(403, Forbidden("The event stream is somebody else's."))
        return reservation

    async def _lines(self, token: str, reservation: Reservation) -> AsyncGenerator[bytes]:
        try:
            with self._connections.admit(reservation, "reserved events"):
                self._held[token][1].cancel()
                yield PULSE
                while not reservation.lines.is_over:
                    line = await reservation.lines.within(self._options.ping)
                    if line is not None:
                        yield line
                    elif not reservation.lines.is_over:
                        yield PULSE
        except GatewayError:  # it cannot be told here: the client finds the stream ended, and reserves another
            return
        finally:
            self._drop(token)

    def _drop(self, token: str) -> None:
        held = self._held.pop(token, None)
        if held is not None:
            reservation, expiry = held
            expiry.cancel()
            reservation.end()


def _token(request: WebRequest) -> str | None:
    return request.headers.get(_TOKEN) or _parameter(request, "token")


def _parameter(request: WebRequest, name: str) -> str | None:
    if f"{name}=" not in request.query:
        return None
    try:
        fields = parse_qs(request.query, max_num_fields=100)
    except ValueError:
        raise refusal(400, "The URL's parameters are too many.") from None
    return next(iter(fields.get(name, ())), None)
