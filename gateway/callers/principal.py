"""Principal: who asks, what they may do, and whose credential each system is called with on their behalf."""

import hashlib
from collections.abc import Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.errors import Forbidden
from gateway.users.model import UserSource

__all__ = ["ANYONE", "SCOPES", "Action", "Principal", "acting_as", "current_principal"]

Forwarded = Mapping[UserSource, Mapping[str, str]]


class Action(StrEnum):
    """What may be done with users; the value is the scope for it in all systems."""

    READ = "users:read"
    WRITE = "users:write"

    def within(self, source: UserSource) -> str:
        """The scope for it in one system."""
        return f"{self}:{source}"


SCOPES = frozenset(Action) | {action.within(source) for action in Action for source in UserSource}
"""Every scope that there is: `users:read`, `users:write`, and each with a system, e.g. `users:read:account`."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `name` is one that two callers never share; it is empty where callers are not told apart.

    `forwarded` has, for each system that is called with its callers' own credentials, the headers that this caller
    brought for it, by the names that the system takes; none where they were left out. `expires` is when the caller's
    word ends to be good, in seconds since 1970: what goes on for longer ends then.
    """

    name: str
    scopes: frozenset[str] = frozenset()
    forwarded: Forwarded = field(default_factory=dict, repr=False, hash=False)
    expires: float | None = None
    identity: str = field(init=False, repr=False)
    """Name and forwarded credentials in one text without secrets: what is kept for one is not for another.

    So a change that is sent again under its idempotency key takes the same forwarded credential as the first time.
    """

    def __post_init__(self) -> None:
        # In front of the name, which may hold what somebody else has chosen.
        brought = f"{_digest(self.forwarded)}#" if self.forwarded else ""
        object.__setattr__(self, "identity", brought + self.name)

    def may(self, action: Action, source: UserSource) -> bool:
        """Whether the caller has the scope for it."""
        return action in self.scopes or action.within(source) in self.scopes

    def require(self, action: Action, source: UserSource) -> None:
        """Let pass who may.

        Raises:
            Forbidden: it names the scopes of which one is missing.
        """
        if not self.may(action, source):
            raise Forbidden(f"This takes the scope {action} or {action.within(source)}.")

    def readable(self) -> tuple[UserSource, ...]:
        """The systems whose users the caller may read.

        Raises:
            Forbidden: there is none.
        """
        found = tuple(source for source in UserSource if self.may(Action.READ, source))
        if not found:
            raise Forbidden(f"This takes the scope {Action.READ}, for one system at least.")
        return found

    def credential(self, source: UserSource) -> str:
        """Names whose credential a system is called with: what one has read there, another of this name may be given.

        Callers for whom the system is called with the gateway's own credential see the same there, so they share; a
        forwarded credential is shared with nobody. The program around the gateway is kept to itself, since it is
        served with the configured credential also where callers have to bring their own.
        """
        if source in self.forwarded:
            return f"own:{self.identity}"
        return "" if self is ANYONE else "configured"


ANYONE = Principal("", frozenset(Action))
"""The program that the gateway is embedded in, and whoever calls where callers are not told apart: may do all."""

current_principal: ContextVar[Principal] = ContextVar("current_principal", default=ANYONE)
"""On whose behalf the systems are called. The service sets it around what it asks of them."""


class acting_as:  # noqa: N801 - it is used like a function, as the standard library's `suppress` is
    """Make the calls inside, and in the tasks begun inside, on somebody's behalf."""

    __slots__ = ("_before", "_principal")

    _before: Token[Principal]

    def __init__(self, principal: Principal) -> None:
        self._principal = principal

    def __enter__(self) -> None:
        self._before = current_principal.set(self._principal)

    def __exit__(self, *_: object) -> None:
        current_principal.reset(self._before)


def _digest(forwarded: Forwarded) -> str:
    brought = sorted((source, sorted(headers.items())) for source, headers in forwarded.items())
    return hashlib.sha256(repr(brought).encode(errors="surrogatepass")).hexdigest()
