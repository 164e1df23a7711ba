"""Idempotency records: the payload for which a key was used, whether its change is running, and its result.

A record is absent, then running (with a lease and the id of its owner), then finished (with the result). A transient
failure releases the lease and stores no result. The key stays bound to its first payload in each state (IETF draft
Idempotency-Key, section 2.6).

The lease of a process that has died ends by itself. The next caller with the same payload then executes the change
again, although it may have been executed already: `Begun.repeated`.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

__all__ = [
    "BeginResult",
    "Begun",
    "IdempotencySettings",
    "IdempotencyStore",
    "InProgress",
    "PayloadConflict",
    "Replay",
    "record_id_of",
]


@dataclass(frozen=True, slots=True)
class IdempotencySettings:
    """The seconds that a result is kept and a lease lasts without renewal, and the bounds of the store in memory."""

    ttl: float = 24 * 3600.0
    lease: float = 30.0
    max_records: int = 100_000
    max_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Begun:
    """The caller has the lease and executes the change; `owner` identifies the holder in all further calls.

    `repeated` is whether an earlier attempt under this key ended without a result.
    """

    owner: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """The change was executed before; this is its result."""

    result: bytes


@dataclass(frozen=True, slots=True)
class PayloadConflict:
    """The key was used with another payload."""


@dataclass(frozen=True, slots=True)
class InProgress:
    """Another caller executes the change; its lease ends in `retry_after` seconds unless it is renewed."""

    retry_after: float


BeginResult = Begun | Replay | PayloadConflict | InProgress


class IdempotencyStore(Protocol):
    """The idempotency records, each under an id of `record_id_of`; a fingerprint is the hash of a payload.

    Every method may raise SourceUnavailable: the records cannot be reached.
    """

    @property
    def lease(self) -> float:
        """The seconds that a lease lasts without renewal."""

    async def begin(self, record_id: str, fingerprint: str) -> BeginResult:
        """Take the lease of a change, or return why that is not possible.

        Raises:
            RateLimited: the store is full of running changes.
        """

    async def renew(self, record_id: str, owner: str) -> bool:
        """Start the lease anew; return False where another owner has it or the change is finished."""

    async def finish(self, record_id: str, owner: str, result: bytes) -> bool:
        """Store the result; return False where another owner has the lease or the result is too large."""

    async def abandon(self, record_id: str, owner: str) -> None:
        """Release the lease without a result: the failure was transient."""


def record_id_of(parts: Iterable[str]) -> str:
    """Return the record id for principal, mutation, target and key: a hash, so that no part can be read from it."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode(errors="surrogatepass")
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
