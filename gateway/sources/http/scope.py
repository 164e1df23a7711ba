"""What a surface says around each operation: how long it may take, and in which trace. Who asks is said by the service.

The surfaces may not know this folder: `app.py` hands them `operation` as a plain function.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar, Token

from gateway.sources.http.deadline import Deadline, current_deadline

__all__ = ["current_trace", "operation"]

current_trace: ContextVar[str | None] = ContextVar("current_trace", default=None)
"""The `traceparent` that the caller sent. We add no span of our own, so it goes on unchanged (W3C Trace Context, 4)."""


class operation:  # noqa: N801 - it is used like a function, as the standard library's `suppress` is
    """The scope of one operation: every call made inside, in its tasks too, is bounded by it.

    `timeout` is in seconds, from where it is entered; None leaves each source's own. `traceparent` is sent along.
    """

    # A class, since entering and leaving a generator takes twice the time.
    __slots__ = ("_before", "_clock", "_timeout", "_trace", "_trace_before")

    _before: Token[Deadline | None]
    _trace_before: Token[str | None]

    def __init__(
        self,
        *,
        timeout: float | None = None,
        traceparent: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout = timeout
        self._trace = traceparent
        self._clock = clock

    def __enter__(self) -> Deadline | None:
        deadline = None if self._timeout is None else Deadline.after(self._timeout, self._clock)
        self._before = current_deadline.set(deadline)
        if self._trace is not None:
            self._trace_before = current_trace.set(self._trace)
        return deadline

    def __exit__(self, *_: object) -> None:
        current_deadline.reset(self._before)
        if self._trace is not None:
            current_trace.reset(self._trace_before)
