"""The running operation: its request id, deadline, trace context and principal, and the gateway it runs in.

`current_deadline`, `current_operation`, `current_trace` and `current_principal` are context variables: code reads them
where it needs them, and the tasks that an operation starts inherit them.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context, ContextVar, Token
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from gateway.calls import CallList, CallRecorder, current_calls
from gateway.errors import Forbidden, Unauthenticated
from gateway.trace_context import TraceContext

__all__ = [
    "ANYONE",
    "READ_CALLS",
    "Action",
    "Deadline",
    "Principal",
    "acting_as",
    "background_context",
    "current_deadline",
    "current_gateway",
    "current_operation",
    "current_principal",
    "current_trace",
    "operation",
    "request_id",
    "scopes",
    "seconds_left",
    "within_gateway",
]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")

SourceName = TypeVar("SourceName", bound=str)
"""The name of a source."""

Forwarded = Mapping[str, Mapping[str, str]]


def request_id(sent: str | None = None) -> str:
    """Return the id that the client sent (`X-Request-ID`) if it is plain text, else a new one."""
    return sent if sent is not None and _REQUEST_ID.fullmatch(sent) else os.urandom(16).hex()


@dataclass(slots=True)
class Deadline:
    """The instant on a monotonic clock at which an operation, or one call of it, times out.

    It does not change, except for a call whose response several operations wait for: its deadline is the latest of
    their deadlines (`gateway/sources/http/single_flight.py`).
    """

    at: float
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)

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


class Action(StrEnum):
    """Reading or writing users; the value is the scope that permits it in all sources."""

    READ = "users:read"
    WRITE = "users:write"

    def within(self, source: str) -> str:
        """Return the scope that permits it in one source."""
        return f"{self}:{source}"


READ_CALLS = "calls:read"
"""The scope that permits a caller in production to see the calls to sources that its operations caused."""


def scopes(sources: Iterable[str]) -> frozenset[str]:
    """Return all scopes: `users:read`, `users:write`, each for one source, e.g. `users:read:account`; `calls:read`."""
    return frozenset(Action) | {READ_CALLS} | {action.within(source) for source in sources for action in Action}


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    `name` is unique to one caller; it is empty where callers are not distinguished. `forwarded` has the headers that
    this caller sent for each source that is called with forwarded credentials, by the header names of the source; it
    is empty for a source whose headers were left out. `expires` is when the caller's credential expires, in seconds
    since 1970: subscriptions and streams end then. `provided` is set by the gateway: for each source whose credential
    the embedding program provides for this caller, the key of the credential, empty if no other caller has the same.
    """

    name: str
    scopes: frozenset[str] = frozenset()
    forwarded: Forwarded = field(default_factory=dict, repr=False, hash=False)
    expires: float | None = None
    provided: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    identity: str = field(init=False, repr=False)
    """The name and a hash of the forwarded credentials and of the keys, for cache and idempotency keys.

    It contains no secret. A change that is repeated with its idempotency key must therefore have the same forwarded
    credentials, while a provided one may be renewed.
    """

    def __post_init__(self) -> None:
        if type(self.scopes) is not frozenset:  # of a program without a type checker
            if isinstance(self.scopes, str):
                raise TypeError("the scopes of a principal are a frozenset of texts, not one text")
            object.__setattr__(self, "scopes", frozenset(self.scopes))
        keys = {source: key for source, key in self.provided.items() if key}
        # Before the name, which may contain text that another party has chosen.
        credentials = f"{_digest(self.forwarded, keys)}#" if self.forwarded or keys else ""
        object.__setattr__(self, "identity", credentials + self.name)

    def require_valid(self, now: float) -> None:
        """Check that the caller's credential has not expired; `now` is in seconds since 1970.

        Raises:
            Unauthenticated: it has.
        """
        if self.expires is not None and self.expires <= now:
            raise Unauthenticated("The principal has expired: authenticate the caller again.")

    def may(self, action: Action, source: str) -> bool:
        """Return whether the caller has the scope for an action in a source."""
        return action in self.scopes or action.within(source) in self.scopes

    def require(self, action: Action, source: str) -> None:
        """Check that the caller has the scope for an action in a source.

        Raises:
            Forbidden: the caller has neither scope; the message names both.
        """
        if not self.may(action, source):
            raise Forbidden(f"This requires the scope {action} or {action.within(source)}.")

    def readable(self, sources: Iterable[SourceName]) -> tuple[SourceName, ...]:
        """Return the sources among these whose users the caller may read.

        Raises:
            Forbidden: the caller may read none of them.
        """
        found = tuple(source for source in sources if self.may(Action.READ, source))
        if not found:
            raise Forbidden(f"This requires the scope {Action.READ}, for at least one source.")
        return found

    def credential(self, source: str) -> str:
        """Return a key for the credential that a source is called with: data read under one key may be reused under it.

        All callers for whom the source is called with the configured credential get the same data from it and share one
        key; a forwarded credential has a key for each caller, and so has a provided one, unless its provider gives
        several callers one key. The embedding program has a separate key, since it is served with the configured
        credential even where callers must send theirs.
        """
        if source in self.forwarded:
            return f"forwarded:{self.identity}"
        key = self.provided.get(source)
        if key is not None:
            return f"provided:{key}" if key else f"caller:{self.identity}"
        return "" if self is ANYONE else "configured"

    def brings_credential(self, source: str) -> bool:
        """Return whether a source is called with a credential of this caller, forwarded or provided."""
        return source in self.forwarded or source in self.provided


