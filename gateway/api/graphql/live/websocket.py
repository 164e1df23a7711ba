"""One WebSocket of GraphQL, by the protocol graphql-transport-ws."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any, NoReturn

from msgspec.structs import replace

from gateway.api.gate import Overloaded
from gateway.api.graphql.execution.incoming import Incoming, IncomingFactory, RequestOptions
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError, from_mapping
from gateway.api.graphql.http.parsing import LONG_JSON
from gateway.api.graphql.live.connections import Connections
from gateway.api.graphql.live.feeds import Feeds
from gateway.api.graphql.live.messages import (
    ACK,
    PING,
    CloseCode,
    Message,
    SocketClose,
    complete,
    error,
    next_prefix,
    pong,
    read_message,
)
from gateway.api.graphql.live.options import LiveOptions
from gateway.api.web.http import Closed, Headers
from gateway.api.web.sockets import FIRST_MESSAGE, WebSocket
from gateway.callers.connection import Connection
from gateway.errors import GatewayError, Internal, RateLimited, Unauthenticated
from gateway.events.log import Draining
from gateway.kit.timers import IdleTimer
from gateway.operation import request_id
from gateway.telemetry.report import CLIENT_LEFT, RequestReport

__all__ = ["WebSocketConnection"]

_LOG = logging.getLogger("gateway.graphql")
_NOT_TEXT = SocketClose(CloseCode.BAD_REQUEST, "Invalid message received: A message must be text.")
_NO_PONG = SocketClose(CloseCode.NO_PONG, "No pong received")
_UNREAD = SocketClose(CloseCode.NO_PONG, "The responses are not read")
_INIT_TIMEOUT = SocketClose(CloseCode.INITIALISATION_TIMEOUT, "Connection initialisation timeout")
_FIRST_MESSAGES = 8  # messages that may come before `connection_init`: clients send none, or a ping
_ENDED, _NOT_ANSWERED = 200, 503  # the statuses in the report of an operation that ends with the process
_UNREAD_PINGS = 2  # pings between which a client has to read one response that waits for it
_MESSAGES = 16  # messages that are read before other tasks run


class WebSocketConnection:
    """Serves one WebSocket whose handshake is done.

    Before `connection_init` the client may send a few small messages. While it does not read the replies to its
    messages, no more of them are read. The responses of its operations then wait in the mailboxes of their feeds. A
    client that reads none of them for some time is disconnected, even if it sends pongs: they occupy memory.

    One timeout closes the connection: at first if `connection_init` does not come, later if a pong does not come, the
    credential is revoked or the process stops. `_limit` is its time: messages may wait while the event loop is busy.
    """

    def __init__(
        self,
        socket: WebSocket,
        connections: Connections,
        feeds: Feeds,
        incoming_factory: IncomingFactory,
        options: LiveOptions,
    ) -> None:
        self._socket = socket
        self._connections = connections
        self._admission = ExitStack()
        self._feeds = feeds
        self._incoming_factory = incoming_factory
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._incoming: Incoming | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._credential = ExitStack()
        self._timeout, self._limit = asyncio.timeout(None), IdleTimer(self._loop, self._close)
        self._close_at_timeout = _INIT_TIMEOUT
        self._timeout_is_final = self._awaits_pong = False
        self._sending = asyncio.Lock()  # one response after the other, to see whether the client reads
        self._unsent = 0  # responses
        self._unread_pings = 0  # since a response was sent
        self._is_going_away = False

    async def run(self) -> SocketClose:
        """Serve the connection to its end. Return the code and reason to close it with."""
        try:
            async with self._timeout:
                self._limit.start(self._options.init)
                await self._receive_messages()
        except TimeoutError:
            self._is_going_away = self._close_at_timeout.code is CloseCode.GOING_AWAY
            return self._close_at_timeout
        except SocketClose as close:
            return SocketClose(close.code, close.reason)  # the traceback of `close` has the client's message in memory
        except Closed:
            return _NOT_TEXT  # or the client has disconnected, and does not receive this
        except Exception:  # noqa: BLE001 - an unexpected error ends this connection alone
            _LOG.exception("unexpected error on a WebSocket")
            return SocketClose(CloseCode.INTERNAL, "Internal server error")
        finally:
            self._timeout_is_final = True
            self._limit.close()
            self._credential.close()
            for timer in self._timers.values():
                timer.cancel()
            for task in self._tasks:
                task.cancel()
            try:
                await asyncio.gather(*self._tasks, return_exceptions=True)
            finally:  # the server cancels this task when the client disconnects
                self._admission.close()
            # The old one refers to this task, and the traceback of its cancellation to this object, as its limit does.
            self._timeout = asyncio.timeout(None)
            del self._limit

    def make_room(self) -> None:
        """Close the connection, which is not initialised, in favour of a newer one."""
        reason = "Too many connections without connection_init. Retry after 1 s."
        self._close_after(0, SocketClose(CloseCode.TRY_AGAIN_LATER, reason), final=True)

    def close_after(self, seconds: float) -> None:
        self._close_after(seconds, SocketClose(CloseCode.GOING_AWAY, "Going away"), final=True)

    async def _receive_messages(self) -> NoReturn:
        read = 0
        while True:
            await self._handle(await self._socket.receive())
            read += 1
            if self._incoming is None and read >= _FIRST_MESSAGES:
                raise SocketClose(CloseCode.POLICY_VIOLATION, "Too many messages before connection_init")
            if self._incoming is None or read % _MESSAGES == 0:
                await asyncio.sleep(0)  # neither `receive` nor `send` waits while messages come fast enough

    async def _handle(self, text: str) -> None:
        limit = self._options.message
        if self._incoming is not None and len(text) >= LONG_JSON:
            await self._incoming_factory.long_steps.wait(self._incoming.principal.identity)
        message = read_message(text, min(limit, FIRST_MESSAGE) if self._incoming is None else limit)
        if self._awaits_pong:
            self._awaits_pong = False
            self._cancel_timeout()
        if message.type == "subscribe":
            await self._subscribe(message)
        elif message.type == "complete":
            if (task := self._operations.pop(message.id, None)) is not None:
                task.cancel()
        elif message.type == "ping":
            await self._socket.send(pong(message.payload))
        elif message.type == "connection_init":
            await self._initialise(message)

    async def _initialise(self, message: Message) -> None:
        if self._incoming is not None:
            raise SocketClose(CloseCode.TOO_MANY_INITIALISATIONS, "Too many initialisation requests")
        factory = self._incoming_factory
        request = self._socket.request
        headers = Headers.of(dict(request.headers) | factory.headers_in(message.payload))
        connection = Connection("websocket", headers, message.payload, request.peer, request.native)
        try:
            incoming = await factory.create(connection, RequestReport(), RequestOptions(base_url=request.base_url))
        except Internal:
            defect_id = request_id(headers.get("x-request-id"))
            _LOG.exception("defect in request %s at connection_init", defect_id, extra={"request_id": defect_id})
            raise SocketClose(CloseCode.INTERNAL, "Internal server error") from None
        except GatewayError as refused:
            if refused.retryable:
                raise SocketClose(CloseCode.TRY_AGAIN_LATER, refused.message) from None
            raise SocketClose(CloseCode.FORBIDDEN, f"Forbidden: {refused.message}") from None
        try:
            self._admission.enter_context(self._connections.admit(self, "websocket", incoming.principal.identity))
        except (Overloaded, RateLimited) as full:
            raise SocketClose(CloseCode.TRY_AGAIN_LATER, full.message) from None
        except Draining:
            raise SocketClose(CloseCode.GOING_AWAY, "Going away") from None
        self._incoming = incoming
        self._credential.enter_context(incoming.while_valid(self._on_revoked))
        self._socket.allow_large_messages()
        self._cancel_timeout()
        self._timers["ping"] = self._loop.call_later(self._options.ping, self._ping)
        await self._socket.send(ACK)

    async def _subscribe(self, message: Message) -> None:
        if self._incoming is None:
            raise SocketClose(CloseCode.UNAUTHORIZED, "Unauthorized")
        if message.id in self._operations:
            raise SocketClose(CloseCode.SUBSCRIBER_ALREADY_EXISTS, f"Subscriber for {message.id} already exists")
        try:
            request = from_mapping(message.payload)
        except RefusedError as refused:
            raise SocketClose(CloseCode.BAD_REQUEST, f"Invalid message received: {refused.error.message}") from None
        report = RequestReport("websocket", request_id(), caller=self._incoming.principal.name)
        try:
            incoming = await self._incoming_factory.create_next(self._incoming, report)
        except Unauthenticated as refused:
            raise SocketClose(CloseCode.FORBIDDEN, f"Forbidden: {refused.message}") from None
        except GatewayError as refused:
            await self._refuse(message.id, refused, replace(self._incoming, report=report))
            return
        limit = self._options.operations_each
        if len(self._tasks) >= limit:
            full = RateLimited(f"A connection can have at most {limit} operations. Retry after 1 s.", retry_after=1.0)
            await self._refuse(message.id, full, incoming)
            return
        self._operations[message.id] = self._start(self._run_operation(message.id, request, incoming))

    async def _refuse(self, id: str, reason: GatewayError, incoming: Incoming) -> None:
        with self._incoming_factory.telemetry.reporting(incoming.report, incoming.headers):
            await self._socket.send(error(id, self._feeds.last_response(reason, incoming).errors or "[]"))

    async def _run_operation(self, id: str, request: GraphQLRequest, incoming: Incoming) -> None:
        prefix, report = next_prefix(id), incoming.report
        last_message = complete(id)
        with self._incoming_factory.telemetry.reporting(report, incoming.headers):
            try:
                async with self._feeds.follow(request, incoming) as responses:
                    async for response in responses:
                        response.add_to(report)
                        if response.errors is not None:
                            last_message = error(id, response.errors)
                            break
                        report.bytes += len(response.text)
                        await self._send(f"{prefix}{response.text}}}")
            except Closed:
                report.status = CLIENT_LEFT
                return
            except asyncio.CancelledError:
                if self._is_going_away:  # the process stops: the client has not left
                    report.status = _ENDED if report.kind == "subscription" else _NOT_ANSWERED
                raise
            except Exception as reason:  # noqa: BLE001 - the client gets every error as a response
                last_message = error(id, self._feeds.last_response(reason, incoming).errors or "[]")
        # Before the last message is sent: the client may reuse the id as soon as it has read that.
        if self._operations.get(id) is asyncio.current_task():
            del self._operations[id]
        await self._send(last_message)

    async def _send(self, text: str) -> None:
        """Send a response after those that wait."""
        self._unsent += 1
        try:
            async with self._sending:
                await self._socket.send(text)
        finally:
            self._unsent -= 1
        self._unread_pings = 0

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (reason := task.exception()) is not None and not isinstance(reason, Closed):
            _LOG.error("unexpected error on a WebSocket", exc_info=reason)

    def _on_revoked(self, reason: GatewayError) -> None:
        """Close the connection if the credential is not valid any more.

        Where it only has lost scopes, the subscriptions end, and each new operation is authenticated again.
        """
        if isinstance(reason, Unauthenticated) and not self._timeout.expired():
            # Final: neither a ping or a pong at the same moment may cancel it, nor may the end of the process delay it.
            self._timeout_is_final = True
            self._close_at_timeout = SocketClose(CloseCode.FORBIDDEN, f"Forbidden: {reason.message}")
            self._close()

    def _ping(self) -> None:
        self._timers["ping"] = self._loop.call_later(self._options.ping, self._ping)
        self._unread_pings = self._unread_pings + 1 if self._unsent else 0
        if self._unread_pings > _UNREAD_PINGS:
            self._close_after(0, _UNREAD, final=True)
        elif not self._awaits_pong:
            self._awaits_pong = True
            self._close_after(self._options.pong, _NO_PONG)
            self._start(self._socket.send(PING))

    def _close_after(self, seconds: float, close: SocketClose, *, final: bool = False) -> None:
        """Close the connection after that time, unless the timeout is cancelled or replaced; `final` prevents both."""
        if not self._timeout_is_final and not self._timeout.expired():
            self._timeout_is_final = final
            self._close_at_timeout = close
            self._timeout.reschedule(None)  # the former limit may have just fired
            self._limit.start(seconds)

    def _cancel_timeout(self) -> None:
        if not self._timeout_is_final and not self._timeout.expired():
            self._limit.stop()
            self._timeout.reschedule(None)

    def _close(self) -> None:
        if not self._timeout.expired():
            self._timeout.reschedule(self._loop.time())
