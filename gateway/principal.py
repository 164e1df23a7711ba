"""A caller: its name, its scopes, and the credentials that sources are called with for it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from gateway.errors import Forbidden, Unauthenticated

__all__ = ["ANYONE", "CONFIGURED_CREDENTIALS", "READ_CALLS", "Action", "Principal", "is_brought_by", "scopes"]

_DIGEST_LENGTH = 64

SourceName = TypeVar("SourceName", bound=str)
"""The name of a source."""

Forwarded = Mapping[str, Mapping[str, str]]


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
        if not credentials and "#" in self.name:  # it could be a hash and another name
            credentials = "#"
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
        if action not in self.scopes and not self.may(action, source):  # the first test saves a call
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


CONFIGURED_CREDENTIALS = frozenset({"", "configured"})
"""The keys of `Principal.credential` of the credential that the settings have. All others are of callers."""


def is_brought_by(credential: str, name: str) -> bool:
    """Return whether a key of `Principal.credential` is of a credential that principals of this name alone bring."""
    kind, _, identity = credential.partition(":")
    if kind not in {"forwarded", "caller"} or not identity.endswith(name):
        return False
    credentials = identity[: len(identity) - len(name)]
    return credentials in {"", "#"} or (len(credentials) == _DIGEST_LENGTH + 1 and credentials.endswith("#"))


def _digest(forwarded: Forwarded, keys: Mapping[str, str]) -> str:
    headers = sorted((source, sorted(fields.items())) for source, fields in forwarded.items())
    parts = repr((headers, sorted(keys.items())) if keys else headers)
    return hashlib.sha256(parts.encode(errors="surrogatepass")).hexdigest()
