"""Executes a change at most once under its idempotency key, with the records of a store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from gateway.errors import IdempotencyConflict, IdempotencyInProgress, SourceUnavailable
from gateway.kit.tasks import cancel_and_wait
from gateway.operation import seconds_left
from gateway.state.idempotency import (
    BeginResult,
    Begun,
    IdempotencyStore,
    InProgress,
    PayloadConflict,
    Replay,
    record_id_of,
)

__all__ = ["IdempotentChanges", "renewed_lease"]

_RENEWALS_PER_LEASE = 3  # two of them may fail


@asynccontextmanager
async def renewed_lease(
    store: IdempotencyStore,
    record_id: str,
    owner: str,
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[None]:
    """Renew the lease until the block ends, by return, exception or cancellation; the block finishes or abandons it.

    An unreachable store does not stop the change: its outcome matters more than its record.
    """

    async def renew() -> None:
        held = True
        while held:
            await sleep(store.lease / _RENEWALS_PER_LEASE)
            with suppress(SourceUnavailable):
                held = await store.renew(record_id, owner)

    task = asyncio.create_task(renew())
    try:
        yield
    finally:
        await cancel_and_wait(task)


_RETRY_DELAY = 1.0  # seconds: a change seldom takes as long as its lease
_MAX_FINISH_RETRIES = 600


class IdempotentChanges:
    """Executes each change at most once for its scope: principal, mutation, target and key."""

    def __init__(self, store: IdempotencyStore) -> None:
        self._store = store
        self._finishing: set[asyncio.Task[None]] = set()

    async def __call__(
        self, scope: Sequence[str], fingerprint: str, change: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        """Return the result of the change, and whether it is a replay.

        Where `change` raises, nothing is stored, and the change may be requested again. Where a process dies during a
        change, the first request after the end of its lease executes the change again.

        Raises:
            IdempotencyConflict: the key was used with another payload.
            IdempotencyInProgress: the change is running.
            SourceUnavailable: the records cannot be reached; the change was not executed.
        """
        record_id = record_id_of(scope)
        match await self._begin(record_id, fingerprint):
            case Replay(result):
                return result, True
            case PayloadConflict():
                raise IdempotencyConflict(
                    "This idempotency key was used with another payload. Use a new key for another change."
                )
            case InProgress(seconds):
                message = "The first request with this idempotency key is still running. Retry later with the same key."
                raise IdempotencyInProgress(message, retry_after=min(seconds, _RETRY_DELAY))
            case Begun(owner):
                return await self._execute(record_id, owner, change), False

    async def aclose(self) -> None:
        """Stop trying to store the results that could not be stored so far."""
        await cancel_and_wait(*self._finishing)

    async def _begin(self, record_id: str, fingerprint: str) -> BeginResult:
        """Begin within the deadline of the operation. A lease that is taken after it ends by itself."""
        try:
            async with asyncio.timeout(seconds_left()):
                return await self._store.begin(record_id, fingerprint)
        except TimeoutError:
            raise SourceUnavailable(
                "The gateway's shared state did not respond in time. Retry later.", retry_after=1.0
            ) from None

    async def _execute(self, record_id: str, owner: str, change: Callable[[], Awaitable[bytes]]) -> bytes:
        try:
            async with renewed_lease(self._store, record_id, owner):
                result = await change()
        except BaseException:
            with suppress(SourceUnavailable):
                await self._store.abandon(record_id, owner)
            raise
        # From here on the change has been executed: a failure to store its result must not look like a failed change.
        try:
            await self._store.finish(record_id, owner, result)
        except SourceUnavailable:
            task = asyncio.get_running_loop().create_task(self._finish_later(record_id, owner, result))
            self._finishing.add(task)
            task.add_done_callback(self._finishing.discard)
        return result

    async def _finish_later(self, record_id: str, owner: str, result: bytes) -> None:
        """Store the result as soon as possible: without it, the change may be executed again after its lease."""
        async with renewed_lease(self._store, record_id, owner):
            for _ in range(_MAX_FINISH_RETRIES):
                await asyncio.sleep(_RETRY_DELAY)
                with suppress(SourceUnavailable):
                    await self._store.finish(record_id, owner, result)
                    return
