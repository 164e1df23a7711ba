"""A step that measures each attempt. It is the innermost step, so it measures the transport alone."""

import time
from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from gateway.calls import CANCELLED, Attempt, CallRecorder, current_calls
from gateway.errors import Code, GatewayError
from gateway.operation import current_deadline
from gateway.sources.http.circuit import CircuitSettings
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.handover import current_dispatch

__all__ = ["Timing"]

_HUNG_AFTER = CircuitSettings().hung_after  # seconds: a shorter deadline of a caller is no evidence about the source

AttemptObserver = Callable[[Request, str, float], None]


class Timing:
    """Reports each attempt to `observe`: the request, its status or error code, and its duration in seconds.

    One that was cancelled before it was sent is none. It also records the attempt in the operation's log of calls, if
    there is one. An attempt that is recorded as a span is sent with the trace context of its span.
    """

    def __init__(self, observe: AttemptObserver, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._observe = observe
        self._clock = clock

    async def __call__(self, request: Request, send: Send) -> Response:
        calls = current_calls.get()
        attempt = None if calls is None else _begin(calls, request)
        if attempt is not None:
            request = _sent_by(attempt, request)
        started = self._clock()
        status = CANCELLED
        try:
            response = await send(request)
            status = str(response.status)
        except GatewayError as error:
            status = error.code
            if attempt is not None and error.failed_call is not None:
                attempt.cause = error.failed_call.cause
            raise
        finally:
            seconds = self._clock() - started
            if attempt is None or attempt.counts(status):
                self._observe(request, _shown_status(status, seconds), seconds)
            if attempt is not None:
                attempt.end(int(status) if status.isdecimal() else status, seconds)
        return response


def _shown_status(status: str, seconds: float) -> str:
    """Return the status that shows something of the source: a call that hung until the deadline has timed out."""
    if status == CANCELLED and seconds >= _HUNG_AFTER:
        deadline = current_deadline.get()
        if deadline is not None and deadline.expired:
            return Code.SOURCE_TIMEOUT
    return status


def _begin(calls: CallRecorder, request: Request) -> Attempt:
    return calls.begin(request.kind, request.endpoint, base_url=request.base_url, resends=request.resends)


def _sent_by(attempt: Attempt, request: Request) -> Request:
    on_write = partial(_note_writing, attempt, request.on_write)
    if attempt.trace is None:
        return replace(request, on_write=on_write)
    if (dispatch := current_dispatch.get()) is not None:
        dispatch.trace = attempt.trace
    return replace(request, on_write=on_write, headers={**request.headers, **attempt.trace.headers})


def _note_writing(attempt: Attempt, on_write: Callable[[], None] | None) -> None:
    attempt.is_written = True
    if on_write is not None:
        on_write()
