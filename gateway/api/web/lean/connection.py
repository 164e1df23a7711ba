"""One connection: requests in their order, one at a time, or a WebSocket."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from gateway.api.web.http import Closed, SocketHandler, WebRequest
from gateway.api.web.lean.incoming import IncomingRequest, Refused
from gateway.api.web.lean.options import ServerOptions
from gateway.api.web.lean.request_reader import RequestReader
from gateway.api.web.lean.response_writer import CLOSE, CONTINUE, answer, head
from gateway.api.web.lean.websocket import Socket
from gateway.api.web.site import Site
from gateway.kit.timers import IdleTimer

__all__ = ["ServerConnection"]

_LOG = logging.getLogger("gateway.http")


class ServerConnection(asyncio.Protocol):
    """A connection of a client; `gone` is told when it is no more.

    What a client asked for is cancelled when it goes away; a service that must not stop in the middle sees to that.
    """

    def __init__(self, site: Site, options: ServerOptions, gone: Callable[["ServerConnection"], None]) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._site = site
        self._options = options
        self._gone = gone
        self._reader = RequestReader(self, options, site.socket)
        self._timer = IdleTimer(loop, self._on_timeout)
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._socket: Socket | None = None
        self._heading = True  # whether the time for a head runs
        self._leaving = self._draining = False

    def drain(self) -> None:
        """Answer what is under way, and nothing more."""
        self._draining = True
        if self._task is None and not self._leaving:
            self._close()

    def cancel(self) -> asyncio.Task[None] | None:
        """Stop what is under way; what was."""
        if self._socket is not None:
            self._socket.go_away()
        if self._task is not None:
            self._task.cancel()
        self._close()
        return self._task

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # asyncio's own types say less than its documentation
        self._timer.start(self._options.head_time)

    def data_received(self, data: bytes) -> None:
        if self._socket is not None:
            self._socket.feed(data)
        elif not self._leaving:
            self._reader.feed(data)
            if self._task is None:
                self._next()

    def pause_writing(self) -> None:
        self._writable.clear()
        if self._socket is not None:
            self.hold()  # what it asks for by pings would be written, too
        self._timer.start(self._options.stuck)

    def resume_writing(self) -> None:
        self._writable.set()
        if self._socket is not None:
            self.release()
        if self._task is not None and not self._leaving:
            self._timer.stop()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - it is gone, for whatever reason
        self._transport = None
        self._timer.close()
        self._reader.end(Closed())
        if self._socket is not None:
            self._socket.lost()
        if self._task is not None:
            self._task.cancel()
        self._writable.set()
        self._gone(self)

    # What those ask who read a request and answer it: see `Flow`.

    def hold(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def release(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def go_on(self) -> None:
        self.write(CONTINUE)

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def room(self) -> None:
        if not self._writable.is_set():
            await self._writable.wait()
        if self._transport is None:
            raise Closed

    def leave(self) -> None:
        # To close with something unread makes the system forget what was sent, too (RFC 9112, 9.6).
        transport = self._transport
        if transport is None or transport.is_closing() or self._leaving:
            return
        self._leaving = True
        transport.write_eof()
        self.release()
        self._timer.start(self._options.linger)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # Requests and answers.

    def _next(self) -> None:
        """Answer the next request, or wait for it."""
        incoming = self._reader.next()
        if incoming is None:
            if self._draining:
                self._close()
            elif self._reader.midway and not self._heading:
                self._heading = True
                self._timer.start(self._options.head_time)
        elif isinstance(incoming, Refused):
            self._refuse(incoming.status)
        else:
            self._timer.stop()
            self._task = self._loop.create_task(self._served(incoming))

    async def _served(self, incoming: IncomingRequest) -> None:
        try:
            if incoming.socket is None:
                response = await self._site.respond(incoming.request())
                keep = await answer(incoming, response, self, keep=not self._draining)
            else:
                keep = False
                await self._converse(incoming.request(), incoming.socket)
        except Closed:
            return  # there is nobody to tell
        except Exception:  # noqa: BLE001 - it ends this connection, and no other
            _LOG.exception("defect in an answer to %s", incoming.path)
            self.abort()
            return
        self._task = None
        if keep:
            self._heading = False
            self._timer.start(self._options.kept)
            self._next()
        elif incoming.body.whole:
            self._close()
        else:
            self.leave()

    async def _converse(self, request: WebRequest, handler: SocketHandler) -> None:
        self._socket = socket = Socket(request, self, self._options, self._reader.rest())
        with suppress(Closed):
            await handler(socket)
        await socket.end()

    def _refuse(self, status: int) -> None:
        self.write(head(status, (), f"Content-Length: 0\r\n{CLOSE}"))
        self.leave()

    def _close(self) -> None:
        """Close once everything is sent."""
        if self._transport is not None:
            self._transport.close()
            self._timer.start(self._options.stuck)

    def _on_timeout(self) -> None:
        transport = self._transport
        if transport is None:
            return
        if self._task is not None or self._leaving or transport.is_closing():
            transport.abort()  # it reads nothing, or has had the time to
        elif self._reader.midway:
            self._refuse(408)
        else:
            self._close()
