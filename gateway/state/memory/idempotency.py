"""Idempotency records in memory: bounded for each principal and as a whole."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.errors import RateLimited
from gateway.state.idempotency import (
    BeginResult,
    Begun,
    IdempotencySettings,
    InProgress,
    PayloadConflict,
    Progress,
    Replay,
)

__all__ = ["MemoryIdempotency"]

_DEFAULTS = IdempotencySettings()
_OVERHEAD = 512  # approximate bytes of a record besides its result


@dataclass(slots=True, eq=False)
class _Record:
    """`doubtful_since` is when the first execution began that may have been carried out.

    `repeated` is whether that was an earlier execution than the present one.
    """

    fingerprint: str
    principal: str
    expires_at: float
    owner: str = ""
    leased_until: float = float("-inf")
    doubtful_since: float | None = None
    repeated: bool = False
    confirmed: bool = False
    result: bytes | None = None

    @property
    def size(self) -> int:
        return _OVERHEAD + len(self.fingerprint) + len(self.result or b"")


@dataclass(slots=True, eq=False)
class _Records:
    """The ids of the records of one principal, the least recently used first.

    `not_executed` are those of changes that were abandoned and certainly not executed: they are dropped first.
    """

    ids: OrderedDict[str, None] = field(default_factory=OrderedDict)
    not_executed: OrderedDict[str, None] = field(default_factory=OrderedDict)
    size: int = 0

    def __len__(self) -> int:
        return len(self.ids)


class MemoryIdempotency:
    """An `IdempotencyStore` in memory. A record under a lease is never dropped to make room.

    Where the store is full, records of the principal are dropped that has the most: a principal that sends many changes
    cannot push out the few of another one.
    """

    def __init__(
        self,
        settings: IdempotencySettings = _DEFAULTS,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._records: dict[str, _Record] = {}
        self._by_principal: dict[str, _Records] = {}
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

    async def begin(self, record_id: str, fingerprint: str, owner: str, principal: str = "") -> BeginResult:
        now = self._clock()
        record = self._unexpired(record_id)
        if record is None:
            record = _Record(fingerprint, principal, now + self._settings.ttl)
            if not (self._make_room_for(principal) and self._make_room(1, record.size)):
                raise RateLimited("Too many changes are running. Retry later.", retry_after=1.0)
            self._add(record_id, record)
        held = self._by_principal[record.principal]
        held.ids.move_to_end(record_id)
        if record.fingerprint != fingerprint:
            return PayloadConflict()
        if record.result is not None:
            return Replay(record.result)
        if record.leased_until > now:
            return InProgress(record.leased_until - now)
        held.not_executed.pop(record_id, None)
        record.owner = owner
        record.repeated = record.doubtful_since is not None
        since = record.doubtful_since
        if since is None:
            record.doubtful_since = now
        self._start_lease(record)
        return Begun(None if since is None else now - since, record.confirmed)

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
            self._by_principal[record.principal].size += len(result)
        else:
            record.owner = ""
        record.leased_until = float("-inf")
        record.expires_at = self._clock() + self._settings.ttl
        self._by_principal[record.principal].ids.move_to_end(record_id)
        return fits

    async def abandon(self, record_id: str, owner: str, progress: Progress = Progress.UNKNOWN) -> None:
        record = self._running(record_id, owner)
        if record is None:
            return
        record.owner, record.leased_until = "", float("-inf")
        if progress is Progress.CONFIRMED:
            record.confirmed = True
        elif progress is not Progress.UNKNOWN and not record.repeated:
            if progress is Progress.NOT_SENT:
                self._drop(record_id)
                return
            record.doubtful_since = None
            self._by_principal[record.principal].not_executed[record_id] = None

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

    def _make_room_for(self, principal: str) -> bool:
        """Drop an old record of a principal that has the most it may have; return False where all are running."""
        held = self._by_principal.get(principal)
        return held is None or len(held) < self._settings.max_per_principal or self._drop_one(held)

    def _make_room(self, records: int, size: int) -> bool:
        """Drop old records until `records` more, with `size` bytes, fit; return False where that is not possible."""
        settings = self._settings
        running: set[str] = set()  # principals whose records are all running
        while True:
            too_many = len(self._records) + records > settings.max_records
            if not too_many and self._bytes + size <= settings.max_bytes:
                return True
            candidates = self._by_principal.keys() - running
            if not candidates:
                return False
            weight = len if too_many else (lambda held: held.size)
            largest = max(candidates, key=lambda principal: weight(self._by_principal[principal]))
            # More than one at once, since finding the largest takes as long as there are principals.
            for _ in range(max(1, settings.max_records // 1000)):
                held = self._by_principal.get(largest)
                if held is None:
                    break
                if not self._drop_one(held):
                    running.add(largest)
                    break

    def _drop_one(self, held: _Records) -> bool:
        """Drop the oldest record of a principal, first of changes that were not executed; False: all are running."""
        now = self._clock()
        oldest = next(iter(held.not_executed), None) or next(
            (record_id for record_id in held.ids if self._records[record_id].leased_until <= now), None
        )
        if oldest is None:
            return False
        self._drop(oldest)
        return True

    def _add(self, record_id: str, record: _Record) -> None:
        held = self._by_principal.setdefault(record.principal, _Records())
        held.ids[record_id] = None
        held.size += record.size
        self._records[record_id] = record
        self._bytes += record.size

    def _drop(self, record_id: str) -> None:
        record = self._records.pop(record_id)
        held = self._by_principal[record.principal]
        del held.ids[record_id]
        held.not_executed.pop(record_id, None)
        held.size -= record.size
        self._bytes -= record.size
        if not held.ids:
            del self._by_principal[record.principal]
