"""One connection to a source. It has at most one call at a time, and sends no call a second time."""

import asyncio
import math
from collections.abc import Callable, Iterator

from gateway.errors import GatewayError
from gateway.kit.timers import loop_clock
from gateway.sources.http.errors import disconnected_error, timeout_error, unreachable_error
from gateway.sources.http.exchange import Request, Response, TransportLimits
from gateway.sources.http.lean.response_reader import ResponseReader
from gateway.sources.http.lean.whole_response import WholeResponseReader
from gateway.sources.http.unread import UnreadBytes

__all__ = ["ClientConnection", "DeadlinePassedError"]

_BUSY = 0.05  # seconds: a timer that fires later than that shows that the event loop was busy
_CATCH_UP = 0.05  # seconds for the event loop to receive what came meanwhile


class DeadlinePassedError(Exception):
    """The deadline of a call has passed. Its request is still under way: its caller keeps or abandons the response."""


class ClientConnection(asyncio.Protocol):
    """A connection to a source. It calls `on_idle` when it can take another call, and `on_closed` once it is closed.

    One timer serves for all timeouts. It is moved only to an earlier time; when it fires before `_timeout_at`, it is
    set again. So a later timeout costs nothing. If the event loop was too busy to fire it in time, the timeout is a
    moment later: the response may have arrived meanwhile.

    Whoever has the future of a response calls `abandon` or `keep` if it does not wait for it any more.
    """

    def __init__(
        self,
        limits: TransportLimits,
        *,
        on_idle: Callable[["ClientConnection"], None],
        on_closed: Callable[["ClientConnection"], None],
        fast_path: bool = True,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._time = loop_clock(self._loop)
        self._max_body = limits.response_bytes
        self._whole = WholeResponseReader() if fast_path else None
        self._reader = ResponseReader(limits.response_bytes)
        self._is_partial = False  # the response of this call is read by `_reader`, since it did not arrive whole
        # None where the timeout for the whole attempt is not later: then the time between two reads is not checked.
        self._read_timeout = limits.read if limits.read < limits.total else None
        self._keep_alive = limits.keep_alive
        self._on_idle = on_idle
        self._on_closed = on_closed
        self._transport: asyncio.Transport | None = None
        self._request: Request | None = None
        self._response: asyncio.Future[Response] | None = None
        self._unread_events: Callable[[int], list[tuple[int, int]]] | None = None  # from the first reuse on
        self._unsent: Iterator[bytes] | None = None  # the rest of the request, written when there is room
        self._writing_paused = False
        # Results that came for a future in the moment in which its caller stopped to wait.
        self._unclaimed: dict[asyncio.Future[Response], Response | GatewayError] = {}
        # Times of the event loop's clock: the end of the attempt, the deadline of its caller, and the next timeout.
        self._attempt_ends_at = self._deadline_at = self._timeout_at = math.inf
        self._is_postponed = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def usable(self) -> bool:
        """Whether another call can be sent: the source has not closed the connection, nor sent anything unrequested.

        The event loop may not have noticed either yet. Bytes that nobody requested would become the response to the
        next call.
        """
        transport, unread_events = self._transport, self._unread_events
        if transport is None or transport.is_closing():
            return False
        if unread_events is None:
            unread_events = self._unread_events = UnreadBytes(transport).events
        return not unread_events(0)

    def send(
        self,
        request: Request,
        message: bytes,
        timeout_at: float,
        unsent: Iterator[bytes] | None = None,
        *,
        deadline_at: float = math.inf,
    ) -> asyncio.Future[Response]:
        """Send a request: `message` at once, the pieces of `unsent` as fast as the source reads them.

        The returned future has a response or an exception at the latest at `timeout_at`, a time of the loop's clock;
        at `deadline_at`, if that is earlier, it has a DeadlinePassedError, and the request remains under way.

        Raises:
            SourceUnavailable: the connection was closed before anything was sent.
        """
        transport, on_write = self._transport, request.on_write
        if transport is None:
            raise unreachable_error(request, ConnectionResetError())
        if on_write is not None:
            if transport.is_closing():
                raise unreachable_error(request, ConnectionResetError())
            on_write()
        transport.write(message)  # a transport that is closed already writes nothing
        if transport.is_closing():  # the operating system accepted no byte
            raise unreachable_error(request, ConnectionResetError())
        self._request, self._attempt_ends_at, self._deadline_at = request, timeout_at, deadline_at
        self._is_partial = self._is_postponed = False
        if self._read_timeout is None:
            self._timeout_at = timeout_at if timeout_at < deadline_at else deadline_at  # noqa: FURB136 - CONTRIBUTING.md, "Speed"
        else:
            self._wait_for_reading()
        if self._timeout_at < self._timer_at:
            self._set_timer()
        response: asyncio.Future[Response]
        self._response = response = asyncio.Future(loop=self._loop)  # what `create_future` of the loop does
        if unsent is not None:
            self._unsent = unsent
            self._write_unsent()
        return response

    def put_back(self) -> None:
        """Return the connection, which was taken and not used."""
        self._on_idle(self)

    def abandon(self, response: asyncio.Future[Response]) -> None:
        """Close the connection if its call is still under way, because no caller waits for this response any more."""
        self._unclaimed.pop(response, None)
        if self._response is response:
            self._response = None
            self.close()

    def keep(self, response: asyncio.Future[Response]) -> asyncio.Future[Response]:
        """Return a new future for a response whose caller is cancelled, or has a DeadlinePassedError.

        The deadline of that caller does not end the request any more.
        """
        kept: asyncio.Future[Response] = self._loop.create_future()
        result = self._unclaimed.pop(response, None)
        if isinstance(result, Response):
            kept.set_result(result)
        elif result is not None:
            kept.set_exception(result)
        elif self._response is response:
            self._response = kept
            self._deadline_at = math.inf  # that of the caller, who does not wait any more
            self._wait_for_reading()
        return kept

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
                self._wait_for_reading()
            self._write_unsent()

    def data_received(self, data: bytes) -> None:
        request = self._request
        if self._response is None or request is None:
            self.close()  # data without a request
            return
        if not self._is_partial:
            if self._whole is not None and request.method != "HEAD":
                max_body = self._max_body if request.max_bytes is None else request.max_bytes
                response = self._whole.read(data, max_body)
                if response is not None:
                    self._complete(response, reusable=True)
                    return
            self._is_partial = True
            self._reader.expect(request)
        try:
            response = self._reader.feed(data)
        except GatewayError as failure:
            self._fail(failure)
            return
        if response is not None:
            self._complete(response, reusable=self._reader.reusable)
        elif self._read_timeout is not None:
            self._wait_for_reading()

    def eof_received(self) -> None:
        if self._response is not None and self._request is not None:
            if not self._is_partial:
                self._reader.expect(self._request)
            try:
                self._complete(self._reader.end(), reusable=False)
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

    def _complete(self, response: Response, *, reusable: bool) -> None:
        future, self._response, self._request = self._response, None, None
        if future is not None:
            if future.done():
                self._unclaimed[future] = response
            else:
                future.set_result(response)
        transport = self._transport
        # If a part of the request is unsent, the source responded before it had read all of it.
        sent = self._unsent is None and transport is not None and not transport.get_write_buffer_size()
        if not sent or not reusable:
            self.close()
            return
        self._timeout_at = self._time() + self._keep_alive
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
        if future is not None:
            if future.done():
                self._unclaimed[future] = failure
            else:
                future.set_exception(failure)
        self.close()

    def _wait_for_reading(self) -> None:
        """Move the timeout, because the source has just received or sent something."""
        self._timeout_at = min(self._attempt_ends_at, self._deadline_at)
        if self._read_timeout is not None:
            self._timeout_at = min(self._timeout_at, self._time() + self._read_timeout)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._timeout_at
        self._timer = self._loop.call_at(self._timeout_at, self._on_timer)

    def _on_timer(self) -> None:
        fired_at, self._timer, self._timer_at = self._timer_at, None, math.inf
        now = self._time()
        if now < self._timeout_at:
            self._set_timer()
        elif self._response is None or self._request is None:
            self.close()
        elif now - fired_at > _BUSY and not self._is_postponed:
            self._is_postponed = True
            self._timeout_at = now + _CATCH_UP
            self._set_timer()
        elif now >= self._deadline_at:
            self._deadline_at = math.inf
            self._wait_for_reading()
            self._set_timer()
            if not self._response.done():
                self._response.set_exception(DeadlinePassedError())
        else:
            self._fail(timeout_error(self._request))
