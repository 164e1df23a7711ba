"""A change carried out at most once under its key, by the records of a store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from gateway.errors import IdempotencyConflict, IdempotencyInProgress, SourceUnavailable
from gateway.kit.tasks import cancel_and_wait
from gateway.operation import seconds_left
from gateway.state.idempotency import Beginning, Begun, IdempotencyStore, InProgress, PayloadConflict, Replay, scope_of

__all__ = ["IdempotentChanges", "renewed"]

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
        await cancel_and_wait(task)


_ASK_AGAIN = 1.0  # seconds, at the most: a change seldom takes as long as its lease
_LATE_TRIES = 600


class IdempotentChanges:
    """The answers to changes, under what each belongs to: principal, mutation, target, key."""

    def __init__(self, store: IdempotencyStore) -> None:
        self._store = store
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(
        self, scope: Sequence[str], fingerprint: str, change: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        """The change's answer, and whether it is the first call's, given again.

        Where the change raises, nothing is kept and it may be sent again. A process that died under a
        change has left its lease: after that the next call carries the change out again.

        Raises:
            IdempotencyConflict: the key was used with another payload.
            IdempotencyInProgress: the first call still runs.
            SourceUnavailable: the records cannot be reached; nothing was sent.
        """
        name = scope_of(scope)
        match await self._begin(name, fingerprint):
            case Replay(answer):
                return answer, True
            case PayloadConflict():
                raise IdempotencyConflict("This idempotency key was used with another payload.")
            case InProgress(wait):
                message = "The first call under this idempotency key still runs."
                raise IdempotencyInProgress(message, retry_after=min(wait, _ASK_AGAIN))
            case Begun(owner):
                return await self._carry_out(name, owner, change), False

    async def _begin(self, name: str, fingerprint: str) -> Beginning:
        """As the store does, within the operation's time: nothing was sent. A lease taken too late ends by itself."""
        try:
            async with asyncio.timeout(seconds_left()):
                return await self._store.begin(name, fingerprint)
        except TimeoutError:
            raise SourceUnavailable("The gateway's shared state does not answer.", retry_after=1.0) from None

    async def _carry_out(self, name: str, owner: str, change: Callable[[], Awaitable[bytes]]) -> bytes:
        try:
            async with renewed(self._store, name, owner):
                answer = await change()
        except BaseException:
            with suppress(SourceUnavailable):
                await self._store.abandon(name, owner)
            raise
        # Carried out: that its record cannot be written must not make it look otherwise.
        try:
            await self._store.finish(name, owner, answer)
        except SourceUnavailable:
            task = asyncio.get_running_loop().create_task(self._finish_later(name, owner, answer))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        return answer

    async def aclose(self) -> None:
        """Give up on the records that could not be written."""
        await cancel_and_wait(*self._late)

    async def _finish_later(self, name: str, owner: str, answer: bytes) -> None:
        """Write the record as soon as that can be done: without it the change is carried out again after its lease."""
        async with renewed(self._store, name, owner):
            for _ in range(_LATE_TRIES):
                await asyncio.sleep(_ASK_AGAIN)
                with suppress(SourceUnavailable):
                    await self._store.finish(name, owner, answer)
                    return
