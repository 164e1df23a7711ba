"""One gateway as far as records are kept: its keeper, its readers, its service, its event log and its poller.

They are the parts that `gateway/app/parts.py` builds, with the source and the event stream of a test.
"""

from contextlib import suppress
from typing import Any

from users.kept.connection import Connection, current_read
from users.kept.scheduling import Scheduler, VirtualClock
from users.kept.upstream import Upstream

from gateway.app.change_intake import drop_changed
from gateway.errors import GatewayError
from gateway.events.feeds import ChangeFeeds
from gateway.events.log import EventLog
from gateway.events.polling import Poller
from gateway.kit.polling_lock import PollingLock
from gateway.users.batches import UserBatches
from gateway.users.kept.lifetimes import KeepRule, Lifetimes
from gateway.users.kept.records import KeptRecords, RecordKey
from gateway.users.kept.staleness import FailureOfSource
from gateway.users.listing.cursor import Cursors
from gateway.users.model import User, UserChange
from gateway.users.reading import KeepMode, UserReader
from gateway.users.reference import ReferenceData
from gateway.users.service import UserService
from gateway.users.source import Sources

__all__ = ["ABSENCE", "IF_ERROR", "INTERVAL", "KEEP", "LIST", "REFERENCE", "SHORT", "Replica"]

KEEP, SHORT, LIST, ABSENCE, REFERENCE, IF_ERROR, INTERVAL = 60.0, 5.0, 5.0, 2.0, 8.0, 30.0, 8.0
_MANY_USERS = 100_000  # bytes
_PUBLISHED_WITHIN = 1.0  # seconds that a change waits for its event to be in the log


class _Batches(UserBatches):
    """Notes that a source failed, for each of the reads that wait for the same page."""

    async def look_up(self, key: RecordKey, needs: frozenset[str], *, anew: bool = False) -> tuple[User] | None:
        try:
            return await super().look_up(key, needs, anew=anew)
        except FailureOfSource:
            read = current_read.get()
            if read is not None:
                read.faults += 1
            raise


class Replica:
    """A gateway. `known` are the changes of the source that it knows of without the log.

    While fewer users than `few` are read at the same time, each is one call.
    """

    def __init__(
        self,
        name: str,
        upstream: Upstream,
        log: EventLog,
        lock: PollingLock,
        *,
        clock: VirtualClock,
        scheduler: Scheduler,
        mode: KeepMode,
        max_bytes: int,
        cursors: Cursors,
        troubled_at: Any,
        few: int,
    ) -> None:
        self.name = name
        self.log = log
        self.mode = mode
        self.evicts = max_bytes < _MANY_USERS
        self.known: set[int] = set()
        self.disturbed_at = clock.now  # when something was dropped last, or could have been
        self.polled_from: float | None = None  # the beginning of the last successful round
        self._rounds = 0  # of polling, that were successful
        self._clock = clock
        self._scheduler = scheduler
        self._troubled_at = troubled_at
        self.connection = Connection(upstream, name)
        sources = Sources([self.connection])
        source = self.connection.name
        self.feeds = ChangeFeeds({source: INTERVAL}, clock.monotonic)
        self.records = KeptRecords(max_bytes=max_bytes, clock=clock.monotonic)
        lifetimes = Lifetimes(
            {source: KeepRule(KEEP, IF_ERROR)}, reference=REFERENCE, is_reported=self.feeds.is_reported
        )
        catch_up = None if log.catch_up is None else self._catch_up
        self.reads = UserReader(sources, self.records, lifetimes, mode=mode, catch_up=catch_up)
        self.reads._batches = _Batches(sources, self.records, self.reads.kept_users.credential_refused, few=few)
        self.users = UserService(
            sources,
            reads=self.reads,
            reference=ReferenceData(sources, self.records, lifetimes),
            cursors=cursors,
            publish=self._publish,
            require_publishable=log.require_writable,
            clock=clock.monotonic,
        )
        log.on_change(self._disturb)
        drop_changed(log, self.users, lambda _: self.connection.flight.separate())
        self._poller = Poller(self.connection, log, lock, interval=INTERVAL, complete=self._complete, clock=clock)

    async def poll(self) -> set[int] | None:
        """Poll once, and return the changes that the round reported; None if it failed."""
        began_at, before = self._clock.now, self._rounds
        with suppress(GatewayError):
            await self._poller._poll()
        if self._rounds == before:
            return None
        self.polled_from = max(began_at, self.polled_from or 0.0)
        return set(self.connection.polled)

    def is_reported(self, now: float) -> bool:
        """Return whether the feed is alive at an instant, by what the test saw of it."""
        return self.polled_from is not None and now - self.polled_from < 2 * INTERVAL

    async def aclose(self) -> None:
        """Stop what runs in the background."""
        await self.users.drain()
        await self.log.aclose()

    def _disturb(self, change: object) -> None:
        self.disturbed_at = self._clock.now
        self._scheduler.note(self.name, "event", getattr(change, "change", change), getattr(change, "user", ""))

    def _complete(self, until: float) -> None:
        self._rounds += 1
        self.feeds.complete(self.connection.name, until)

    async def _catch_up(self) -> bool:
        assert self.log.catch_up is not None
        caught_up = await self.log.catch_up()
        read = current_read.get()
        if read is not None and not caught_up:
            read.caught_up = False
        return caught_up

    async def _publish(self, change: UserChange, user: User, change_id: str = "", *, repeated: bool = False) -> None:
        began_at = self._clock.now
        await self.log.publish_and_wait(change, user, change_id, repeated=repeated)
        read = current_read.get()
        if read is not None:
            in_time = self._clock.now - began_at < _PUBLISHED_WITHIN
            read.published = in_time and self._troubled_at() < began_at
