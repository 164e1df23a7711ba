"""Idempotency records of one process: bounded, the least recently used answers go first."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import RateLimited
from gateway.state.idempotency import Beginning, Begun, IdempotencySettings, InProgress, PayloadConflict, Replay

__all__ = ["MemoryIdempotency"]

_DEFAULTS = IdempotencySettings()
_OVERHEAD = 512  # bytes that a record takes beside its answer, roughly


@dataclass(slots=True, eq=False)
class _Record:
    fingerprint: str
    expires_at: float
    owner: str = ""
    leased_until: float = float("-inf")
    answer: bytes | None = None

    @property
    def size(self) -> int:
        return _OVERHEAD + len(self.fingerprint) + len(self.answer or b"")


class MemoryIdempotency:
    """The records in memory. A record under a lease is never dropped to make room."""

    def __init__(
        self,
        settings: IdempotencySettings = _DEFAULTS,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()  # the least recently used first
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def bytes_held(self) -> int:
        """What the records take, roughly: never more than the setting."""
        return self._bytes

    @property
    def lease(self) -> float:
        return self._settings.lease

    async def begin(self, scope: str, fingerprint: str) -> Beginning:
        now = self._clock()
        record = self._live(scope)
        again = record is not None
        if record is None:
            record = _Record(fingerprint, now + self._settings.ttl)
            if not self._make_room(1, record.size):
                raise RateLimited("Too many changes are under way.", retry_after=1.0)
            self._records[scope] = record
            self._bytes += record.size
        self._records.move_to_end(scope)
        if record.fingerprint != fingerprint:
            return PayloadConflict()
        if record.answer is not None:
            return Replay(record.answer)
        if record.leased_until > now:
            return InProgress(record.leased_until - now)
        record.owner = secrets.token_hex(16)
        self._hold(record)
        return Begun(record.owner, again=again)

    async def renew(self, scope: str, owner: str) -> bool:
        record = self._owned(scope, owner)
        if record is None:
            return False
        self._hold(record)
        return True

    async def finish(self, scope: str, owner: str, answer: bytes) -> bool:
        record = self._live(scope)
        if record is None or record.owner != owner:
            return False
        if record.answer is not None:
            return record.answer == answer
        record.leased_until = float("inf")  # not to be dropped for its own answer
        fits = self._make_room(0, len(answer))
        if fits:
            record.answer = answer
            self._bytes += len(answer)
        else:
            record.owner = ""
        record.leased_until = float("-inf")
        record.expires_at = self._clock() + self._settings.ttl
        self._records.move_to_end(scope)
        return fits

    async def abandon(self, scope: str, owner: str) -> None:
        record = self._owned(scope, owner)
        if record is not None:
            record.owner, record.leased_until = "", float("-inf")

    def _owned(self, scope: str, owner: str) -> _Record | None:
        record = self._live(scope)
        return record if record is not None and record.owner == owner and record.answer is None else None

    def _live(self, scope: str) -> _Record | None:
        record = self._records.get(scope)
        if record is not None and record.expires_at <= self._clock():
            self._drop(scope)
            return None
        return record

    def _hold(self, record: _Record) -> None:
        record.leased_until = self._clock() + self._settings.lease
        record.expires_at = max(record.expires_at, record.leased_until)

    def _make_room(self, entries: int, size: int) -> bool:
        """Drop old records until so much more fits."""
        now = self._clock()
        settings = self._settings
        while len(self._records) + entries > settings.entries or self._bytes + size > settings.total_bytes:
            scope = next((scope for scope, one in self._records.items() if one.leased_until <= now), None)
            if scope is None:
                return False
            self._drop(scope)
        return True

    def _drop(self, scope: str) -> None:
        self._bytes -= self._records.pop(scope).size
