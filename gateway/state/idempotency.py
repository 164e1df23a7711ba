"""Idempotency records: which change a key was used for, whether it still runs, and what was answered.

A record goes absent → running (a lease and its owner's token) → done (the answer); a transient failure
releases the lease and stores nothing. The key stays bound to its first payload in every state (IETF
draft Idempotency-Key, 2.6; issue 4, 7).

A lease ends by itself when its process is gone. The next caller with the same payload then gets the
change to carry out `again`: it may have been carried out already.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

__all__ = [
    "Beginning",
    "Begun",
    "IdempotencySettings",
    "IdempotencyStore",
    "InProgress",
    "PayloadConflict",
    "Replay",
    "scope_of",
]


@dataclass(frozen=True, slots=True)
class IdempotencySettings:
    """In seconds: how long an answer is kept, and a lease without a renewal. Bounds count for the memory form."""

    ttl: float = 24 * 3600.0
    lease: float = 30.0
    entries: int = 100_000
    total_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Begun:
    """The change is the caller's to carry out; `owner` is the token to end it with.

    `again` says that an earlier call under this key ended without an answer.
    """

    owner: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """The first call's answer."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class PayloadConflict:
    """The key was used with another payload."""


@dataclass(frozen=True, slots=True)
class InProgress:
    """The first call still runs; its lease ends in `retry_after` seconds unless it is renewed."""

    retry_after: float


Beginning = Begun | Replay | PayloadConflict | InProgress


class IdempotencyStore(Protocol):
    """The records. A scope comes from `scope_of`, a fingerprint names the payload.

    Every method may raise SourceUnavailable where the records cannot be reached.
    """

    @property
    def lease(self) -> float:
        """Seconds that a lease lasts without being renewed."""

    async def begin(self, scope: str, fingerprint: str) -> Beginning:
        """Take the change on, or learn what became of it.

        Raises:
            RateLimited: there is no room, because too many changes are under way.
        """

    async def renew(self, scope: str, owner: str) -> bool:
        """Start the lease anew; False where somebody else has taken the change over or it is done."""

    async def finish(self, scope: str, owner: str, answer: bytes) -> bool:
        """Store the answer; False where somebody else has taken the change over or it does not fit."""

    async def abandon(self, scope: str, owner: str) -> None:
        """Release the lease and store no answer: the failure was transient."""


def scope_of(parts: Iterable[str]) -> str:
    """A record's name from what it belongs to: principal, mutation, target, key. Unreadable, and of one length."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode(errors="surrogatepass")
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
