"""A step that measures each attempt. It is the innermost step, so it measures the transport alone."""

import time
from collections.abc import Callable, Mapping
from functools import partial

from msgspec.structs import replace

from gateway.calls import CANCELLED, Attempt, current_calls, endpoint_of
from gateway.errors import Code, GatewayError
from gateway.operation import current_deadline
from gateway.sources.http.circuit import CircuitSettings
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.handover import current_dispatch

__all__ = ["Timing", "headers_of"]

_HUNG_AFTER = CircuitSettings().hung_after  # seconds: a shorter deadline of a caller is no evidence about the source

AttemptObserver = Callable[[Request, str, float, float], None]


class Timing:
    """Reports each attempt to `observe`: the request, its status or error code, its duration in seconds, and its end.

    Both are by `clock`, which is that of the log of calls. An attempt that was cancelled before it was sent is none. It
    is also recorded in the operation's log of calls, if there is one. An attempt that is recorded as a span is sent
    with the trace context of its span.
    """

    def __init__(self, observe: AttemptObserver, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._observe = observe
        self.clock = clock

    async def __call__(self, request: Request, send: Send) -> Response:
        attempt = self.begin(request)
        if attempt is not None:
            request = _sent_by(attempt, request)
        started = self.clock()
        try:
            response = await send(request)
        except BaseException as error:
            self.end(request, attempt, started, error)
            raise
        self.end(request, attempt, started, response)
        return response

    def begin(self, request: Request) -> Attempt | None:
        """Record an attempt in the log of the operation; None: it has none."""
        calls = current_calls.get()
        if calls is None:
            return None
        endpoint = endpoint_of(request.source, request.method, request.template)
        return calls.begin(request.kind, endpoint, base_url=request.base_url, resends=request.resends)

    def end(self, request: Request, attempt: Attempt | None, started: float, result: Response | BaseException) -> None:
        """Report an attempt that ended with this response or exception."""
        ended = self.clock()
        seconds = ended - started
        if isinstance(result, Response):
            self._observe(request, str(result.status), seconds, ended)
            if attempt is not None:
                attempt.on_end(attempt, result.status, seconds)
            return
        status: str = CANCELLED
        if isinstance(result, GatewayError):
            status = result.code
            if attempt is not None and result.failed_call is not None:
                attempt.cause = result.failed_call.cause
        if attempt is None or attempt.counts(status):
            self._observe(request, _shown_status(status, seconds), seconds, ended)
        if attempt is not None:
            attempt.on_end(attempt, status, seconds)


def _shown_status(status: str, seconds: float) -> str:
    """Return the status that shows something of the source: a call that hung until the deadline has timed out."""
    if status == CANCELLED and seconds >= _HUNG_AFTER:
        deadline = current_deadline.get()
        if deadline is not None and deadline.expired:
            return Code.SOURCE_TIMEOUT
    return status


def _sent_by(attempt: Attempt, request: Request) -> Request:
    on_write = partial(_note_writing, attempt, request.on_write)
    if attempt.trace is not None and (dispatch := current_dispatch.get()) is not None:
        dispatch.trace = attempt.trace
    return replace(request, on_write=on_write, headers=headers_of(attempt, request))


def headers_of(attempt: Attempt, request: Request) -> Mapping[str, str]:
    """Return the headers that an attempt is sent with: those of its request, and of its span if it has one."""
    return request.headers if attempt.trace is None else {**request.headers, **attempt.trace.headers}


def _note_writing(attempt: Attempt, on_write: Callable[[], None] | None) -> None:
    attempt.is_written = True
    if on_write is not None:
        on_write()
