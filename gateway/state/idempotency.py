"""Idempotency records: the payload for which a key was used, whether its change is running, and its result.

A record is absent, then running (with a lease and the id of its owner), then finished (with the result). A failure that
is no result releases the lease. A change that was not even sent leaves no record; in each other state the key stays
bound to its first payload (IETF draft Idempotency-Key, section 2.6).

The lease of a process that has died ends by itself. The next caller with the same payload then executes the change
again, and gets for how long it has been in doubt: `Begun.doubtful_for`.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

__all__ = [
    "BeginResult",
    "Begun",
    "IdempotencySettings",
    "IdempotencyStore",
    "InProgress",
    "PayloadConflict",
    "Progress",
    "Replay",
    "record_id_of",
]


@dataclass(frozen=True, slots=True)
class IdempotencySettings:
    """The seconds that a result is kept and a lease lasts without renewal, and the bounds of the store.

    `max_per_principal` bounds the records of one principal, in memory and in Redis. The other two bound the store in
    memory as a whole.
    """

    ttl: float = 24 * 3600.0
    lease: float = 30.0
    max_per_principal: int = 50_000
    max_records: int = 100_000
    max_bytes: int = 64 * 1024 * 1024


class Progress(StrEnum):
    """How far a change had come that ended without a result."""

    NOT_SENT = "not_sent"
    """Nothing was sent: the record is removed."""

    NOT_EXECUTED = "not_executed"
    """The source certainly did not execute it."""

    UNKNOWN = "unknown"
    """The source may have executed it."""

    CONFIRMED = "confirmed"
    """The source confirmed it, and its result could not be read."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The caller has the lease and executes the change.

    `doubtful_for` is for how many seconds the change may have been executed by an earlier execution under this key;
    None: certainly none executed it. `confirmed` is whether an earlier one ended as `Progress.CONFIRMED`.
    """

    doubtful_for: float | None = None
    confirmed: bool = False


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

    async def begin(self, record_id: str, fingerprint: str, owner: str, principal: str = "") -> BeginResult:
        """Take the lease of a change for `owner`, a random text that identifies the caller in all further calls.

        Where a principal has too many records, the oldest of them are dropped.

        Raises:
            RateLimited: the store is full of running changes.
        """

    async def renew(self, record_id: str, owner: str) -> bool:
        """Start the lease anew; return False where another owner has it or the change is finished."""

    async def finish(self, record_id: str, owner: str, result: bytes) -> bool:
        """Store the result; return False where another owner has the lease or the result is too large."""

    async def abandon(self, record_id: str, owner: str, progress: Progress = Progress.UNKNOWN) -> None:
        """Release the lease without a result, and note how far the change had come.

        After it, a `begin` of that owner that is still under way takes no lease any more.
        """


def record_id_of(parts: Iterable[str]) -> str:
    """Return the record id for principal, mutation, target and key: a hash, so that no part can be read from it."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode(errors="surrogatepass")
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
