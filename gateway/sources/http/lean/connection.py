"""One connection to a source. It has at most one call at a time, and sends no call a second time."""

import asyncio
import math
from collections.abc import Callable, Iterator

from gateway.errors import GatewayError
from gateway.sources.http.errors import disconnected_error, timeout_error, unreachable_error
from gateway.sources.http.exchange import Request, Response, TransportLimits
from gateway.sources.http.lean.response_reader import ResponseReader
from gateway.sources.http.unread import UnreadBytes

__all__ = ["ClientConnection"]


class ClientConnection(asyncio.Protocol):
    """A connection to a source. It calls `on_idle` when it can take another call, and `on_closed` once it is closed.

    One timer serves for all timeouts. It is moved only to an earlier time; when it fires before `_timeout_at`, it is
    set again. So a later timeout costs nothing.
    """

    def __init__(
        self,
        limits: TransportLimits,
        *,
        on_idle: Callable[["ClientConnection"], None],
        on_closed: Callable[["ClientConnection"], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = ResponseReader(limits.response_bytes)
        # None where the timeout for the whole attempt is not later: then the time between two reads is not checked.
        self._read_timeout = limits.read if limits.read < limits.total else None
        self._keep_alive = limits.keep_alive
        self._on_idle = on_idle
        self._on_closed = on_closed
        self._transport: asyncio.Transport | None = None
        self._request: Request | None = None
        self._response: asyncio.Future[Response] | None = None
        self._unread: UnreadBytes | None = None  # from the first reuse on
        self._unsent: Iterator[bytes] | None = None  # the rest of the request, written when there is room
        self._writing_paused = False
        # Times of the event loop's clock: the end of the attempt, and the next timeout.
        self._attempt_ends_at = self._timeout_at = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def usable(self) -> bool:
        """Whether another call can be sent: the source has not closed the connection, nor sent anything unrequested.

        The event loop may not have noticed either yet. Bytes that nobody requested would become the response to the
        next call.
        """
        if self._transport is None or self._transport.is_closing():
            return False
        if self._unread is None:
            self._unread = UnreadBytes(self._transport)
        return not self._unread

    def send(
        self, request: Request, message: bytes, timeout_at: float, unsent: Iterator[bytes] | None = None
    ) -> asyncio.Future[Response]:
        """Send a request: `message` at once, the pieces of `unsent` as fast as the source reads them.

        The returned future has a response or an exception at the latest at `timeout_at`, a time of the loop's clock.

        Raises:
            SourceUnavailable: the connection was closed before anything was sent.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise unreachable_error(request, ConnectionResetError())
        self._reader.expect(request)
        if request.on_write is not None:
            request.on_write()
        transport.write(message)
        if transport.is_closing():  # the operating system accepted no byte
            raise unreachable_error(request, ConnectionResetError())
        self._request, self._attempt_ends_at, self._timeout_at = request, timeout_at, timeout_at
        if self._read_timeout is not None:
            self._timeout_at = min(timeout_at, self._loop.time() + self._read_timeout)
        if self._timeout_at < self._timer_at:
            self._set_timer()
        self._response = response = self._loop.create_future()
        if unsent is not None:
            self._unsent = unsent
            self._write_unsent()
        return response

    def abandon(self, response: asyncio.Future[Response]) -> None:
        """Close the connection if its call is still under way, because no caller waits for this response any more."""
        if self._response is response:
            self._response = None
            self.close()

    def close(self) -> None:
        """Close at once, even during a call."""
        self._unsent = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # asyncio documents a Transport, its types do not

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._unsent is not None:
            if self._read_timeout is not None:  # the source reads the request, so it works
                self._timeout_at = min(self._attempt_ends_at, self._loop.time() + self._read_timeout)
            self._write_unsent()

    def data_received(self, data: bytes) -> None:
        if self._response is None:
            self.close()  # data without a request
            return
        try:
            response = self._reader.feed(data)
        except GatewayError as failure:
            self._fail(failure)
            return
        if response is not None:
            self._complete(response)
        elif self._read_timeout is not None:
            self._timeout_at = min(self._attempt_ends_at, self._loop.time() + self._read_timeout)

    def eof_received(self) -> None:
        if self._response is not None:
            try:
                self._complete(self._reader.end())
            except GatewayError as failure:
                self._fail(failure)
        self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail_disconnected(error)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport = self._unsent = None
        self._on_closed(self)
        if not self.closed.done():
            self.closed.set_result(None)

    def _complete(self, response: Response) -> None:
        future, self._response, self._request = self._response, None, None
        if future is not None and not future.done():
            future.set_result(response)
        transport = self._transport
        # If a part of the request is unsent, the source responded before it had read all of it.
        sent = self._unsent is None and transport is not None and not transport.get_write_buffer_size()
        if not sent or not self._reader.reusable:
            self.close()
            return
        self._timeout_at = self._loop.time() + self._keep_alive
        if self._timeout_at < self._timer_at:
            self._set_timer()
        self._on_idle(self)

    def _write_unsent(self) -> None:
        """Write the rest of the request until the transport pauses."""
        while self._unsent is not None and not self._writing_paused:
            try:
                piece = next(self._unsent, None)
            except OSError as error:  # the file with the content cannot be read, so the request cannot be completed
                self._fail_disconnected(error)
                return
            if piece is None or self._transport is None or self._transport.is_closing():
                self._unsent = None
            else:
                self._transport.write(piece)

    def _fail_disconnected(self, error: Exception | None) -> None:
        if self._response is not None and self._request is not None:
            failure = disconnected_error(self._request)
            failure.__cause__ = error
            self._fail(failure)

    def _fail(self, failure: GatewayError) -> None:
        future, self._response, self._request = self._response, None, None
        if future is not None and not future.done():
            future.set_exception(failure)
        self.close()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._timeout_at
        self._timer = self._loop.call_at(self._timeout_at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer, self._timer_at = None, math.inf
        if self._loop.time() < self._timeout_at:
            self._set_timer()
        elif self._response is not None and self._request is not None:
            self._fail(timeout_error(self._request))
        else:
            self.close()
