"""The calls to sources that an operation caused, recorded where a client requests them.

`current_calls` is a context variable: the steps of a source's pipeline and the cache of reference data add to the log
that they find there. Without a log nothing is recorded.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

__all__ = ["BatchCalls", "CallKind", "CallList", "CallRecord", "CallRecorder", "Endpoint", "current_calls"]


class CallKind(StrEnum):
    """What a record stands for. `CALL`, `BATCHED`, `RETRY` and `HEDGE` are each one request that was sent."""

    CALL = "call"
    """A request for this operation alone."""

    SHARED = "shared"
    """The response to a request of another operation, or to an identical one of this operation."""

    BATCHED = "batched"
    """A request for several records that were looked up at the same time."""

    KEPT = "kept"
    """No request: the records were in the cache."""

    RETRY = "retry"
    """A further attempt after a transient failure."""

    HEDGE = "hedge"
    """The second request of a slow read."""

    WAITED = "waited"
    """No request: the wait for a token of the source's rate limit."""


class Endpoint(NamedTuple):
    """What was called: the `template` is the path without ids and query."""

    source: str
    method: str
    template: str


class CallRecord(msgspec.Struct, frozen=True):
    """One call, or what spared or delayed one.

    `status` is an HTTP status, the code of an error, or None without a request. `start` is in seconds since the start
    of the log, `duration` in seconds.
    """

    endpoint: Endpoint
    status: int | str | None
    start: float
    duration: float
    kind: CallKind


class CallRecorder(Protocol):
    """Receives what happens to the calls of one operation, or of several that share a batch."""

    def add(self, kind: CallKind, endpoint: Endpoint, status: int | str | None, seconds: float) -> None:
        """Record something that has ended now and took so many seconds."""


class CallList:
    """The calls of one operation, in the order of their ends. Records in the cache count once for each template."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._kept: set[Endpoint] = set()
        self.records: list[CallRecord] = []

    def add(self, kind: CallKind, endpoint: Endpoint, status: int | str | None, seconds: float) -> None:
        if kind is CallKind.KEPT:
            if endpoint in self._kept:
                return
            self._kept.add(endpoint)
        start = max(0.0, self._clock() - seconds - self._started)
        self.records.append(CallRecord(endpoint, status, start, seconds, kind))


class BatchCalls:
    """The calls for a batch of that many lookups: those of the operation that came first, and shared by the others."""

    def __init__(self, lookups: int = 1) -> None:
        self.lookups = lookups
        self._recorders: list[CallRecorder | None] = []

    def join(self, recorder: "CallRecorder | None") -> None:
        """Report the calls that end from now on to one more operation; None if it has none."""
        self._recorders.append(recorder)

    def add(self, kind: CallKind, endpoint: Endpoint, status: int | str | None, seconds: float) -> None:
        if kind is CallKind.CALL and self.lookups > 1:
            kind = CallKind.BATCHED
        for number, recorder in enumerate(self._recorders):
            if recorder is not None:
                is_first = number == 0 or kind is CallKind.WAITED
                recorder.add(kind if is_first else CallKind.SHARED, endpoint, status, seconds)


current_calls: ContextVar[CallRecorder | None] = ContextVar("current_calls", default=None)
"""Where calls are recorded; None: nowhere."""
