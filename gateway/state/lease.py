"""Keeps a lease alive for as long as the change under it runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from gateway.errors import SourceUnavailable
from gateway.kit.tasks import end
from gateway.state.idempotency import IdempotencyStore

__all__ = ["renewed"]

_RENEWALS = 3  # a lease: two may fail


@asynccontextmanager
async def renewed(
    store: IdempotencyStore,
    scope: str,
    owner: str,
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[None]:
    """Renew the lease until the block ends, by answer, failure or cancellation; ending the change is the block's.

    A store that cannot be reached does not stop the change: its outcome is worth more than its record.
    """

    async def renew() -> None:
        held = True
        while held:
            await sleep(store.lease / _RENEWALS)
            with suppress(SourceUnavailable):
                held = await store.renew(scope, owner)

    task = asyncio.create_task(renew())
    try:
        yield
    finally:
        await end(task)
