"""The event log of one process."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from gateway.events.deduplication import RecentChanges, deduplication_keys
from gateway.events.log import (
    ChangeListener,
    Draining,
    EventLogSettings,
    LogEvent,
    LogObserver,
    UnknownChanges,
    UserEvent,
    event_time,
    ignore_log_event,
)
from gateway.events.recent import MemorySubscription, RecentEvents, event_filter
from gateway.events.resume_tokens import ResumeTokens, invalid_resume_token
from gateway.kit.clock import REAL_CLOCK, Clock
from gateway.users.ids import Ref
from gateway.users.model import Timestamp, User, UserChange, UserSource

__all__ = ["MemoryEventLog"]

_PUBLISHED = LogEvent.PUBLISHED  # CONTRIBUTING.md, "Speed"


class MemoryEventLog:
    """An `EventLog` in memory, for one event loop. It ends with its process; its tokens are no longer held then."""

    def __init__(
        self,
        settings: EventLogSettings | None = None,
        *,
        observe: LogObserver = ignore_log_event,
        clock: Clock = REAL_CLOCK,
    ) -> None:
        settings = settings or EventLogSettings()
        self._observe = observe
        self._clock = clock
        self._tokens = ResumeTokens()
        self._changes = RecentChanges(settings.window, clock=clock.monotonic)
        self._recent = RecentEvents(settings, observe)
        self._closed = False

    def __len__(self) -> int:
        return len(self._recent)

    @property
    def subscribers(self) -> int:
        return self._recent.subscribers

    def require_writable(self) -> None:
        if self._closed:
            raise Draining

    def publish(self, change: UserChange, user: User, change_id: str = "", *, repeated: bool = False) -> None:
        del change_id, repeated  # the log ends with its process: no process that has ended has published an event in it
        if not self._closed:
            self._add(change, user, external=False)

    publish_and_wait = publish

    async def append(
        self, change: UserChange, user: User, *, name: str | None = None, occurred_at: Timestamp | None = None
    ) -> bool:
        if self._closed:
            raise Draining
        return self._add(change, user, external=True, name=name, occurred_at=occurred_at)

    async def append_unknown(self, source: UserSource) -> None:
        if self._closed:
            raise Draining
        self._recent.notify(UnknownChanges(source))

    async def append_altered(self, users: Sequence[User]) -> None:
        if self._closed:
            raise Draining
        for user in users:
            self._recent.notify(UnknownChanges.of(user))

    @asynccontextmanager
    async def subscribe(
        self, *, ids: Collection[Ref] = (), sources: Collection[UserSource] = (), after: str | None = None
    ) -> AsyncIterator[MemorySubscription]:
        if self._closed:
            raise Draining
        start = self._recent.last if after is None else self._tokens.decode(after)[0]
        if start > self._recent.last:
            raise invalid_resume_token()
        with self._recent.subscribe(start, self._tokens.encode(start), event_filter(ids, sources)) as subscription:
            yield subscription

    @property
    def catch_up(self) -> None:
        return None

    def on_change(self, listener: ChangeListener) -> None:
        self._recent.on_change(listener)

    async def aclose(self) -> None:
        self._closed = True
        self._recent.end(Draining())

    def _add(
        self,
        change: UserChange,
        user: User,
        *,
        external: bool,
        name: str | None = None,
        occurred_at: Timestamp | None = None,
    ) -> bool:
        now = self._clock.time()
        keys = deduplication_keys(change, user, name, now=now, digest=hash)
        result = self._changes.add(keys, external=external)
        if result is _PUBLISHED:
            at = occurred_at or event_time(now)
            self._recent.add(UserEvent(self._tokens.encode(self._recent.last + 1), change, user, at))
        else:
            self._recent.notify(UnknownChanges.of(user, change))
        self._observe(result, user.source)
        return result is _PUBLISHED
