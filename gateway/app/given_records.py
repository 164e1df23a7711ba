"""Idempotency records in a state that the embedding program passes."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

from gateway.errors import GatewayError, RateLimited, SourceUnavailable
from gateway.kit.tasks import callee_result
from gateway.state.idempotency import BeginResult, IdempotencyStore, Progress

__all__ = ["GivenRecords"]

_LOG = logging.getLogger("gateway.state")
_MAX_SECONDS = 3.0  # for one call; what could not be written then is written later

T = TypeVar("T")


class GivenRecords:
    """Calls the store of an embedding program, and keeps the contract of `IdempotencyStore` whatever that one does.

    Whoever executes a change depends on it: a change that has been executed must not look like a failed one, nor wait
    for ever, because its result could not be stored.

    Raises:
        SourceUnavailable: the store raised an exception that is not in the contract, or did not respond.
        RateLimited: as `IdempotencyStore.begin`.
    """

    def __init__(self, store: IdempotencyStore) -> None:
        self._store = store

    @property
    def lease(self) -> float:
        return self._store.lease

    async def begin(self, record_id: str, fingerprint: str, owner: str, principal: str = "") -> BeginResult:
        return await _limited(self._store.begin(record_id, fingerprint, owner, principal), RateLimited)

    async def renew(self, record_id: str, owner: str) -> bool:
        return await _limited(self._store.renew(record_id, owner))

    async def finish(self, record_id: str, owner: str, result: bytes) -> bool:
        return await _limited(self._store.finish(record_id, owner, result))

    async def abandon(self, record_id: str, owner: str, progress: Progress = Progress.UNKNOWN) -> None:
        await _limited(self._store.abandon(record_id, owner, progress))


async def _limited(call: Awaitable[T], *documented: type[GatewayError]) -> T:
    expected: tuple[type[GatewayError], ...] = (SourceUnavailable, *documented)
    try:
        async with asyncio.timeout(_MAX_SECONDS):
            return await callee_result(call)
    except expected:
        raise
    except Exception as error:
        _LOG.exception("the idempotency records of the embedding program's state failed")
        raise SourceUnavailable("The gateway's shared state failed. Retry later.", retry_after=1.0) from error
