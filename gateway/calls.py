"""The calls to sources that an operation caused, recorded where a client requests them.

`current_calls` is a context variable: the steps of a source's pipeline and the cache of reference data report to the
recorder that they find there. Without one nothing is recorded.
"""

import asyncio
import time
from collections.abc import Callable
from contextvars import ContextVar
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import msgspec

from gateway.trace_context import TraceContext

__all__ = [
    "CANCELLED",
    "Attempt",
    "CallKind",
    "CallList",
    "CallRecord",
    "CallRecorder",
    "Endpoint",
    "WaitReason",
    "current_calls",
    "endpoint_of",
]


CANCELLED = "cancelled"
"""The status of a request whose response nobody waited for any more."""

_CANCELLATION = 10  # iterations of the event loop: a cancellation passes from task to task, one in each of them


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
    """No request: the wait for a token of the source's rate limit, or before a further attempt."""


_KEPT = CallKind.KEPT  # CONTRIBUTING.md, "Speed"


class WaitReason(StrEnum):
    """What a call waited for."""

    PACING = "pacing"
    """A token of the source's rate limit."""

    BACKOFF = "backoff"
    """The time between a transient failure and the next attempt."""


class Endpoint(NamedTuple):
    """What was called: the `template` is the path without ids and query."""

    source: str
    method: str
    template: str


# By type, too: a member of `UserSource` equals the text of a request, and orjson does not take it as a key.
endpoint_of = lru_cache(maxsize=512, typed=True)(Endpoint)
"""Returns the endpoint by its three fields: there is one for each template, and making a named tuple takes a call."""


class CallRecord(msgspec.Struct, frozen=True):
    """A call, or why there was none, or why it was sent later.

    `status` is an HTTP status, the code of an error, or None without a request. `start` is in seconds since the start
    of the list, `duration` in seconds.
    """

    endpoint: Endpoint
    status: int | str | None
    start: float
    duration: float
    kind: CallKind


class Attempt(msgspec.Struct, eq=False):
    """A request that is under way, from the wait for a connection on. `is_written` is whether its first byte was sent.

    `started` is the time at which it began, by the clock of its log. `on_end` is to be called at its end. `trace` is
    the trace context that it is sent with if it is recorded as a span, else None. `cause` is why there was no response,
    for operators.
    """

    kind: CallKind
    endpoint: Endpoint
    started: float
    on_end: "AttemptListener"
    trace: TraceContext | None = None
    is_written: bool = False
    cause: str = ""

    def also_report_to(self, on_end: "AttemptListener") -> None:
        """Call one more listener at the end."""
        before = self.on_end

        def both(attempt: Attempt, status: int | str, seconds: float) -> None:
            before(attempt, status, seconds)
            on_end(attempt, status, seconds)

        self.on_end = both

    def counts(self, status: int | str) -> bool:
        """Return whether it is a call: one that was cancelled while it waited for a connection was not sent."""
        return self.is_written or status != CANCELLED


AttemptListener = Callable[[Attempt, int | str, float], None]
"""Receives an attempt that has ended, its status, and how many seconds it took."""


class CallRecorder(Protocol):
    """Receives what happens to the calls of one operation, or of several that share a batch."""

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
        """Record something that has ended now and took so many seconds.

        `leader` is the trace context of the request whose response was shared, and `reason` that of a wait.
        """

    def begin(self, kind: CallKind, endpoint: Endpoint, *, base_url: str = "", resends: int = 0) -> Attempt:
        """Record a request when it ends.

        `base_url` is what its URL begins with before the template. It was sent `resends` times before.
        """

    def leave(self, rest: "asyncio.Future[Any]") -> None:
        """Note that the operation does not wait for `rest` any more, which goes on to make its calls until it is done.

        Others wait for them, or a change must not be interrupted.
        """


class CallList(msgspec.Struct, eq=False):
    """The calls of one operation, in the order of their ends. Records in the cache count once for each template.

    `ended` and `under_way` are its calls, `left` are those that go on without it; `started` is a time of `clock`.
    """

    clock: Callable[[], float] = time.monotonic
    started: float = msgspec.field(default_factory=time.monotonic)
    ended: list[CallRecord] = []
    under_way: list[Attempt] = []
    left: tuple["asyncio.Future[Any]", ...] = ()
    kept: tuple[Endpoint, ...] = ()

    def add(
        self,
        kind: CallKind,
        endpoint: Endpoint,
        status: int | str | None,
        seconds: float,
        *,
        leader: TraceContext | None = None,  # noqa: ARG002 - only spans have links
        reason: WaitReason | None = None,  # noqa: ARG002 - only spans have names
    ) -> None:
        end = self.clock() - self.started
        if kind is _KEPT:
            if endpoint not in self.kept:
                self.kept += (endpoint,)
                self.ended.append(CallRecord(endpoint, status, end, 0.0, kind))
            return
        # What others had begun before this operation was, it waited for no longer than since its start.
        start = end - seconds if seconds < end else 0.0
        self.ended.append(CallRecord(endpoint, status, start, min(seconds, end), kind))

    def begin(
        self,
        kind: CallKind,
        endpoint: Endpoint,
        *,
        base_url: str = "",  # noqa: ARG002 - only spans have attributes
        resends: int = 0,  # noqa: ARG002 - as above
    ) -> Attempt:
        attempt = Attempt(kind, endpoint, self.clock(), self._end)
        self.under_way.append(attempt)
        return attempt

    def leave(self, rest: "asyncio.Future[Any]") -> None:
        self.left += (rest,)

    @property
    def goes_on(self) -> bool:
        """Whether calls of this operation go on that it does not wait for any more."""
        return bool(self.left) and not all(rest.done() for rest in self.left)

    async def finish(self) -> None:
        """Wait for the calls of an operation that was cancelled, or does not wait for them any more."""
        await self.settle()
        while rest := [each for each in self.left if not each.done()]:
            await asyncio.wait(rest)

    async def settle(self) -> None:
        """Let the requests end that were cancelled with their operation: they do so in the next iterations of the loop.

        Some may only begin then, and end or be sent. A request that goes on for others is not waited for.
        """
        for _ in range(_CANCELLATION):
            await asyncio.sleep(0)

    @property
    def records(self) -> list[CallRecord]:
        """All records; a request that was sent and is still under way is cancelled for this operation."""
        if not self.under_way:
            return self.ended
        now = self.clock()
        unfinished = [
            CallRecord(each.endpoint, CANCELLED, max(0.0, each.started - self.started), now - each.started, each.kind)
            for each in self.under_way
            if each.is_written
        ]
        return self.ended + unfinished

    def _end(self, attempt: Attempt, status: int | str, seconds: float) -> None:
        self.under_way.remove(attempt)
        if status != CANCELLED or attempt.counts(status):
            start = attempt.started - self.started
            self.ended.append(CallRecord(attempt.endpoint, status, start, seconds, attempt.kind))


current_calls: ContextVar[CallRecorder | None] = ContextVar("current_calls", default=None)
"""Where calls are recorded; None: nowhere."""
