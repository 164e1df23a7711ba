"""The event log of one process."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from gateway.events.deduplication import RecentChanges, deduplication_keys
from gateway.events.log import Draining, EventLogSettings, LogEvent, Observe, UserEvent, unobserved
from gateway.events.recent import MemorySubscription, Recent, wanted
from gateway.events.resume_tokens import ResumeTokens, no_token
from gateway.users.ids import Ref
from gateway.users.model import Timestamp, User, UserChange, UserSource

__all__ = ["MemoryEventLog"]


class MemoryEventLog:
    """See `gateway.events.log.EventLog`. For one event loop; it is gone with its process, and its tokens say so."""

    def __init__(self, settings: EventLogSettings | None = None, *, observe: Observe = unobserved) -> None:
        settings = settings or EventLogSettings()
        self._observe = observe
        self._tokens = ResumeTokens()
        self._told = RecentChanges(settings.window)
        self._recent = Recent(settings, observe)
        self._closed = False

    def __len__(self) -> int:
        return len(self._recent)

    @property
    def subscribers(self) -> int:
        return self._recent.subscribers

    def publish(self, change: UserChange, user: User) -> None:
        if not self._closed:
            self._put(change, user, heard=False)

    async def append(self, change: UserChange, user: User, *, name: str | None = None) -> bool:
        if self._closed:
            raise Draining
        return self._put(change, user, heard=True, name=name)

    @asynccontextmanager
    async def subscribe(
        self, *, ids: Collection[Ref] = (), sources: Collection[UserSource] = (), after: str | None = None
    ) -> AsyncIterator[MemorySubscription]:
        if self._closed:
            raise Draining
        start = self._recent.last if after is None else self._tokens.read(after)
        if start > self._recent.last:
            raise no_token()
        with self._recent.following(start, self._tokens.write(start), wanted(ids, sources)) as subscription:
            yield subscription

    async def close(self) -> None:
        self._closed = True
        self._recent.end(Draining())

    def _put(self, change: UserChange, user: User, *, heard: bool, name: str | None = None) -> bool:
        news = self._told.is_news(deduplication_keys(change, user, name), heard=heard)
        if news:
            now = Timestamp(datetime.now(UTC).isoformat())
            self._recent.add(UserEvent(self._tokens.write(self._recent.last + 1), change, user, now))
        self._observe(LogEvent.PUBLISHED if news else LogEvent.REPEATED, user.source)
        return news
