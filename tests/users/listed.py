"""Three systems in memory that list users as the real ones do: by cursor, by offset and by page number."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from gateway.errors import BadUserInput, SourceUnavailable
from gateway.sources.indexed import page_containing, window
from gateway.users.listing.cursor import Cursors
from gateway.users.listing.merge import Merge, UserPage
from gateway.users.listing.prefetched import PrefetchedUsers
from gateway.users.model import Timestamp, User, UserSource, UserStatus
from gateway.users.source import Sources, UserQuery, Window

ACCOUNT, SOFTWAREONE, RESELLER = UserSource
NEEDS = frozenset({"profile"})
_START = datetime(2026, 1, 1, tzinfo=UTC)


def created(ticks: int | None) -> Timestamp | None:
    """A time so many tenths of a microsecond after the new year, with all seven digits of its fraction."""
    if ticks is None:
        return None
    moment = _START + timedelta(microseconds=ticks // 10)
    # Every other one is written in another time zone: what is compared is the instant, not the text.
    if ticks % 2:
        return Timestamp(f"{moment:%Y-%m-%dT%H:%M:%S.%f}{ticks % 10}Z")
    return Timestamp(f"{moment + timedelta(hours=2):%Y-%m-%dT%H:%M:%S.%f}{ticks % 10}+02:00")


@dataclass
class Listed(ABC):
    """A system: its users as (ticks, id), in its own order; `largest` is what it gives at once."""

    name: ClassVar[UserSource]
    largest: int = 1000
    tenant: str = ""
    directories: dict[Any, Any] = field(default_factory=dict)
    keys: list[tuple[float, int]] = field(default_factory=list)
    removed: set[int] = field(default_factory=set)
    failing: Exception | None = None
    delay: float = 0
    reads: list[tuple[str | None, int]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def add(self, number: int, ticks: int | None, *, removed: bool = False) -> None:
        """Create a user; nobody else has that number."""
        # Undated ones last, ties by falling number.
        self.keys.append((float("inf") if ticks is None else -ticks, -number))
        self.keys.sort()
        if removed:
            self.removed.add(number)

    def delete(self, index: int) -> None:
        """Delete the user at that place, counted round."""
        if self.keys:
            del self.keys[index % len(self.keys)]

    def user(self, key: tuple[float, int]) -> User:
        """The record of a key."""
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
        query: UserQuery,  # noqa: ARG002 - it filters nothing
        position: str | None,
        limit: int,
        needs: frozenset[str],  # noqa: ARG002 - it sends all it has
    ) -> Window:
        self.reads.append((position, limit))
        self.log.append("asked")
        await asyncio.sleep(self.delay)
        self.log.append("answered")
        if self.failing is not None:
            raise self.failing
        return self.listed(position, min(limit, self.largest))

    @abstractmethod
    def listed(self, position: str | None, size: int) -> Window:
        """The window from a position on."""


class ByCursor(Listed):
    """Like the account system: a cursor names the last user of the window before."""

    name = ACCOUNT

    def listed(self, position: str | None, size: int) -> Window:
        if position == "expired":
            raise BadUserInput("Query parameter 'cursor' is invalid.")
        key = None if position is None else tuple(json.loads(position))
        keys = [one for one in self.keys if key is None or one > key]
        more = json.dumps(keys[size - 1]) if len(keys) > size else None
        return Window(tuple(map(self.user, keys[:size])), more)


class ByOffset(Listed):
    """Like SoftwareOne: places, and a total."""

    name = SOFTWAREONE

    def listed(self, position: str | None, size: int) -> Window:
        start = int(position or 0)
        users = tuple(map(self.user, self.keys[start : start + size]))
        return window(users, start, size=size, has_more=bool(users) and start + len(users) < len(self.keys))


class ByNumber(Listed):
    """Like the reseller system: numbered pages, and no total."""

    name = RESELLER

    def listed(self, position: str | None, size: int) -> Window:
        page, size = page_containing(int(position or 0), size)
        start = (page - 1) * size
        users = tuple(map(self.user, self.keys[start : start + size]))
        return window(users, start, size=size, has_more=len(users) == size)


@dataclass
class World:
    """The three systems and the merge over them."""

    systems: tuple[Listed, Listed, Listed]
    leftovers: PrefetchedUsers = field(default_factory=PrefetchedUsers)

    def __post_init__(self) -> None:
        self.merge = Merge(Sources(self.systems), Cursors(b"secret"), self.leftovers)  # type: ignore[arg-type]  # a stand-in with the methods that are used

    async def page(
        self, first: int, after: str | None = None, query: UserQuery | None = None, **given: Any
    ) -> UserPage:
        return await self.merge.page(query or UserQuery(), given.pop("needs", NEEDS), first=first, after=after, **given)

    async def walk(self, first: int, query: UserQuery | None = None, **given: Any) -> list[UserPage]:
        """All pages of that size."""
        pages = [await self.page(first, None, query, **given)]
        while pages[-1].has_next_page:
            pages.append(await self.page(first, pages[-1].end_cursor, query, **given))
        return pages

    @property
    def reads(self) -> list[int]:
        """How many windows were read of each system so far."""
        return [len(system.reads) for system in self.systems]

    def expected(self) -> list[tuple[UserSource, str]]:
        """Everybody who is not removed, newest first, then by source, then in the source's order."""
        everybody = [user for system in self.systems for user in system.users if user.status is None]
        return [name_of(user) for user in sorted(everybody, key=order)]


def world(
    account: Iterable[int | None] = (),
    softwareone: Iterable[int | None] = (),
    reseller: Iterable[int | None] = (),
    *,
    largest: tuple[int, int, int] = (1000, 100, 100),
    leftovers: PrefetchedUsers | None = None,
) -> World:
    """Three systems with users of these ticks, numbered from 0 in each."""
    systems = ByCursor(largest[0]), ByOffset(largest[1]), ByNumber(largest[2])
    for system, population in zip(systems, (account, softwareone, reseller), strict=True):
        keys = [(float("inf") if ticks is None else -ticks, -number) for number, ticks in enumerate(population)]
        system.keys = sorted(keys)
    return World(systems, leftovers or PrefetchedUsers())


def order(user: User) -> tuple[float, int]:
    """The merge's order of a user among those of other sources."""
    since = None if user.created_at is None else (user.created_at.instant() - _START) // timedelta(microseconds=1)
    return (float("inf") if since is None else -since), list(UserSource).index(user.source)


def name_of(user: User) -> tuple[UserSource, str]:
    """Who it is."""
    return user.source, user.source_id


def names(*pages: UserPage) -> list[tuple[UserSource, str]]:
    """Who is on these pages."""
    return [name_of(edge.node) for page in pages for edge in page.edges]


DOWN = SourceUnavailable("The system could not be reached.", retry_after=3.0)
