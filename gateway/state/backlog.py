"""Writes to a store of idempotency records what it could not take at once: results, and leases to release."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gateway.errors import SourceUnavailable
from gateway.kit.tasks import cancel_and_wait
from gateway.state.idempotency import IdempotencyStore, Progress

__all__ = ["Backlog"]

_LOG = logging.getLogger("gateway.state")
_FIRST_DELAY, _MAX_DELAY = 0.05, 0.5  # seconds between two attempts
_AT_ONCE = 32  # writes, once the store responds
# Each change that is refused while the store does not respond adds one: beyond these, a lease ends by itself.
_MAX_RELEASES = 10_000

_Write = Callable[[], Awaitable[None]]


class Backlog:
    """The writes that a store has still to take, in the order in which they were added.

    One task tries them, the first alone until the store responds: a store that is away is not called for each of them.
    `observe` is called with `late` for each result that was stored, and with `lost` for each that was given up.
    """

    def __init__(self, store: IdempotencyStore, observe: Callable[[str], None]) -> None:
        self._store = store
        self._observe = observe
        self._results: dict[str, _Write] = {}
        self._releases: dict[str, _Write] = {}
        self._task: asyncio.Task[None] | None = None

    def finish(self, record_id: str, owner: str, result: bytes) -> None:
        """Store a result as soon as possible: without it, the change may be executed again after its lease."""

        async def write() -> None:
            stored = await self._store.finish(record_id, owner, result)
            self._observe("late" if stored else "lost")
            if not stored:
                _LOG.warning("the result of a change was stored too late: if it is repeated, it may be executed again")

        self._results[owner] = write
        self._start()

    def abandon(self, record_id: str, owner: str, progress: Progress) -> None:
        """Release a lease as soon as possible: until its end, the key is blocked."""

        async def write() -> None:
            await self._store.abandon(record_id, owner, progress)

        if len(self._releases) >= _MAX_RELEASES:
            del self._releases[next(iter(self._releases))]
        self._releases[owner] = write
        self._start()

    async def aclose(self, max_wait: float) -> None:
        """Wait at most so many seconds until everything is written, then give up the rest."""
        if self._task is None:
            return
        await asyncio.wait([self._task], timeout=max_wait)
        await cancel_and_wait(self._task)
        if self._results:
            message = "the results of %d changes could not be stored: if they are repeated, they may be executed again"
            _LOG.warning(message, len(self._results))
        for _ in self._results:
            self._observe("lost")
        self._results.clear()

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        delay = 0.0
        while self._results or self._releases:
            await asyncio.sleep(delay)
            responded = await self._write(1) and await self._write(_AT_ONCE)
            delay = 0.0 if responded else min(max(2 * delay, _FIRST_DELAY), _MAX_DELAY)

    async def _write(self, count: int) -> bool:
        """Try the first writes; return whether the store took all of them."""
        writes = [*self._results.items(), *self._releases.items()][:count]
        return all(await asyncio.gather(*(self._try(owner, write) for owner, write in writes)))

    async def _try(self, owner: str, write: _Write) -> bool:
        try:
            await write()
        except SourceUnavailable:
            return False
        # It may have been replaced during the call.
        for pending in (self._results, self._releases):
            if pending.get(owner) is write:
                del pending[owner]
        return True
