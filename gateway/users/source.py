"""What the service requires of a source, as protocols, and the types that pass between the two."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from gateway.errors import Origin, SourceNotConfigured
from gateway.users.icons import IconRules
from gateway.users.ids import Kind, Ref
from gateway.users.model import RoleType, User, UserSource, UserStatus
from gateway.users.probe import Probe

__all__ = [
    "CompletingSource",
    "CreatingSource",
    "Directory",
    "IconSource",
    "Page",
    "PictureStore",
    "Source",
    "Sources",
    "UserQuery",
    "Window",
    "not_configured",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Records in the source's order, and the position of the next page, None at the end."""

    items: tuple[T, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class UserQuery:
    """The filter of a list of users; `tenant` is the reseller, empty for the configured one."""

    search: str | None = None
    email: str | None = None
    role_type: RoleType | None = None
    include_removed: bool = False
    tenant: str = ""

    def matches(self, user: User) -> bool:
        """Return whether a user that a source returned matches: not every source filters by each part of a query."""
        return bool(self.matching((user,)))

    def matching(self, users: Sequence[User]) -> list[int]:
        """Return the indices of the users that match, for a whole list at once."""
        all_statuses, removed = self.include_removed, UserStatus.REMOVED
        indices = [index for index, user in enumerate(users) if all_statuses or user.status is not removed]
        if self.email is None:
            return indices
        email = self.email.casefold()
        return [index for index in indices if (users[index].email or "").casefold() == email]


@dataclass(frozen=True, slots=True)
class Window:
    """Users in the source's order, newest first, from a position on.

    `next` is the position to continue from, None at the end. If the positions of a source are indices into its list,
    users move to other indices when users are created or deleted. Its windows are then `overlapping`: the next one
    begins with the last user of this one. `previous` is then the position of an earlier window, to which users of this
    one may have moved, None at index 0.
    """

    items: tuple[User, ...]
    next: str | None = None
    previous: str | None = None
    overlapping: bool = False


class Directory(Protocol[T]):
    """One kind of reference data of a source: roles, departments or organizations.

    `template` is the path of the call for one record, with `{id}` in place of its id.
    """

    @property
    def template(self) -> str: ...

    async def fetch(self, ref: Ref, needs: frozenset[str]) -> T | None:
        """Return one record, or None if the source has none of that id."""

    async def page(
        self,
        tenant: str,
        needs: frozenset[str],
        after: str | None,
        *,
        search: str | None = None,
        limit: int | None = None,
    ) -> Page[T]:
        """Return at most `limit` records after a position, None for the start; fewer if a response has fewer."""


class Source(Protocol):
    """A source of users.

    A class may inherit from it: then it has a name and the three methods, and the other members are as simple as they
    can be. Every method raises the errors of `gateway.errors`. The error of a change that may have been executed has an
    `outcome`.
    """

    @property
    def name(self) -> UserSource: ...

    @property
    def tenant(self) -> str:
        """The tenant to use where none is given: the configured reseller, empty in the other sources."""
        return ""

    @property
    def list_template(self) -> str:
        """The path template of the calls for a list of users."""
        return ""

    @property
    def user_template(self) -> str:
        """The path template of the call for one user."""
        return ""

    @property
    def constant_needs(self) -> frozenset[str]:
        """The needs that every user has who is read alone, whatever was requested."""
        return frozenset()

    def row_needs(self, user: User, needs: frozenset[str]) -> frozenset[str] | None:  # noqa: ARG002 - a default
        """Return the needs that a user has who is a row of a list that was read with `needs`.

        None: the row is not the same as the user read alone with whatever needs.
        """
        return None

    def changed_needs(self, user: User) -> frozenset[str] | None:  # noqa: ARG002 - a default
        """Return the needs that a user has who was just returned by a change; None: it is not the user as it is now."""
        return None

    @property
    def directories(self) -> Mapping[Kind, Directory[Any]]:
        """The reference data of this source."""
        return {}

    @property
    def recognises_keys(self) -> bool:
        """Whether it executes a change once under an idempotency key; if not, it executes a repeated one again."""
        return False

    def now(self) -> float:
        """Return the time by the clock of the source, in seconds since 1970: its records have times of that clock."""
        return time.time()

    @property
    def probes(self) -> Sequence[Probe]:
        """The calls of `gateway check`. The first one reads a list of one user; the others depend on its success."""
        return ()

    async def fetch_user(self, ref: Ref, needs: frozenset[str]) -> User | None:
        """Return one user with its needs (`planning.Plan`), or None if there is none."""

    async def page_users(self, query: UserQuery, position: str | None, limit: int, needs: frozenset[str]) -> Window:
        """Return at most `limit` users from a position on, None for the start; fewer if a response has fewer.

        Users that do not match the query may be among them, if the source cannot filter by a part of it
        (`UserQuery.matches`).

        Raises:
            BadUserInput: the source does not accept the query, or no longer accepts the position.
        """

    async def update_user(self, ref: Ref, change: Any, key: str) -> User | None:
        """Execute a change of this source's class; if it `recognises_keys`, at most once under the idempotency key.

        Returns None if the source confirms the change without returning the user.

        Raises:
            NotFound: there is no such user.
        """


@runtime_checkable
class CreatingSource(Protocol):
    """A source in which users can be created."""

    async def create_user(self, change: Any, key: str) -> User:
        """Create a user, at most once under the idempotency key."""


@runtime_checkable
class CompletingSource(Protocol):
    """A source whose response to a change may leave out fields of the user."""

    def missing(self, user: User, needs: frozenset[str]) -> frozenset[str]:
        """Return those of the needs that the response left out."""

    async def complete(self, user: User, missing: frozenset[str]) -> User:
        """Return the user with what is missing.

        What cannot be read stays null, and is among its `omitted_fields`: the change was executed all the same.
        """


@runtime_checkable
class IconSource(Protocol):
    """A source that accepts icons in changes."""

    @property
    def icon_rules(self) -> IconRules:
        """Which icons it accepts; they are checked before a change is executed."""


class PictureStore(Protocol):
    """The pictures of a source."""

    def locate(self, address: str) -> str | None:
        """Return where `fetch` finds the picture at an address that the source sent: a short form of a URL or path.

        None if it is neither below the base URL of the source nor at a host that is permitted.
        """

    async def fetch(self, location: str, max_bytes: int) -> bytes | None:
        """Return the content of a picture, or None if there is none.

        Raises:
            SourceInvalidResponse: it is larger than allowed, or a redirect leads to a host that is not permitted.
        """


class Sources:
    """The configured sources."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._by_name = {source.name: source for source in sources}

    def __iter__(self) -> Iterator[Source]:
        return iter(self._by_name.values())

    def find(self, name: UserSource) -> Source | None:
        """Return the source of that name, None if it is not configured."""
        return self._by_name.get(name)

    def named(self, name: UserSource) -> Source:
        """Return the source of that name.

        Raises:
            SourceNotConfigured: it has no base URL and token.
        """
        source = self._by_name.get(name)
        if source is None:
            raise not_configured(name)
        return source


def not_configured(name: UserSource) -> SourceNotConfigured:
    """Return the error of a source that has no base URL and token."""
    return SourceNotConfigured(f"The {name} source is not configured.", origin=Origin(source=name))
