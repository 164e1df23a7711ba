"""A step that stops a call at its deadline, including waits and retries.

The deadline of a call is the one of the operation (`X-Request-Timeout`, a gRPC deadline) or the timeout of the source
(`GATEWAY_<SOURCE>__TIMEOUT`), whichever is earlier.
"""

import time
from collections.abc import Callable

from gateway.errors import Origin, Outcome, SourceTimeout
from gateway.kit.source_titles import titled
from gateway.kit.timers import Timers
from gateway.operation import Deadline, current_deadline
from gateway.sources.http.causes import failed_call
from gateway.sources.http.errors import NoTimeError
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.handover import DispatchState, current_dispatch
from gateway.sources.http.observing import CallEvent, Observer, PipelineEvent, ignore_event

__all__ = ["CallLimit", "WithinDeadline"]


class CallLimit(Deadline, kw_only=True):
    """The deadline of a call, the time at which the call began, and its dispatch state."""

    began_at: float
    dispatch: DispatchState

    @property
    def seconds(self) -> float:
        """How many seconds the call had when it began."""
        return self.at - self.began_at


class WithinDeadline:
    """Limits a call, with everything that the inner steps do for it, and sets `current_deadline` for them.

    `timeout` is the timeout of the source, in seconds.

    Raises:
        SourceTimeout: the deadline passed; `outcome` is unknown if the source may have executed the change.
    """

    def __init__(
        self, timeout: float, *, clock: Callable[[], float] = time.monotonic, observe: Observer = ignore_event
    ) -> None:
        self._timeout = timeout
        self._clock = clock
        self._observe = observe
        self._timers = Timers()

    async def __call__(self, request: Request, send: Send) -> Response:
        limit = self.try_begin()
        if limit is None:
            self._observe(CallEvent.of(PipelineEvent.REFUSED, request, detail="deadline"))
            raise NoTimeError(request)
        return await self.within(limit, request, send)

    def try_begin(self) -> CallLimit | None:
        """Return the limit of a call that begins now; None if no time is left."""
        now = self._clock()
        at = now + self._timeout
        operation = current_deadline.get()
        if operation is not None and operation.at < at:
            at = operation.at
        return CallLimit(at, self._clock, began_at=now, dispatch=DispatchState()) if at > now else None

    async def within(self, limit: CallLimit, request: Request, send: Send) -> Response:
        """Make a call, or what is left of it, within its limit."""
        deadline_before = current_deadline.set(limit)
        dispatch_before = current_dispatch.set(limit.dispatch)
        timer = self._timers.limit(limit.remaining())
        try:
            with timer:
                return await send(request)
        except TimeoutError as error:
            if not timer.expired:
                raise
            raise self.expired(limit, request) from error
        finally:
            current_dispatch.reset(dispatch_before)
            current_deadline.reset(deadline_before)

    def expired(self, limit: CallLimit, request: Request) -> SourceTimeout:
        """Report that the deadline passed during a call, and return the exception for it."""
        self._observe(CallEvent.of(PipelineEvent.EXPIRED, request))
        return SourceTimeout(
            f"The {titled(request.source)} source did not respond in time.",
            origin=Origin(source=request.source),
            outcome=Outcome.UNKNOWN if request.writes and limit.dispatch.may_be_executed else None,
            failed_call=failed_call(request, f"no complete response within {limit.seconds:.3g} s"),
        )
