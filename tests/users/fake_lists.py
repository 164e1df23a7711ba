"""Three sources in memory that list users as the real ones do: by cursor, by offset and by page number."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, ClassVar

from gateway.errors import BadUserInput, SourceUnavailable
from gateway.sources.indexed import page_containing, window
from gateway.users.kept.lifetimes import KeepRule, Lifetimes
from gateway.users.kept.records import KeptRecords
from gateway.users.listing.cursor import Cursors
from gateway.users.listing.merge import Merge, MergedPage
from gateway.users.listing.prefetched import PrefetchedUsers
from gateway.users.model import Timestamp, User, UserSource, UserStatus
from gateway.users.reading import CatchUp, KeepMode, UserReader
from gateway.users.source import Sources, UserQuery, Window

ACCOUNT, SOFTWAREONE, RESELLER = UserSource
NEEDS = frozenset({"profile"})
_START = datetime(2026, 1, 1, tzinfo=UTC)


def created(ticks: int | None) -> Timestamp | None:
    """Return the time that many tenths of a microsecond after the new year, with a fraction of seven digits."""
    if ticks is None:
        return None
    moment = _START + timedelta(microseconds=ticks // 10)
    # Every second one has another time zone, because instants have to be compared, not texts.
    if ticks % 2:
        return Timestamp(f"{moment:%Y-%m-%dT%H:%M:%S.%f}{ticks % 10}Z")
    return Timestamp(f"{moment + timedelta(hours=2):%Y-%m-%dT%H:%M:%S.%f}{ticks % 10}+02:00")


@dataclass
class ListingSource(ABC):
    """A source with users as `keys`, (-ticks, -number), in its order; `max_window` is its largest window."""

    name: ClassVar[UserSource]
    max_window: int = 1000
    list_template: str = "/users"
    tenant: str = ""
    constant_needs: frozenset[str] = frozenset()
    directories: dict[Any, Any] = field(default_factory=dict)
    keys: list[tuple[float, int]] = field(default_factory=list)
    removed: set[int] = field(default_factory=set)
    failing: Exception | None = None
    delay: float = 0
    reads: list[tuple[str | None, int]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def add(self, number: int, ticks: int | None, *, removed: bool = False) -> None:
        """Create a user with a new number."""
        # Users without a time last; of one time, in descending order of numbers.
        self.keys.append((float("inf") if ticks is None else -ticks, -number))
        self.keys.sort()
        if removed:
            self.removed.add(number)

    def delete(self, index: int) -> None:
        """Delete the user at that index, modulo the number of users."""
        if self.keys:
            del self.keys[index % len(self.keys)]

    def user(self, key: tuple[float, int]) -> User:
        """Return the record of a key."""
        ticks = None if key[0] == float("inf") else int(-key[0])
        status = UserStatus.REMOVED if -key[1] in self.removed else None
        email = f"U{-key[1]}@example.com"
        return User(self.name, str(-key[1]), email=email, status=status, created_at=created(ticks))

    @property
    def users(self) -> list[User]:
        """All users, in order."""
        return [self.user(key) for key in self.keys]

    async def page_users(
        self,
        query: UserQuery,  # noqa: ARG002 - it does not filter
        position: str | None,
        limit: int,
        needs: frozenset[str],  # noqa: ARG002 - it sends all fields
    ) -> Window:
        self.reads.append((position, limit))
        self.log.append("requested")
        await asyncio.sleep(self.delay)
        self.log.append("responded")
        if self.failing is not None:
            raise self.failing
        return self.listed(position, min(limit, self.max_window))

    def row_needs(self, user: User, needs: frozenset[str]) -> frozenset[str] | None:  # noqa: ARG002 - no user is kept
        return None

    @abstractmethod
    def listed(self, position: str | None, size: int) -> Window:
        """Return the window from a position on."""


class ByCursor(ListingSource):
    """Like the account API: the position is the last user of the previous window."""

    name = ACCOUNT

    def listed(self, position: str | None, size: int) -> Window:
        if position == "expired":
            raise BadUserInput("Query parameter 'cursor' is invalid.")
        key = None if position is None else tuple(json.loads(position))
        keys = [candidate for candidate in self.keys if key is None or candidate > key]
        more = json.dumps(keys[size - 1]) if len(keys) > size else None
        return Window(tuple(map(self.user, keys[:size])), more)


class ByOffset(ListingSource):
    """Like SoftwareOne: the position is an index, and there is a total."""

    name = SOFTWAREONE

    def listed(self, position: str | None, size: int) -> Window:
        start = int(position or 0)
        users = tuple(map(self.user, self.keys[start : start + size]))
        return window(users, start, size=size, has_more=bool(users) and start + len(users) < len(self.keys))


class ByNumber(ListingSource):
    """Like the reseller API: numbered pages, and no total."""

    name = RESELLER

    def listed(self, position: str | None, size: int) -> Window:
        page, size = page_containing(int(position or 0), size)
        start = (page - 1) * size
        users = tuple(map(self.user, self.keys[start : start + size]))
        return window(users, start, size=size, has_more=len(users) == size)


@dataclass
class World:
    """The three sources and their merge."""

    sources: tuple[ListingSource, ListingSource, ListingSource]
    prefetched: PrefetchedUsers

    def __post_init__(self) -> None:
        self.serve(Sources(self.sources))  # type: ignore[arg-type]  # they have the methods that are used

    def serve(self, sources: Sources) -> None:
        """Merge the users of these sources."""
        self.merge = Merge(sources, UserReader(sources), Cursors(b"secret"), self.prefetched)

    def keep(self, clock: Callable[[], float], catch_up: CatchUp | None = None) -> UserReader:
        """Keep pages of all sources, and return what reads them."""
        sources = Sources(self.sources)  # type: ignore[arg-type]  # they have the methods that are used
        lifetimes = Lifetimes({source.name: KeepRule(600, 300) for source in self.sources})
        records = KeptRecords(clock=clock)
        reads = UserReader(sources, records, lifetimes, mode=KeepMode.ON, catch_up=catch_up)
        self.prefetched = PrefetchedUsers(clock=clock)
        self.merge = Merge(sources, reads, Cursors(b"secret"), self.prefetched)
        return reads

    async def page(
        self, first: int, after: str | None = None, query: UserQuery | None = None, **options: Any
    ) -> MergedPage:
        return await self.merge.page(
            query or UserQuery(), options.pop("needs", NEEDS), first=first, after=after, **options
        )

    async def walk(self, first: int, query: UserQuery | None = None, **options: Any) -> list[MergedPage]:
        """Return all pages of that size."""
        pages = [await self.page(first, None, query, **options)]
        while pages[-1].has_next_page:
            pages.append(await self.page(first, pages[-1].end_cursor, query, **options))
        return pages

    @property
    def reads(self) -> list[int]:
        """How many windows were read from each source so far."""
        return [len(source.reads) for source in self.sources]

    def expected(self) -> list[tuple[UserSource, str]]:
        """Return all users that are not removed, newest first, then by source, then in the source's order."""
        users = [user for source in self.sources for user in source.users if user.status is None]
        return [name_of(user) for user in sorted(users, key=order)]


