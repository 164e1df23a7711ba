"""What the service needs from a system behind it. The systems implement it; the service knows no other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, Protocol, TypeVar, runtime_checkable

from gateway.errors import Code, GatewayError, Origin, SourceNotConfigured
from gateway.users.ids import Kind, Ref
from gateway.users.model import RoleType, User, UserChange, UserSource, UserStatus

__all__ = [
    "Creates",
    "Directory",
    "Page",
    "PolledSource",
    "Source",
    "SourceChanges",
    "Sources",
    "Unavailable",
    "UserQuery",
    "Window",
    "raise_most_relevant",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Records in the source's order, and the position of the next page: None at the end."""

    items: tuple[T, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class UserQuery:
    """Which users are wanted; `tenant` is the reseller, empty for the configured one."""

    search: str | None = None
    email: str | None = None
    role_type: RoleType | None = None
    include_removed: bool = False
    tenant: str = ""

    def takes(self, user: User) -> bool:
        """Whether a user that a source listed is really meant: not every source can look that closely."""
        if self.email is not None and (user.email or "").casefold() != self.email.casefold():
            return False
        return self.include_removed or user.status is not UserStatus.REMOVED


@dataclass(frozen=True, slots=True)
class Window:
    """Users in the source's order, newest first, from a position on.

    `next` is the position to go on from, None at the end. Where the source counts places, users move when others come
    and go: there windows are `overlapping`, the next one beginning with the last user of this one, and `previous` is
    the position of an earlier window, where users of this one may have gone, None at the first place.
    """

    items: tuple[User, ...]
    next: str | None = None
    previous: str | None = None
    overlapping: bool = False


class Directory(Protocol[T]):
    """One kind of reference data of a system: roles, departments, organizations."""

    async def fetch(self, ref: Ref, needs: frozenset[str]) -> T | None:
        """One record, or None where the source has none under that id."""

    async def page(
        self,
        tenant: str,
        needs: frozenset[str],
        after: str | None,
        *,
        search: str | None = None,
        limit: int | None = None,
    ) -> Page[T]:
        """Records from a position on, None being the start; without a limit, as many as the source gives at once."""


class Source(Protocol):
    """A system that users live in.

    Every method raises the errors of `gateway.errors`; a failed change whose effect is not known
    carries `outcome`.
    """

    @property
    def name(self) -> UserSource: ...

    @property
    def tenant(self) -> str:
        """The tenant that is meant where none is named: the configured reseller, else empty."""

    @property
    def directories(self) -> Mapping[Kind, Directory[Any]]:
        """The reference data that this system has."""

    async def probe(self) -> str | None:
        """One small call: what is left of the source's rate budget, None where it does not tell."""

    async def fetch_user(self, ref: Ref, needs: frozenset[str]) -> User | None:
        """One user with what is needed of it (`planning.Plan`), or None where there is none."""

    async def page_users(self, query: UserQuery, position: str | None, limit: int, needs: frozenset[str]) -> Window:
        """Users from a position on, None being the start: `limit` of them, or as many as the source gives at once.

        They may be more than the query means, where the source cannot filter by a part of it (`UserQuery.takes`).

        Raises:
            BadUserInput: the source does not take the query, or no longer the position.
        """

    async def update_user(self, ref: Ref, change: Any, key: str) -> User | None:
        """Carry out a change of this system's own kind, at most once under the idempotency key.

        None where the system says that it is done and not what the user is like now.

        Raises:
            NotFound: there is no such user.
        """


@runtime_checkable
class Creates(Protocol):
    """A system in which users can be created."""

    async def create_user(self, change: Any, key: str) -> User:
        """Create a user, at most once under the idempotency key."""


class Sources:
    """The systems that are configured here."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._by_name = {source.name: source for source in sources}

    def __iter__(self) -> Iterator[Source]:
        return iter(self._by_name.values())

    def named(self, name: UserSource) -> Source:
        """The system of that name.

        Raises:
            SourceNotConfigured: it has no base URL and token here.
        """
        source = self._by_name.get(name)
        if source is None:
            raise SourceNotConfigured(f"The {name} system is not configured here.", origin=Origin(source=name))
        return source


@dataclass(frozen=True, slots=True)
class SourceChanges:
    """Changes, the earlier ones first, each with the user as it is now; and the position to ask from next time."""

    changes: tuple[tuple[UserChange, User], ...]
    position: str


@runtime_checkable
class PolledSource(Protocol):
    """A system that can be asked what has changed."""

    @property
    def name(self) -> UserSource: ...

    async def changes_since(self, position: str | None) -> SourceChanges:
        """What happened after a position; after None, which is now, nothing.

        What happened close to a position may be told again: a system may write down late what happened earlier.
        Raises the errors of `gateway.errors`.
        """


# What somebody has to put right comes before what passes by itself.
_TELLING = (
    Code.UNAUTHENTICATED,
    Code.SOURCE_CREDENTIALS,
    Code.SOURCE_INVALID_RESPONSE,
    Code.RATE_LIMITED,
    Code.SOURCE_TIMEOUT,
    Code.SOURCE_UNAVAILABLE,
)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A source whose part is missing, and why; `retry_after` is in seconds."""

    source: UserSource
    code: Code
    message: str
    retry_after: float | None = None

    @classmethod
    def of(cls, source: UserSource, error: GatewayError) -> "Unavailable":
        """What a caller is told of a source's failure."""
        return cls(source, error.code, error.message, error.retry_after)


def raise_most_relevant(errors: Sequence[GatewayError]) -> NoReturn:
    """Raise the error that says most of why no source answered."""
    ranks = {code: rank for rank, code in enumerate(_TELLING)}
    raise min(errors, key=lambda error: ranks.get(error.code, len(ranks)))
