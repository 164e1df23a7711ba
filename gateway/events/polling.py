"""Requests the changes of a source at an interval and appends them to the event log."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from enum import StrEnum

from gateway.errors import GatewayError, SourceUnavailable
from gateway.events.log import EventLog
from gateway.kit.clock import REAL_CLOCK, Clock
from gateway.kit.polling_lock import DatedPollingLock, PollingLock
from gateway.kit.source_titles import titled
from gateway.kit.tasks import cancel_and_wait
from gateway.operation import shares_no_calls
from gateway.users.model import UserSource
from gateway.users.source_changes import PolledSource

__all__ = ["PollResult", "Poller"]


_LOG = logging.getLogger("gateway.events")
_RENEWALS_PER_LEASE = 3  # during a round; two of them may fail
_MAX_INTERVAL = 300.0  # seconds between two attempts at a source that fails
_MAX_DOUBLINGS = 10  # for an interval of 1 s or more this exceeds _MAX_INTERVAL, and it never overflows a float


class PollResult(StrEnum):
    """How one round of polling ended, for metrics."""

    UNCHANGED = "nothing"
    """No new event."""

    CHANGED = "news"
    """At least one new event."""

    STANDBY = "standby"
    """Another replica has the polling lock."""

    FAILED = "failed"
    """The source, the lock or the log failed; the position is unchanged, so that the round is repeated."""

    OVERTAKEN = "overtaken"
    """The lease ended during the round and another replica has it; the log recognises what both reported."""


TraceRound = Callable[[UserSource], AbstractContextManager[object]]
"""Returns the context in which one round of polling a source is traced."""


class Poller:
    """Polls one source every `interval` seconds, less often while it fails.

    It starts at the saved position; without one, with the changes from now on. Where two replicas poll at the same
    time, the log recognises repeated changes. `observe` is called with the result of each round, and with the error of
    one that failed because of the source, the lock or the log. `complete` is called with the instant, on the clock,
    before which all changes are in the log: the start of the last successful round, also of one by another replica.
    """

    def __init__(
        self,
        source: PolledSource,
        log: EventLog,
        lock: PollingLock,
        *,
        interval: float,
        observe: Callable[[UserSource, PollResult, GatewayError | None], None] = lambda *_: None,
        complete: Callable[[float], None] = lambda _: None,
        clock: Clock = REAL_CLOCK,
        trace_round: TraceRound = lambda _: nullcontext(),
    ) -> None:
        self._source = source
        self._log = log
        self._lock = lock
        self._interval = interval
        self._observe = observe
        self._complete = complete
        self._clock = clock
        self._trace_round = trace_round
        self._number: int | None = None  # the fencing number, while this replica has the lock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start polling in the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Stop, and release the lock so that another replica can continue at once."""
        if self._task is not None:
            await cancel_and_wait(self._task)
        if self._number is not None:
            with suppress(SourceUnavailable):
                await self._lock.release(self._number)
            self._number = None

    async def _run(self) -> None:
        shares_no_calls.set(True)  # a call from before the round may have a response from before a change
        failures = 0
        while True:
            result, retry_after = PollResult.FAILED, 0.0
            failure: GatewayError | None = None
            try:
                result = await self._poll()
            except GatewayError as error:
                retry_after, failure = error.retry_after or 0.0, error
            except Exception:  # noqa: BLE001 - a defect must not stop polling for good
                _LOG.exception("polling the changes of %s failed and will be repeated", titled(self._source.name))
            self._observe(self._source.name, result, failure)
            failure = None  # it would keep its frames, and they this one
            failures = min(failures + 1, _MAX_DOUBLINGS) if result is PollResult.FAILED else 0
            interval = min(self._interval * 2**failures, max(self._interval, _MAX_INTERVAL))
            if result is PollResult.STANDBY:
                interval /= 2  # else the last round could have begun two intervals ago before this replica knows of it
            await self._clock.sleep(max(retry_after, interval))

    async def _poll(self) -> PollResult:
        lease = await self._lock.acquire()
        if lease is None:
            self._number = None
            await self._learn_of_rounds()
            return PollResult.STANDBY
        self._number, position = lease
        started = self._clock.monotonic()
        async with self._renewed_lease(self._number):
            with self._trace_round(self._source.name):
                found = await self._source.changes_since(position)
                appended = [await self._log.append(change, user) for change, user in found.changes]
                # What changed before the first round is not reported: nothing may be kept that was read before it.
                if position is None or found.has_unknown:
                    await self._log.append_unknown(self._source.name)
                if found.altered:
                    await self._log.append_altered(found.altered)
        if not await self._save(self._number, found.position, started):
            return PollResult.OVERTAKEN
        self._complete(started)
        return PollResult.CHANGED if any(appended) else PollResult.UNCHANGED

    async def _save(self, number: int, position: str, started: float) -> bool:
        if isinstance(self._lock, DatedPollingLock):
            return await self._lock.save_round(number, position, self._clock.monotonic() - started)
        return await self._lock.save(number, position)

    async def _learn_of_rounds(self) -> None:
        """Find out when the replica that has the lock has last polled."""
        if not isinstance(self._lock, DatedPollingLock):
            return
        now = self._clock.monotonic()  # before the age is determined: so the instant is rather too early
        age = await self._lock.round_age()
        if age is not None:
            self._complete(now - age)

    @asynccontextmanager
    async def _renewed_lease(self, number: int) -> AsyncIterator[None]:
        """Renew the lease until the block ends: a round may take longer than the lease."""

        async def renew() -> None:
            held = True
            while held:
                await asyncio.sleep(self._lock.lease / _RENEWALS_PER_LEASE)
                with suppress(SourceUnavailable):
                    held = await self._lock.renew(number)

        task = asyncio.create_task(renew())
        try:
            yield
        finally:
            await cancel_and_wait(task)
