"""One client on a socket, by the rules of graphql-transport-ws."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NoReturn
from urllib.parse import urlsplit

from gateway.api.gate import Overloaded
from gateway.api.graphql.execution.context import Incoming
from gateway.api.graphql.execution.reception import IncomingFactory, next_operation
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError, from_mapping
from gateway.api.graphql.live.connections import Connections
from gateway.api.graphql.live.feeds import Feeds
from gateway.api.graphql.live.messages import (
    ACK,
    PING,
    PROTOCOL,
    CloseCode,
    Message,
    SocketClose,
    complete,
    error,
    next_head,
    pong,
    read_message,
)
from gateway.api.graphql.live.options import LiveEvent, LiveOptions, LiveTraffic, Observe
from gateway.api.web.http import Closed, WebRequest, WebSocket
from gateway.errors import GatewayError, RateLimited
from gateway.events.log import Draining
from gateway.operation import request_id

__all__ = ["WebSocketConnection", "WebSocketEndpoint"]

_LOG = logging.getLogger("gateway.graphql")
_INVALID = SocketClose(CloseCode.BAD_REQUEST, "Invalid message received: A message is a text.")
_SILENT = SocketClose(CloseCode.SILENT, "No pong received")
_TOO_LATE = SocketClose(CloseCode.INITIALISATION_TIMEOUT, "Connection initialisation timeout")


class WebSocketConnection:
    """Serves a socket that was accepted.

    It reads no further while the client takes no answer to what it sent; what is answered to subscriptions meanwhile
    waits in their feeds' mailboxes.
    """

    def __init__(
        self, socket: WebSocket, feeds: Feeds, reception: IncomingFactory, options: LiveOptions, traffic: LiveTraffic
    ) -> None:
        self._socket = socket
        self._feeds = feeds
        self._reception = reception
        self._options = options
        self._traffic = traffic
        self._loop = asyncio.get_running_loop()
        self._incoming: Incoming | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._patience = asyncio.timeout(options.init)
        self._ending = _TOO_LATE
        self._final = False
        self._pinged = False

    async def run(self) -> SocketClose:
        """Serve it to its end; what to close it with."""
        try:
            async with self._patience:
                await self._converse()
        except TimeoutError:
            return self._ending
        except SocketClose as ending:
            return ending
        except Closed:
            return _INVALID  # it said what is no text, or it has gone: then nobody reads this
        except Exception:  # noqa: BLE001 - a defect of ours ends this socket alone
            _LOG.exception("defect on a socket")
            return SocketClose(CloseCode.INTERNAL, "Internal server error")
        finally:
            self._final = True
            for timer in self._timers.values():
                timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def leave(self, seconds: float) -> None:
        self._end_in(seconds, SocketClose(CloseCode.GOING_AWAY, "Going away"), final=True)

    async def _converse(self) -> NoReturn:
        while True:
            message = read_message(await self._socket.receive(), self._options.message)
            if self._pinged:
                self._pinged = False
                self._wait_for_nothing()
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
        headers = dict(self._socket.request.headers) | self._reception.said(message.payload)
        try:
            self._incoming = incoming = await self._reception.receive(headers, request_id(headers.get("x-request-id")))
        except GatewayError as refused:
            raise SocketClose(CloseCode.FORBIDDEN, f"Forbidden: {refused.message}") from None
        if (until := incoming.principal.expires) is not None:
            expired = SocketClose(CloseCode.FORBIDDEN, "Forbidden: what you came with has expired.")
            # Final: else a ping or a pong at the same moment would put it off for good.
            end = partial(self._end_in, 0, expired, final=True)
            self._timers["expiry"] = self._loop.call_later(until - time.time(), end)
        self._wait_for_nothing()
        self._timers["ping"] = self._loop.call_later(self._options.ping, self._ping)
        await self._socket.send(ACK)

    async def _subscribe(self, message: Message) -> None:
        if self._incoming is None:
            raise SocketClose(CloseCode.UNAUTHORIZED, "Unauthorized")
        if message.id in self._operations:
            raise SocketClose(CloseCode.SUBSCRIBER_ALREADY_EXISTS, f"Subscriber for {message.id} already exists")
        try:
            asked = from_mapping(message.payload)
        except RefusedError as refused:
            raise SocketClose(CloseCode.BAD_REQUEST, f"Invalid message received: {refused.error.message}") from None
        incoming = next_operation(self._incoming)
        if len(self._tasks) >= self._options.operations_each:
            full = RateLimited(f"A connection has {self._options.operations_each} operations at most.", retry_after=1.0)
            await self._socket.send(error(message.id, self._feeds.ending(full, incoming).errors or "[]"))
            return
        self._operations[message.id] = self._start(self._operate(message.id, asked, incoming))

    async def _operate(self, id: str, asked: GraphQLRequest, incoming: Incoming) -> None:
        head = next_head(id)
        last = complete(id)
        try:
            async with self._feeds.follow(asked, incoming) as answers:
                async for answer in answers:
                    if answer.errors is not None:
                        last = error(id, answer.errors)
                        break
                    await self._socket.send(f"{head}{answer.text}}}")
                    self._traffic.answers += 1
        except Closed:
            return
        except Exception as broken:  # noqa: BLE001 - told in our words
            last = error(id, self._feeds.ending(broken, incoming).errors or "[]")
        # First: the client may use the id again as soon as it has read this.
        if self._operations.get(id) is asyncio.current_task():
            del self._operations[id]
        await self._socket.send(last)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (defect := task.exception()) is not None and not isinstance(defect, Closed):
            _LOG.error("defect on a socket", exc_info=defect)

    def _ping(self) -> None:
        self._timers["ping"] = self._loop.call_later(self._options.ping, self._ping)
        if not self._pinged:
            self._pinged = True
            self._end_in(self._options.pong, _SILENT)
            self._start(self._socket.send(PING))

    def _end_in(self, seconds: float, ending: SocketClose, *, final: bool = False) -> None:
        """Close the socket at that time, if nothing happens before; `final`: whatever happens."""
        if not self._final and not self._patience.expired():
            self._final = final
            self._ending = ending
            self._patience.reschedule(self._loop.time() + seconds)

    def _wait_for_nothing(self) -> None:
        if not self._final and not self._patience.expired():
            self._patience.reschedule(None)


class WebSocketEndpoint:
    """Answers WebSockets. `allows` tells whether the pages of an origin may connect, beside those of our own.

    A browser lets any page connect anywhere, with the cookies and from the network of whom it serves: the origin is
    all that tells. What sends none is no browser.
    """

    def __init__(
        self,
        connections: Connections,
        connect: Callable[[WebSocket], WebSocketConnection],
        *,
        allows: Callable[[str], bool],
        observe: Observe,
    ) -> None:
        self._connections = connections
        self._connect = connect
        self._allows = allows
        self._observe = observe

    async def __call__(self, socket: WebSocket) -> None:
        if not self._is_welcome(socket.request):
            self._observe(LiveEvent.REFUSED, "origin")
            await socket.close()
        elif PROTOCOL not in socket.offered:
            await socket.accept()  # else the client would not be told the code
            await self._close(socket, SocketClose(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, "Subprotocol not acceptable"))
        else:
            await socket.accept(PROTOCOL)
            await self._close(socket, await self._serve(socket))

    async def _serve(self, socket: WebSocket) -> SocketClose:
        connection = self._connect(socket)
        try:
            with self._connections.admit(connection, "websocket"):
                return await connection.run()
        except Overloaded as full:
            return SocketClose(CloseCode.TRY_AGAIN_LATER, full.message)
        except Draining:
            return SocketClose(CloseCode.GOING_AWAY, "Going away")

    async def _close(self, socket: WebSocket, ending: SocketClose) -> None:
        self._observe(LiveEvent.CLOSED, str(ending.code.value))
        await socket.close(ending.code, ending.reason)

    def _is_welcome(self, request: WebRequest) -> bool:
        origin = request.headers.get("origin")
        if origin is None or self._allows(origin):
            return True
        return urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower() != ""
