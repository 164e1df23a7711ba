"""One connection: a call at a time, on it or on no other."""

import asyncio
import math
import select
from collections.abc import Callable, Iterator

from gateway.errors import GatewayError
from gateway.sources.http.errors import late, lost, not_reached
from gateway.sources.http.exchange import Request, Response, TransportLimits
from gateway.sources.http.lean.answer import AnswerReader

__all__ = ["ClientConnection"]

_DOUBTED = 1.0  # seconds without a call after which it is looked at before the next one


class ClientConnection(asyncio.Protocol):
    """A connection to a source. `idle` is told when it can take another call, `gone` when it is no more.

    One timer watches over all of its time: it is set when there is none that rings early enough, and looks when
    it rings at what the time is for by then.
    """

    def __init__(
        self,
        limits: TransportLimits,
        *,
        idle: Callable[["ClientConnection"], None],
        gone: Callable[["ClientConnection"], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = AnswerReader(limits.response_bytes)
        # Where it could not end before the whole call's, the time between two reads is not watched.
        self._read = limits.read if limits.read < limits.total else None
        self._kept = limits.kept
        self._idle = idle
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._request: Request | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._rest: Iterator[bytes] | None = None  # of the call, to be written when there is room
        self._full = False
        self._until = self._due = self._kept_since = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._rings = math.inf
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def usable(self) -> bool:
        """Whether a call may be sent: the other side has not hung up, as far as can be known."""
        if self._transport is None or self._transport.is_closing():
            return False
        if self._loop.time() - self._kept_since < _DOUBTED:
            return True
        # The loop may have been too busy to see that it ended.
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def begin(
        self, request: Request, message: bytes, until: float, rest: Iterator[bytes] | None = None
    ) -> asyncio.Future[Response]:
        """Send a call, the rest of it as the other side takes it.

        Its answer comes, or its failure, by that time of the loop's clock.

        Raises:
            SourceUnavailable: it broke before anything was sent.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise not_reached(request)
        self._reader.expect(request)
        transport.write(message)
        if transport.is_closing():  # the system took none of it
            raise not_reached(request)
        self._request, self._until, self._due = request, until, until
        if self._read is not None:
            self._due = min(until, self._loop.time() + self._read)
        if self._due < self._rings:
            self._watch()
        self._answer = answer = self._loop.create_future()
        if rest is not None:
            self._rest = rest
            self._send()
        return answer

    def leave(self, answer: asyncio.Future[Response]) -> None:
        """Nobody waits for that answer any more: the call is broken off if it is still under way."""
        if self._answer is answer:
            self._answer = None
            self.close()

    def close(self) -> None:
        """Close at once, whatever is under way."""
        self._rest = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # asyncio's own types say less than its documentation

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._rest is not None:
            if self._read is not None:  # it takes what is written: it is not stuck
                self._due = min(self._until, self._loop.time() + self._read)
            self._send()

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.close()  # it speaks unasked
            return
        try:
            response = self._reader.feed(data)
        except GatewayError as failure:
            self._fail(failure)
            return
        if response is not None:
            self._end(response)
        elif self._read is not None:
            self._due = min(self._until, self._loop.time() + self._read)

    def eof_received(self) -> None:
        if self._answer is not None:
            try:
                self._end(self._reader.end())
            except GatewayError as failure:
                self._fail(failure)
        self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._lose(error)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport = self._rest = None
        self._gone(self)
        if not self.closed.done():
            self.closed.set_result(None)

    def _end(self, response: Response) -> None:
        answer, self._answer, self._request = self._answer, None, None
        if answer is not None and not answer.done():
            answer.set_result(response)
        transport = self._transport
        # What is still to be sent belongs to a call that was answered before it was heard out.
        sent = self._rest is None and transport is not None and not transport.get_write_buffer_size()
        if not sent or not self._reader.reusable:
            self.close()
            return
        self._kept_since = now = self._loop.time()
        self._due = now + self._kept
        if self._due < self._rings:
            self._watch()
        self._idle(self)

    def _send(self) -> None:
        """Write what is left of the call, as long as there is room."""
        while self._rest is not None and not self._full:
            try:
                piece = next(self._rest, None)
            except OSError as error:  # of the file that it is read from: what was begun cannot be ended
                self._lose(error)
                return
            if piece is None or self._transport is None or self._transport.is_closing():
                self._rest = None
            else:
                self._transport.write(piece)

    def _lose(self, error: Exception | None) -> None:
        if self._answer is not None and self._request is not None:
            failure = lost(self._request)
            failure.__cause__ = error
            self._fail(failure)

    def _fail(self, failure: GatewayError) -> None:
        answer, self._answer, self._request = self._answer, None, None
        if answer is not None and not answer.done():
            answer.set_exception(failure)
        self.close()

    def _watch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = self._due
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer, self._rings = None, math.inf
        if self._loop.time() < self._due:
            self._watch()
        elif self._answer is not None and self._request is not None:
            self._fail(late(self._request))
        else:
            self.close()
