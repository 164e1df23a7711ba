"""The running operation: its request id, its deadline, its trace and on whose behalf it runs.

Whoever needs one of them reads it here: `current_deadline`, `current_trace` and `current_principal` are context
variables, so tasks that an operation starts see them too.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from gateway.errors import Forbidden

__all__ = [
    "ANYONE",
    "Action",
    "Deadline",
    "Principal",
    "acting_as",
    "current_deadline",
    "current_principal",
    "current_trace",
    "operation",
    "request_id",
    "scopes",
    "seconds_left",
    "traceparent",
]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

Source = TypeVar("Source", bound=str)
"""The name of a source."""

Forwarded = Mapping[str, Mapping[str, str]]


def request_id(sent: str | None = None) -> str:
    """The id that the client sent with its request (`X-Request-ID`) if it is plain text; else a new one."""
    return sent if sent is not None and _REQUEST_ID.fullmatch(sent) else os.urandom(16).hex()


def traceparent(sent: str | None) -> str | None:
    """The `traceparent` header of a request if it has the form of W3C Trace Context; else None."""
    return sent if sent is not None and _TRACEPARENT.fullmatch(sent) else None


@dataclass(slots=True)
class Deadline:
    """The instant on a monotonic clock at which an operation, or one call of it, times out.

    It never moves, but for a call whose response several operations wait for: its deadline is the latest of theirs
    (`gateway/sources/http/single_flight.py`).
    """

    at: float
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> "Deadline":
        """The deadline that many seconds from now."""
        return cls(clock() + seconds, clock)

    def remaining(self) -> float:
        """The seconds that are left, 0 when there are none."""
        return max(0.0, self.at - self.clock())

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        return self.remaining() <= 0

    def extend(self, other: "Deadline") -> None:
        """Move it to the later one of the two."""
        self.at = max(self.at, other.at)


class Action(StrEnum):
    """What may be done with users; the value is the scope for it in all sources."""

    READ = "users:read"
    WRITE = "users:write"

    def within(self, source: str) -> str:
        """The scope for it in one source."""
        return f"{self}:{source}"


def scopes(sources: Iterable[str]) -> frozenset[str]:
    """Every scope that exists: `users:read`, `users:write`, and each with a source, e.g. `users:read:account`."""
    return frozenset(Action) | {action.within(source) for source in sources for action in Action}


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `name` is unique to one caller; it is empty where callers are not distinguished.

    `forwarded` has, for each source that is called with its callers' credentials, the headers that this caller sent
    for it, by the names that the source takes; none where they were left out. `expires` is when the caller's
    credential expires, in seconds since 1970: subscriptions and streams end then.
    """

    name: str
    scopes: frozenset[str] = frozenset()
    forwarded: Forwarded = field(default_factory=dict, repr=False, hash=False)
    expires: float | None = None
    identity: str = field(init=False, repr=False)
    """Name and forwarded credentials in one text without secrets: what is kept for one is not used for another.

    So a change that is sent again under its idempotency key must bring the same forwarded credential.
    """

    def __post_init__(self) -> None:
        # In front of the name, which may hold text that somebody else has chosen.
        credentials = f"{_digest(self.forwarded)}#" if self.forwarded else ""
        object.__setattr__(self, "identity", credentials + self.name)

    def may(self, action: Action, source: str) -> bool:
        """Whether the caller has the scope for it."""
        return action in self.scopes or action.within(source) in self.scopes

    def require(self, action: Action, source: str) -> None:
        """Check that the caller has the scope for it.

        Raises:
            Forbidden: it names the scopes of which one is missing.
        """
        if not self.may(action, source):
            raise Forbidden(f"This requires the scope {action} or {action.within(source)}.")

    def readable(self, sources: Iterable[Source]) -> tuple[Source, ...]:
        """The sources among these whose users the caller may read.

        Raises:
            Forbidden: there is none.
        """
        found = tuple(source for source in sources if self.may(Action.READ, source))
        if not found:
            raise Forbidden(f"This requires the scope {Action.READ}, for one source at least.")
        return found

    def credential(self, source: str) -> str:
        """A name for the credential that a source is called with: what was read with one may be shown under it again.

        Callers for whom the source is called with the gateway's configured credential see the same there and share a
        name; a forwarded credential is shared with nobody. The embedding program has a name of its own, since the
        configured credential serves it even where callers must send theirs.
        """
        if source in self.forwarded:
            return f"own:{self.identity}"
        return "" if self is ANYONE else "configured"


ANYONE = Principal("", frozenset(Action))
"""The program that embeds the gateway, and every caller where callers are not distinguished. It may do everything."""

current_deadline: ContextVar[Deadline | None] = ContextVar("current_deadline", default=None)
"""The operation's deadline, and within a call to a source that call's; None leaves only the source's timeout."""

current_trace: ContextVar[str | None] = ContextVar("current_trace", default=None)
"""The caller's `traceparent`. The gateway adds no span, so sources get it unchanged (W3C Trace Context, section 4)."""

current_principal: ContextVar[Principal] = ContextVar("current_principal", default=ANYONE)
"""On whose behalf sources are called. The service sets it around its calls."""


def seconds_left() -> float | None:
    """The seconds until the running operation's deadline; None where it has no deadline."""
    deadline = current_deadline.get()
    return None if deadline is None else deadline.remaining()


class operation:  # noqa: N801 - it is used like a function, as the standard library's `suppress` is
    """Run an operation within a deadline and a trace; both apply to every call and task started inside.

    `timeout` is in seconds from where the block is entered; None leaves each source's timeout. `trace` is the
    `traceparent` that is sent along.
    """

    # A class, since entering and leaving a generator takes twice the time.
    __slots__ = ("_clock", "_deadline_before", "_timeout", "_trace", "_trace_before")

    _deadline_before: Token[Deadline | None]
    _trace_before: Token[str | None]

    def __init__(
        self,
        *,
        timeout: float | None = None,
        trace: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout = timeout
        self._trace = trace
        self._clock = clock

    def __enter__(self) -> Deadline | None:
        deadline = None if self._timeout is None else Deadline.after(self._timeout, self._clock)
        self._deadline_before = current_deadline.set(deadline)
        if self._trace is not None:
            self._trace_before = current_trace.set(self._trace)
        return deadline

    def __exit__(self, *_: object) -> None:
        current_deadline.reset(self._deadline_before)
        if self._trace is not None:
            current_trace.reset(self._trace_before)


class acting_as:  # noqa: N801 - as above
    """Make the calls inside, and in the tasks started inside, on a principal's behalf."""

    __slots__ = ("_before", "_principal")

    _before: Token[Principal]

    def __init__(self, principal: Principal) -> None:
        self._principal = principal

    def __enter__(self) -> None:
        self._before = current_principal.set(self._principal)

    def __exit__(self, *_: object) -> None:
        current_principal.reset(self._before)


def _digest(forwarded: Forwarded) -> str:
    headers = sorted((source, sorted(fields.items())) for source, fields in forwarded.items())
    return hashlib.sha256(repr(headers).encode(errors="surrogatepass")).hexdigest()
