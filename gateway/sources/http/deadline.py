"""One budget of time for a whole operation: queueing, waiting, retries and calls spend from it.

The budget is the caller's (`X-Request-Timeout`, a gRPC deadline) or the source's own timeout, whichever
ends first (issue 4, Deadline; contract.md: `GATEWAY_<SOURCE>__TIMEOUT`, "seconds for the whole call,
retries included").
"""

import time
from collections.abc import Callable

from gateway.errors import Origin, Outcome, SourceTimeout
from gateway.kit.timers import Timers
from gateway.operation import Deadline, current_deadline
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.handover import DispatchState, current_dispatch
from gateway.sources.http.observing import CallEvent, Observer, PipelineEvent, unobserved

__all__ = ["WithinDeadline"]


class WithinDeadline:
    """Bounds a call, with all that the steps within do for it, and tells them the time that is left.

    `timeout` is the source's own, in seconds.

    Raises:
        SourceTimeout: with an unknown outcome where a change had been handed to the transport.
    """

    def __init__(
        self, timeout: float, *, clock: Callable[[], float] = time.monotonic, observe: Observer = unobserved
    ) -> None:
        self._timeout = timeout
        self._clock = clock
        self._observe = observe
        self._alarm = Timers()

    async def __call__(self, request: Request, send: Send) -> Response:
        now = self._clock()
        at = now + self._timeout
        operation = current_deadline.get()
        if operation is not None:
            at = min(at, operation.at)
        left = at - now
        if left <= 0:
            self._observe(CallEvent.of(PipelineEvent.REFUSED, request, detail="deadline"))
            raise _too_late(request, "No time was left to ask the {source} system.")
        passage = DispatchState()
        deadline_before = current_deadline.set(Deadline(at, self._clock))
        passage_before = current_dispatch.set(passage)
        limit = self._alarm.limit(left)
        try:
            with limit:
                return await send(request)
        except TimeoutError as error:
            if not limit.expired:
                raise
            self._observe(CallEvent.of(PipelineEvent.EXPIRED, request))
            unknown = Outcome.UNKNOWN if request.writes and passage.uncertain else None
            raise _too_late(request, "The {source} system did not answer in time.", unknown) from error
        finally:
            current_dispatch.reset(passage_before)
            current_deadline.reset(deadline_before)


def _too_late(request: Request, message: str, outcome: Outcome | None = None) -> SourceTimeout:
    return SourceTimeout(message.format(source=request.source), origin=Origin(source=request.source), outcome=outcome)
