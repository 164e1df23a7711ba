"""The calls to sources of a batch, recorded for all operations whose lookups are in it."""

import asyncio
from typing import Any

from gateway.calls import Attempt, CallKind, CallRecorder, Endpoint, WaitReason
from gateway.trace_context import TraceContext

__all__ = ["BatchCalls"]


class BatchCalls:
    """The calls for a batch of that many lookups: those of the operation that came first, and shared by the others.

    `trace` is the trace context of that operation.
    """

    def __init__(self, lookups: int = 1) -> None:
        self.lookups = lookups
        self.trace: TraceContext | None = None
        self._recorders: list[CallRecorder | None] = []

    def join(self, recorder: CallRecorder | None, trace: TraceContext | None = None) -> None:
        """Report the calls that end from now on to one more operation, with its trace context; None if it has none."""
        if not self._recorders:
            self.trace = trace
        self._recorders.append(recorder)

    def add(
        self,
        kind: CallKind,
        endpoint: Endpoint,
        status: int | str | None,
        seconds: float,
        *,
        leader: TraceContext | None = None,
        reason: WaitReason | None = None,
    ) -> None:
        for number, recorder in enumerate(self._recorders):
            if recorder is not None:
                is_first = number == 0 or kind is CallKind.WAITED
                shown = kind if is_first else CallKind.SHARED
                recorder.add(shown, endpoint, status, seconds, leader=leader, reason=reason)

    def begin(self, kind: CallKind, endpoint: Endpoint, *, base_url: str = "", resends: int = 0) -> Attempt:
        if kind is CallKind.CALL and self.lookups > 1:
            kind = CallKind.BATCHED
        first = self._recorders[0] if self._recorders else None
        if first is None:
            return Attempt(kind, endpoint, 0.0, self._share)
        attempt = first.begin(kind, endpoint, base_url=base_url, resends=resends)
        attempt.also_report_to(self._share)
        return attempt

    def leave(self, rest: "asyncio.Future[Any]") -> None:
        if self._recorders and self._recorders[0] is not None:
            self._recorders[0].leave(rest)

    def is_first(self, recorder: CallRecorder | None) -> bool:
        """Return whether the calls are recorded as those of this operation."""
        return recorder is not None and bool(self._recorders) and self._recorders[0] is recorder

    def _share(self, attempt: Attempt, status: int | str, seconds: float) -> None:
        if attempt.counts(status):
            for recorder in self._recorders[1:]:
                if recorder is not None:
                    recorder.add(CallKind.SHARED, attempt.endpoint, status, seconds, leader=attempt.trace)
