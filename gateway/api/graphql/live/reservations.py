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

from gateway.api.gate import Overloaded
from gateway.api.graphql.execution.context import Incoming
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError, refusal
from gateway.api.graphql.execution.result import Result
from gateway.api.graphql.http.accept import MediaType, accepted
from gateway.api.graphql.live.connections import Connections
from gateway.api.graphql.live.events import PULSE, streamed
from gateway.api.graphql.live.feeds import Feeds
from gateway.api.graphql.live.observing import Happening, Observe, Traffic
from gateway.api.graphql.live.options import LiveOptions
from gateway.api.graphql.live.reservation import Reservation
from gateway.api.web.http import Request, Response
from gateway.errors import Forbidden, GatewayError, NotFound

__all__ = ["Reservations"]

_TOKEN = "x-graphql-event-stream-token"  # noqa: S105 - the name of a header


class Reservations:
    """The reserved streams of this process: where there are several, a client has to come to the same one.

    A token is of use to its caller alone, and no stranger's page can know one: so it does for a preflight.
    """

    def __init__(
        self, connections: Connections, feeds: Feeds, options: LiveOptions, traffic: Traffic, observe: Observe
    ) -> None:
        self._connections = connections
        self._feeds = feeds
        self._options = options
        self._traffic = traffic
        self._observe = observe
        self._held: dict[str, tuple[Reservation, asyncio.TimerHandle]] = {}

    def concerns(self, request: Request) -> bool:
        """Whether the request is of this mode: a PUT without a body asks for a stream."""
        return _token(request) is not None or (request.method == "PUT" and not request.content_type)

    async def respond(
        self,
        request: Request,
        incoming: Incoming,
        asked: Callable[[], Awaitable[GraphQLRequest]],
        refuse: Callable[[Result], Response],
    ) -> Response:
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
            return Response(200)
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
        return Response(202)

    def end(self) -> None:
        """Drop all, fetched or not."""
        for token in tuple(self._held):
            self._drop(token)

    def _reserve(self, incoming: Incoming) -> Response:
        if len(self._held) >= self._options.reservations:
            self._observe(Happening.REFUSED, "reservations")
            raise RefusedError(503, Overloaded("There are as many event streams as there may be.", retry_after=1.0))
        token = secrets.token_urlsafe(24)
        expiry = asyncio.get_running_loop().call_later(self._options.reservation, self._drop, token)
        reservation = Reservation(incoming.principal.identity, self._feeds, self._options, self._traffic)
        self._held[token] = (reservation, expiry)
        return Response(201, token.encode(), (("Content-Type", "text/plain; charset=utf-8"),))

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


def _token(request: Request) -> str | None:
    return request.headers.get(_TOKEN) or _parameter(request, "token")


def _parameter(request: Request, name: str) -> str | None:
    if f"{name}=" not in request.query:
        return None
    try:
        fields = parse_qs(request.query, max_num_fields=100)
    except ValueError:
        raise refusal(400, "The URL's parameters are too many.") from None
    return next(iter(fields.get(name, ())), None)
