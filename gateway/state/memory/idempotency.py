"""Idempotency records in memory: bounded, the least recently used are dropped first."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import RateLimited
from gateway.state.idempotency import BeginResult, Begun, IdempotencySettings, InProgress, PayloadConflict, Replay

__all__ = ["MemoryIdempotency"]

_DEFAULTS = IdempotencySettings()
_OVERHEAD = 512  # approximate bytes of a record besides its result


@dataclass(slots=True, eq=False)
class _Record:
    fingerprint: str
    expires_at: float
    owner: str = ""
    leased_until: float = float("-inf")
    result: bytes | None = None

    @property
    def size(self) -> int:
        return _OVERHEAD + len(self.fingerprint) + len(self.result or b"")


class MemoryIdempotency:
    """An `IdempotencyStore` in memory. A record under a lease is never dropped to make room."""

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
        """The approximate size of all records; at most `max_bytes`."""
        return self._bytes

    @property
    def lease(self) -> float:
        return self._settings.lease

    async def begin(self, record_id: str, fingerprint: str) -> BeginResult:
        now = self._clock()
        record = self._unexpired(record_id)
        repeated = record is not None
        if record is None:
            record = _Record(fingerprint, now + self._settings.ttl)
            if not self._make_room(1, record.size):
                raise RateLimited("Too many changes are running. Retry later.", retry_after=1.0)
            self._records[record_id] = record
            self._bytes += record.size
        self._records.move_to_end(record_id)
        if record.fingerprint != fingerprint:
            return PayloadConflict()
        if record.result is not None:
            return Replay(record.result)
        if record.leased_until > now:
            return InProgress(record.leased_until - now)
        record.owner = secrets.token_hex(16)
        self._start_lease(record)
        return Begun(record.owner, repeated=repeated)

    async def renew(self, record_id: str, owner: str) -> bool:
        record = self._running(record_id, owner)
        if record is None:
            return False
        self._start_lease(record)
        return True

    async def finish(self, record_id: str, owner: str, result: bytes) -> bool:
        record = self._unexpired(record_id)
        if record is None or record.owner != owner:
            return False
        if record.result is not None:
            return record.result == result
        record.leased_until = float("inf")  # so that it is not dropped to make room for its result
        fits = self._make_room(0, len(result))
        if fits:
            record.result = result
            self._bytes += len(result)
        else:
            record.owner = ""
        record.leased_until = float("-inf")
        record.expires_at = self._clock() + self._settings.ttl
        self._records.move_to_end(record_id)
        return fits

    async def abandon(self, record_id: str, owner: str) -> None:
        record = self._running(record_id, owner)
        if record is not None:
            record.owner, record.leased_until = "", float("-inf")

    def _running(self, record_id: str, owner: str) -> _Record | None:
        record = self._unexpired(record_id)
        return record if record is not None and record.owner == owner and record.result is None else None

    def _unexpired(self, record_id: str) -> _Record | None:
        record = self._records.get(record_id)
        if record is not None and record.expires_at <= self._clock():
            self._drop(record_id)
            return None
        return record

    def _start_lease(self, record: _Record) -> None:
        record.leased_until = self._clock() + self._settings.lease
        record.expires_at = max(record.expires_at, record.leased_until)

    def _make_room(self, records: int, size: int) -> bool:
        """Drop old records until `records` more, with `size` bytes, fit; return False where that is not possible."""
        now = self._clock()
        settings = self._settings
        while len(self._records) + records > settings.max_records or self._bytes + size > settings.max_bytes:
            record_id = next((key for key, record in self._records.items() if record.leased_until <= now), None)
            if record_id is None:
                return False
            self._drop(record_id)
        return True

    def _drop(self, record_id: str) -> None:
        self._bytes -= self._records.pop(record_id).size
