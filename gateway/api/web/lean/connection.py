"""One connection of a client: requests in their order, one at a time, or a WebSocket."""

import asyncio
import logging
from contextlib import suppress

from gateway.api.web.http import Closed, WebRequest, WebResponse
from gateway.api.web.lean.incoming import IncomingRequest, RejectedRequest
from gateway.api.web.lean.options import ServerOptions
from gateway.api.web.lean.parse_queue import ParseQueue
from gateway.api.web.lean.request_reader import RequestReader
from gateway.api.web.lean.response_writer import CONTINUE, write_response, write_stream
from gateway.api.web.lean.websocket import LeanWebSocket
from gateway.api.web.lean.whole_request import WholeRequestParser, WholeRequestReader
from gateway.api.web.open_connections import OpenConnections
from gateway.api.web.response_bytes import CLOSE, encode_response, response_head
from gateway.api.web.site import FastResponse, Site
from gateway.api.web.sockets import SocketHandler
from gateway.kit.timers import IdleTimer

__all__ = ["ServerConnection"]

_LOG = logging.getLogger("gateway.http")


class ServerConnection(asyncio.Protocol):
    """A connection of a client, which is one of `connections` while it is open.

    With `whole_requests`, plain requests that arrive in one piece are read by it. The running request is cancelled when
    the client disconnects; a service shields what must not be interrupted.
    """

    def __init__(
        self,
        site: Site,
        options: ServerOptions,
        connections: "OpenConnections[ServerConnection]",
        parse_queue: ParseQueue,
        whole_requests: WholeRequestParser | None,
    ) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._site = site
        self._options = options
        self._connections = connections
        self._parse_queue = parse_queue
        self._reader = RequestReader(self, options, site.socket_handler)
        self._whole_reader = WholeRequestReader(whole_requests) if whole_requests is not None else None
        self._reader_is_idle = True  # whether it has no part of a request
        self._timer = IdleTimer(loop, self._on_timeout)
        self._writable: asyncio.Event | None = None  # is there while the client reads too slowly
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._socket: LeanWebSocket | None = None
        self._awaits_head = True  # whether `head_timeout` runs
        self._half_closed = self._draining = False
        self._peer = ""

    def drain(self) -> None:
        """Respond to the running request, and close the connection then."""
        self._draining = True
        if self._task is None and not self._half_closed:
            self._close()

    def cancel(self) -> asyncio.Task[None] | None:
        """Cancel the running request and close the connection; return the task of the request."""
        if self._socket is not None:
            self._socket.go_away()
        if self._task is not None:
            self._task.cancel()
        self._close()
        return self._task

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # asyncio's types are wider than its documentation
        # In uvloop, a client that has disconnected already has no address.
        if address := transport.get_extra_info("peername"):
            self._peer = address[0]
        self._timer.start(self._options.head_timeout)
        self._connections.opened(self, transport.get_extra_info("socket").fileno())

    def data_received(self, data: bytes) -> None:
        if self._socket is not None:
            self._socket.feed(data)
        elif not self._half_closed:
            if (
                self._reader_is_idle
                and self._task is None
                and (reader := self._whole_reader) is not None
                and (request := reader.try_read(data, self._peer)) is not None
            ):
                self._begin_whole(request)
                return
            self._reader_is_idle = False
            self._reader.feed(data)
            if self._task is None:
                self._next()

    def pause_writing(self) -> None:
        self._writable = self._writable or asyncio.Event()
        if self._socket is not None:
            self.pause_reading()  # responses to further pings would be written, too
        self._timer.start(self._options.write_timeout)

    def resume_writing(self) -> None:
        self._set_writable()
        if self._socket is not None:
            self.resume_reading()
        if self._task is not None and not self._half_closed:
            self._timer.stop()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the reason makes no difference
        self._transport = None
        self._timer.close()
        self._reader.close(Closed())
        if self._socket is not None:
            self._socket.connection_lost()
            self._socket = None
        if self._task is not None:
            self._task.cancel()
            self._task.add_done_callback(self._forget_task)
        self._set_writable()
        self._connections.closed(self)

    def _set_writable(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    def _forget_task(self, _task: asyncio.Task[None]) -> None:
        # The traceback of its cancellation refers to this object, and to all that the request has in memory.
        self._task = None

    # Called by bodies, response writers and WebSockets: see `ConnectionIO`.

    def pause_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def send_continue(self) -> None:
        self.write(CONTINUE)

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def wait_writable(self) -> None:
        if self._writable is not None:
            await self._writable.wait()
        if self._transport is None:
            raise Closed

    def half_close(self) -> None:
        # Closing a connection with unread bytes makes the operating system discard what was sent, too (RFC 9112, 9.6).
        transport = self._transport
        if transport is None or transport.is_closing() or self._half_closed:
            return
        self._half_closed = True
        try:
            transport.write_eof()
        except OSError:  # the client has closed its side with a reset, which the event loop has not read yet
            transport.abort()
            return
        self.resume_reading()
        self._timer.start(self._options.linger_timeout)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # Requests and responses.

    def _next(self) -> None:
        """Start to respond to the next request, if there is one."""
        incoming = self._reader.next()
        if incoming is None:
            self._reader_is_idle = self._reader.is_idle
            if self._draining:
                self._close()
            elif self._reader.in_head and not self._awaits_head:
                self._awaits_head = True
                self._timer.start(self._options.head_timeout)
        elif isinstance(incoming, RejectedRequest):
            self._reject(incoming.status)
        else:
            self._timer.stop()
            self._connections.busy(self)
            self._task = self._loop.create_task(self._respond(incoming))

    async def _respond(self, incoming: IncomingRequest) -> None:
        try:
            if incoming.socket_handler is None:
                response = await self._site.respond(incoming.request(self._peer))
                is_last = self._draining or self._connections.retired
                keep_alive = await write_response(incoming, response, self, keep_alive=not is_last)
            else:
                keep_alive = False
                await self._serve_websocket(incoming.request(self._peer), incoming.socket_handler)
        except Closed:
            return  # the client has disconnected
        except Exception:  # noqa: BLE001 - whatever it is, it ends this connection only
            self._fail(incoming.path)
            return
        if keep_alive or incoming.body.is_complete:
            self._finish(keep_alive=keep_alive)
        else:
            self._task = None
            self._connections.idle(self)  # it only lingers, and may give way to another one
            self.half_close()

    def _begin_whole(self, request: WebRequest) -> None:
        """Respond to a request that has arrived completely: at once where nothing has to be awaited for it."""
        response = self._site.try_respond(request)
        if isinstance(response, WebResponse):
            self._write_whole(request, response)
            return
        self._timer.stop()
        self._connections.busy(self)
        self._task = self._loop.create_task(self._respond_whole(request, response))

    async def _respond_whole(self, request: WebRequest, fast: FastResponse | None) -> None:
        try:
            response = await (self._site.respond_by_handler(request) if fast is None else fast())
            body = response.body
            if isinstance(body, bytes):
                self._write_whole(request, response)
                return
            keep_alive = not (self._draining or self._connections.retired)
            is_head = request.method == "HEAD"
            await write_stream(response, body, self, is_head=is_head, keep_alive=keep_alive)
            await self.wait_writable()
        except Closed:
            return  # the client has disconnected
        except Exception:  # noqa: BLE001 - as in `_respond`
            self._fail(request.path)
            return
        self._finish(keep_alive=keep_alive)

    def _write_whole(self, request: WebRequest, response: WebResponse) -> None:
        """Send a response whose body is bytes, and await the next request, which a client that does not read delays."""
        keep_alive = not (self._draining or self._connections.retired)
        body = response.body
        assert isinstance(body, bytes)  # noqa: S101 - see `Handling`
        try:
            data = encode_response(response, body, is_head=request.method == "HEAD", keep_alive=keep_alive)
        except Exception:  # noqa: BLE001 - as in `_respond`
            self._fail(request.path)
            return
        if self._transport is not None:
            self._transport.write(data)
        if self._writable is None:
            self._finish(keep_alive=keep_alive)
        else:
            self._connections.busy(self)
            self._task = self._loop.create_task(self._finish_when_writable(keep_alive=keep_alive))

    async def _finish_when_writable(self, *, keep_alive: bool) -> None:
        with suppress(Closed):
            await self.wait_writable()
            self._finish(keep_alive=keep_alive)

    def _fail(self, path: str) -> None:
        """Log the current exception, and close the connection."""
        _LOG.exception("defect in a response to %s", path)
        self.abort()

    def _finish(self, *, keep_alive: bool) -> None:
        """Await the next request after a response to one whose body is complete, or close the connection."""
        self._task = None
        if not keep_alive:
            self._close()
            return
        self._connections.idle(self)
        self._awaits_head = False
        self._timer.start(self._options.keep_alive_timeout)
        if self._draining or not self._reader_is_idle:
            self._next()

    async def _serve_websocket(self, request: WebRequest, handler: SocketHandler) -> None:
        self._socket = socket = LeanWebSocket(
            request, self, self._options, self._parse_queue, self._reader.take_unparsed()
        )
        try:
            with suppress(Closed):
                await handler(socket)
            await socket.finish()
        finally:  # also if this task is cancelled, because the client has disconnected
            socket.release()

    def _reject(self, status: int) -> None:
        self.write(response_head(status, (), f"Content-Length: 0\r\n{CLOSE}"))
        self.half_close()

    def _close(self) -> None:
        """Close the connection when everything is sent."""
        if self._transport is not None:
            self._transport.close()
            self._timer.start(self._options.write_timeout)

    def _on_timeout(self) -> None:
        transport = self._transport
        if transport is None:
            return
        if self._task is not None or self._half_closed or transport.is_closing():
            transport.abort()  # the client does not read, or its time to read is over
        elif self._reader.in_head:
            self._reject(408)
        else:
            self._close()
