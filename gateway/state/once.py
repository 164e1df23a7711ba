"""Executes a change at most once under its idempotency key, with the records of a store."""

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from gateway.errors import GatewayError, IdempotencyConflict, IdempotencyInProgress, SourceUnavailable
from gateway.kit.execution import Execution
from gateway.kit.tasks import cancel_and_wait
from gateway.kit.timers import Timers
from gateway.operation import seconds_left
from gateway.state.backlog import Backlog
from gateway.state.idempotency import (
    BeginResult,
    Begun,
    IdempotencyStore,
    InProgress,
    PayloadConflict,
    Progress,
    Replay,
    record_id_of,
)

__all__ = ["IdempotentChanges", "renewed_lease"]

_RENEWALS_PER_LEASE = 3  # two of them may fail


class renewed_lease:  # noqa: N801 - it is used like a function, as the standard library's `suppress` is
    """Renew the lease until the block ends, by return, exception or cancellation; the block finishes or abandons it.

    An unreachable store does not stop the change: its outcome matters more than its record. `sleep` waits between two
    renewals; None: the event loop does, so that a change that ends before the first renewal takes no task for it.
    """

    __slots__ = ("_is_open", "_owner", "_record_id", "_sleep", "_store", "_task", "_timer")

    def __init__(
        self, store: IdempotencyStore, record_id: str, owner: str, *, sleep: Callable[[float], Awaitable[object]] | None
    ) -> None:
        self._store = store
        self._record_id = record_id
        self._owner = owner
        self._sleep = sleep
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_open = True

    async def __aenter__(self) -> None:
        self._wait()

    async def __aexit__(self, *_: object) -> None:
        self._is_open = False
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await cancel_and_wait(self._task)

    def _wait(self) -> None:
        if self._sleep is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._store.lease / _RENEWALS_PER_LEASE, self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        if self._sleep is not None:
            await self._sleep(self._store.lease / _RENEWALS_PER_LEASE)
        held = True
        with suppress(SourceUnavailable):
            held = await self._store.renew(self._record_id, self._owner)
        if held and self._is_open:
            self._wait()


_RETRY_AFTER = 1.0  # seconds: a change seldom takes as long as its lease
_CLOSE_TIMEOUT = 5.0  # seconds: with the 10 s of a server for its requests, a stop takes at most 15 s


class IdempotentChanges:
    """Executes each change at most once for its scope: principal, mutation, target and key.

    What cannot be written to the store is written as soon as it responds: results, so that the change is not executed
    again, and released leases, so that no key is blocked for longer than the store did not respond. `observe` is called
    with `late` for each result that was stored so, and with `lost` for each that was given up. `sleep` waits
    between two renewals of a lease; None: the event loop does.
    """

    def __init__(
        self,
        store: IdempotencyStore,
        *,
        observe: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        close_timeout: float = _CLOSE_TIMEOUT,
    ) -> None:
        self._store = store
        self._backlog = Backlog(store, observe)
        self._sleep = sleep
        self._close_timeout = close_timeout
        self._timers = Timers()

    async def __call__(
        self,
        scope: Sequence[str],
        fingerprint: str,
        change: Callable[[Execution], Awaitable[bytes]],
        *,
        principal: str = "",
    ) -> tuple[bytes, bool]:
        """Return the result of the change, and whether it is a replay.

        Where `change` raises, nothing is stored, and the change may be requested again; the next execution gets what is
        known of this one. Where a process dies during a change, the first request after the end of its lease executes
        the change again. The number of records is bounded for each `principal`.

        Raises:
            IdempotencyConflict: the key was used with another payload.
            IdempotencyInProgress: the change is running.
            SourceUnavailable: the records cannot be reached; the change was not executed.
        """
        record_id, owner = record_id_of(scope), secrets.token_hex(16)
        started = time.monotonic()
        match await self._begin(record_id, fingerprint, owner, principal):
            case Replay(result):
                return result, True
            case PayloadConflict():
                raise IdempotencyConflict(
                    "This idempotency key was used with another payload. Use a new key for another change."
                )
            case InProgress(seconds):
                message = "The first request with this idempotency key is still running. Retry later with the same key."
                raise IdempotencyInProgress(message, retry_after=min(seconds, _RETRY_AFTER))
            case Begun(doubtful_for, confirmed):
                since = None if doubtful_for is None else started - doubtful_for
                return await self._execute(record_id, owner, change, Execution(since, confirmed)), False

    async def aclose(self) -> None:
        """Give the store a last chance to take what could not be written so far, then give it up."""
        await self._backlog.aclose(self._close_timeout)

    async def _begin(self, record_id: str, fingerprint: str, owner: str, principal: str) -> BeginResult:
        """Begin within the deadline of the operation."""
        left = seconds_left()
        if left is not None and left <= 0:
            raise _too_late()
        try:
            with self._timers.limit(math.inf if left is None else left):
                return await self._store.begin(record_id, fingerprint, owner, principal)
        except BaseException as error:
            if isinstance(error, TimeoutError | SourceUnavailable | asyncio.CancelledError):
                # The lease may have been taken, or be taken later.
                self._backlog.abandon(record_id, owner, Progress.NOT_SENT)
            if isinstance(error, TimeoutError):
                raise _too_late() from None
            raise

    async def _execute(
        self, record_id: str, owner: str, change: Callable[[Execution], Awaitable[bytes]], execution: Execution
    ) -> bytes:
        try:
            async with renewed_lease(self._store, record_id, owner, sleep=self._sleep):
                result = await change(execution)
        except BaseException as error:
            await self._abandon(record_id, owner, _progress(execution, error))
            raise
        # From here on the change has been executed: a failure to store its result must not look like a failed change.
        try:
            await self._store.finish(record_id, owner, result)
        except SourceUnavailable:
            self._backlog.finish(record_id, owner, result)
        return result

    async def _abandon(self, record_id: str, owner: str, progress: Progress) -> None:
        try:
            await self._store.abandon(record_id, owner, progress)
        except SourceUnavailable:
            self._backlog.abandon(record_id, owner, progress)


def _progress(execution: Execution, error: BaseException) -> Progress:
    """Return how far the change had come that ended with this error."""
    if execution.confirmed:
        return Progress.CONFIRMED
    if not isinstance(error, GatewayError) or error.outcome is not None:
        return Progress.UNKNOWN
    return Progress.NOT_SENT if error.origin.http_status is None else Progress.NOT_EXECUTED


def _too_late() -> SourceUnavailable:
    return SourceUnavailable("The gateway's shared state did not respond in time. Retry later.", retry_after=1.0)
