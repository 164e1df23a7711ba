"""A step that records the dispatch state of a call: whether its source may have executed it.

When a deadline passes, the state distinguishes "nothing was sent" from "the outcome is unknown".
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial

import msgspec
from msgspec.structs import replace

from gateway.errors import GatewayError, Outcome
from gateway.operation import current_deadline
from gateway.sources.http.errors import NoTimeError, SourceErrorBody, source_error
from gateway.sources.http.exchange import Request, Response, Send
from gateway.trace_context import TraceContext

__all__ = ["DispatchState", "Handover", "current_dispatch", "has_unknown_outcome"]

_SUCCESS = range(200, 300)


class DispatchState(msgspec.Struct, eq=False):
    """The dispatch state of the current call.

    `since` is the time of the handover to the transport; None while no attempt is there. `written` is whether the
    transport has begun to write the change of this attempt. `outcome_unknown` is whether an attempt ended and its
    source may have executed it. `trace` is the trace context of the last attempt that was recorded as a span.
    """

    since: float | None = None
    written: bool = False
    outcome_unknown: bool = False
    trace: TraceContext | None = None

    @property
    def may_be_executed(self) -> bool:
        """Whether the source may have executed a change by now."""
        return self.outcome_unknown or self.written

    def mark_written(self, then: Callable[[], None] | None) -> None:
        """Note that the transport begins to write, and call `then`."""
        self.written = True
        if then is not None:
            then()

    def end(self, *, outcome_unknown: bool) -> None:
        """Note that the attempt has ended."""
        self.since, self.written = None, False
        self.outcome_unknown = self.outcome_unknown or outcome_unknown


current_dispatch: ContextVar[DispatchState | None] = ContextVar("current_dispatch", default=None)


def has_unknown_outcome(request: Request, result: Response | GatewayError) -> bool:
    """Whether the source may have executed a failed change. For a response, `source_error` has the rule."""
    if isinstance(result, Response) and result.status in _SUCCESS:
        return False
    if not request.writes:
        return False
    if isinstance(result, Response):
        if request.to_error is None:
            result = source_error(request, result, SourceErrorBody())
        else:
            result = request.to_error(request, result)
    return result.outcome is Outcome.UNKNOWN


class Handover:
    """Updates `current_dispatch` when an attempt is handed over and when it ends.

    An attempt that is cancelled after it was written remains so, because the source may have executed it.

    Raises:
        NoTimeError: the deadline has passed. A process that was suspended must not send a change then: its lease of the
            idempotency key may have ended, and the change may have been repeated by another replica.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock

    async def __call__(self, request: Request, send: Send) -> Response:
        dispatch = current_dispatch.get()
        if dispatch is None:
            return await send(request)
        deadline = current_deadline.get()
        if deadline is not None and deadline.remaining() <= 0:
            raise NoTimeError(request)
        dispatch.since = self._clock()
        if request.writes:
            request = replace(request, on_write=partial(dispatch.mark_written, request.on_write))
        try:
            response = await send(request)
        except GatewayError as error:
            dispatch.end(outcome_unknown=has_unknown_outcome(request, error))
            raise
        dispatch.end(outcome_unknown=has_unknown_outcome(request, response))
        return response
