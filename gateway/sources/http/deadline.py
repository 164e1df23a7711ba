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

__all__ = ["WithinDeadline"]


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
        now = self._clock()
        at = now + self._timeout
        operation = current_deadline.get()
        if operation is not None:
            at = min(at, operation.at)
        left = at - now
        if left <= 0:
            self._observe(CallEvent.of(PipelineEvent.REFUSED, request, detail="deadline"))
            raise NoTimeError(request)
        dispatch = DispatchState()
        deadline_before = current_deadline.set(Deadline(at, self._clock))
        dispatch_before = current_dispatch.set(dispatch)
        limit = self._timers.limit(left)
        try:
            with limit:
                return await send(request)
        except TimeoutError as error:
            if not limit.expired:
                raise
            self._observe(CallEvent.of(PipelineEvent.EXPIRED, request))
            unknown = Outcome.UNKNOWN if request.writes and dispatch.may_be_executed else None
            raise SourceTimeout(
                f"The {titled(request.source)} source did not respond in time.",
                origin=Origin(source=request.source),
                outcome=unknown,
                failed_call=failed_call(request, f"no complete response within {left:.3g} s"),
            ) from error
        finally:
            current_dispatch.reset(dispatch_before)
            current_deadline.reset(deadline_before)