ANYONE = Principal("", frozenset(Action))
"""The program that embeds the gateway, and every caller where callers are not distinguished.

It has all scopes for users."""

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


class operation:  # noqa: N801 - it is used like a function, as the standard library's `suppress` is
    """Run an operation within a deadline and a trace; both apply to all calls and tasks that are started inside.

    `timeout` is in seconds from the entry of the block; None: only the timeout of each source applies. `trace` is the
    trace context that the sources are sent. The calls to them are recorded in `calls`. `request_id` is the id of the
    operation in the log; None: it has none.
    """

    # A class, since entering and leaving a generator takes twice the time.
    __slots__ = (
        "_calls",
        "_calls_before",
        "_clock",
        "_deadline_before",
        "_operation_before",
        "_timeout",
        "_trace",
        "_trace_before",
        "request_id",
    )

    _calls_before: Token[CallRecorder | None]
    _deadline_before: Token[Deadline | None]
    _operation_before: Token["operation | None"]
    _trace_before: Token[TraceContext | None]

    def __init__(
        self,
        *,
        timeout: float | None = None,
        trace: TraceContext | None = None,
        calls: CallList | None = None,
        request_id: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.request_id = request_id
        self._timeout = timeout
        self._trace = trace
        self._calls = calls
        self._clock = clock

    def __enter__(self) -> Deadline | None:
        deadline = None if self._timeout is None else Deadline.after(self._timeout, self._clock)
        self._deadline_before = current_deadline.set(deadline)
        self._operation_before = current_operation.set(self)
        if self._trace is not None:
            self._trace_before = current_trace.set(self._trace)
        if self._calls is not None:
            self._calls_before = current_calls.set(self._calls)
        return deadline

    def __exit__(self, *_: object) -> None:
        current_deadline.reset(self._deadline_before)
        current_operation.reset(self._operation_before)
        if self._trace is not None:
            current_trace.reset(self._trace_before)
        if self._calls is not None:
            current_calls.reset(self._calls_before)


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


def _digest(forwarded: Forwarded, keys: Mapping[str, str]) -> str:
    headers = sorted((source, sorted(fields.items())) for source, fields in forwarded.items())
    parts = repr((headers, sorted(keys.items())) if keys else headers)
    return hashlib.sha256(parts.encode(errors="surrogatepass")).hexdigest()
