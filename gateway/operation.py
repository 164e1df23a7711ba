"""The running operation: its request id, deadline, trace context and principal, and the gateway it runs in.

`current_deadline`, `current_operation`, `current_trace` and `current_principal` are context variables: code reads them
where it needs them, and the tasks that an operation starts inherit them.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, Token
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.calls import CallList, current_calls
from gateway.freshness import FreshnessReport, current_freshness
from gateway.principal import ANYONE, Principal
from gateway.trace_context import TraceContext

__all__ = [
    "Deadline",
    "SharedCalls",
    "acting_as",
    "background_context",
    "current_deadline",
    "current_gateway",
    "current_operation",
    "current_principal",
    "current_shared_calls",
    "current_trace",
    "operation",
    "request_id",
    "seconds_left",
    "shares_no_calls",
    "uses_spare_budget",
    "within_gateway",
]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


def request_id(sent: str | None = None) -> str:
    """Return the id that the client sent (`X-Request-ID`) if it is plain text, else a new one."""
    return sent if sent is not None and _REQUEST_ID.fullmatch(sent) else os.urandom(16).hex()


class Deadline(msgspec.Struct):  # several are created for each operation
    """The instant on a monotonic clock at which an operation, or one call of it, times out.

    It does not change, except for a call whose response several operations wait for: its deadline is the latest of
    their deadlines (`gateway/sources/http/single_flight.py`).
    """

    at: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> "Deadline":
        """Create the deadline that is `seconds` from now."""
        return cls(clock() + seconds, clock)

    def remaining(self) -> float:
        """Return the seconds until the deadline; 0 after it."""
        return max(0.0, self.at - self.clock())

    @property
    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return self.remaining() <= 0

    def extend(self, other: "Deadline") -> None:
        """Move the deadline to `other` if that is later."""
        self.at = max(self.at, other.at)


current_deadline: ContextVar[Deadline | None] = ContextVar("current_deadline", default=None)
"""The deadline of the operation; within a call to a source, that of the call. None: only the timeout of the source."""

current_operation: ContextVar["operation | None"] = ContextVar("current_operation", default=None)
"""The running operation, which distinguishes its calls from those of others; None outside of one."""

current_trace: ContextVar[TraceContext | None] = ContextVar("current_trace", default=None)
"""The trace context that calls to sources are sent with, unless they are recorded as spans.

Without tracing it is that of the caller, unchanged (W3C Trace Context, 4)."""

current_principal: ContextVar[Principal] = ContextVar("current_principal", default=ANYONE)
"""The principal on whose behalf sources are called. `UserService` sets it around its calls."""

current_gateway: ContextVar[object | None] = ContextVar("current_gateway", default=None)
"""What stands for the gateway in which the code runs: several gateways of one process log in common.

It is set when a gateway begins a request, and inherited by tasks and callbacks. None: it is not known."""


uses_spare_budget: ContextVar[bool] = ContextVar("uses_spare_budget", default=False)
"""Whether calls are made only with what is left of the rate limit of a source, because nobody waits for them."""


shares_no_calls: ContextVar[bool] = ContextVar("shares_no_calls", default=False)
"""Whether reads begin their own calls: they have to show a source as it is after something that it has reported.

A call that other readers began before may have the response from before that."""


@dataclass(slots=True)
class SharedCalls:
    """The calls of a read that others had begun before it. `age` is for how many seconds the oldest was under way."""

    age: float = 0.0


current_shared_calls: ContextVar[SharedCalls | None] = ContextVar("current_shared_calls", default=None)
"""What is noted for the running read about the calls that it shares; None: nobody wants to know."""


@contextmanager
def within_gateway(gateway: object) -> Iterator[None]:
    """Run the block, and the tasks that it starts, as code of a gateway."""
    before = current_gateway.set(gateway)
    try:
        yield
    finally:
        current_gateway.reset(before)


def background_context() -> Context:
    """Return a context with nothing of the running operation, for what goes on after it or serves several of them."""
    context = Context()
    context.run(current_gateway.set, current_gateway.get())
    return context


def seconds_left() -> float | None:
    """Return the seconds until the deadline of the running operation; None if it has no deadline."""
    deadline = current_deadline.get()
    return None if deadline is None else deadline.remaining()


class operation(msgspec.Struct, eq=False):  # noqa: N801 - it is used like a function, as the standard library's `suppress` is
    """Run an operation within a deadline and a trace; both apply to all calls and tasks that are started inside.

    `timeout` is in seconds from the entry of the block; None: only the timeout of each source applies. `trace` is the
    trace context that the sources are sent. The calls to them are recorded in `calls`. `request_id` is the id of the
    operation in the log; None: it has none. `freshness` says which kept records are accepted, and is filled; without
    it, everything within its lifetime is accepted, also inside an operation with wishes.
    """

    # A class, since entering and leaving a generator takes twice the time; a struct, since each operation creates one.
    timeout: float | None = None
    trace: TraceContext | None = None
    calls: CallList | None = None
    request_id: str | None = None
    freshness: FreshnessReport | None = None
    clock: Callable[[], float] = time.monotonic
    _before: Any = None

    def __enter__(self) -> Deadline | None:
        clock = self.clock
        deadline = None if self.timeout is None else Deadline(clock() + self.timeout, clock)
        self._before = (
            current_deadline.set(deadline),
            current_operation.set(self),
            current_freshness.set(self.freshness),
            None if self.trace is None else current_trace.set(self.trace),
            None if self.calls is None else current_calls.set(self.calls),
        )
        return deadline

    def __exit__(self, *_: object) -> None:
        deadline, operation_, freshness, trace, calls = self._before
        current_deadline.reset(deadline)
        current_operation.reset(operation_)
        current_freshness.reset(freshness)
        if trace is not None:
            current_trace.reset(trace)
        if calls is not None:
            current_calls.reset(calls)


class acting_as:  # noqa: N801 - as above
    """Make all calls inside, and in the tasks that are started inside, on behalf of a principal."""

    __slots__ = ("_before", "_principal")

    _before: Token[Principal]

    def __init__(self, principal: Principal) -> None:
        self._principal = principal

    def __enter__(self) -> None:
        self._before = current_principal.set(self._principal)

    def __exit__(self, *_: object) -> None:
        current_principal.reset(self._before)