def make_world(
    account: Iterable[int | None] = (),
    softwareone: Iterable[int | None] = (),
    reseller: Iterable[int | None] = (),
    *,
    max_windows: tuple[int, int, int] = (1000, 100, 100),
    prefetched: PrefetchedUsers | None = None,
) -> World:
    """Return three sources with users of these ticks, numbered from 0 in each source."""
    sources = ByCursor(max_windows[0]), ByOffset(max_windows[1]), ByNumber(max_windows[2])
    for source, population in zip(sources, (account, softwareone, reseller), strict=True):
        keys = [(float("inf") if ticks is None else -ticks, -number) for number, ticks in enumerate(population)]
        source.keys = sorted(keys)
    if prefetched is None:  # on a slow machine nothing expires: its time goes on only when it is asked for
        prefetched = PrefetchedUsers(clock=partial(next, count(0.0, 1e-6)))
    return World(sources, prefetched)


def order(user: User) -> tuple[float, int]:
    """Return the sort key of a user among those of all sources."""
    since = None if user.created_at is None else (user.created_at.instant() - _START) // timedelta(microseconds=1)
    return (float("inf") if since is None else -since), list(UserSource).index(user.source)


def name_of(user: User) -> tuple[UserSource, str]:
    """Return the source and the source id of a user."""
    return user.source, user.source_id


def names(*pages: MergedPage) -> list[tuple[UserSource, str]]:
    """Return the sources and source ids of all users on these pages."""
    return [name_of(edge.node) for page in pages for edge in page.edges]


DOWN = SourceUnavailable("The source could not be reached.", retry_after=3.0)
