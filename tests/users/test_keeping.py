"""Which reads of users and lists are answered by what is kept, with a source in memory that counts its calls."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.users.ids import Kind, Ref
from gateway.users.lifetimes import KeepRule, Lifetimes
from gateway.users.model import User, UserChange, UserSource
from gateway.users.reading import KeepMode, UserReader
from gateway.users.records import KeptRecords
from gateway.users.source import Sources, UserQuery, Window

RESELLER = UserSource.RESELLER
PROFILE, ROLE = frozenset({"profile"}), frozenset({"role"})
ADA = User(RESELLER, "u1", "t1", name="Ada")


@dataclass
class Clock:
    """A clock that the test sets."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class MemorySource:
    """A source of users by id, whose lists contain them all. `calls` are the ids and positions that were requested."""

    users: dict[str, User] = field(default_factory=lambda: {ADA.source_id: ADA})
    calls: list[Any] = field(default_factory=list)
    name: UserSource = RESELLER
    tenant: str = "t1"
    user_template: str = "/users/{id}"
    list_template: str = "/users"
    constant_needs: frozenset[str] = frozenset()
    rows: frozenset[str] | None = PROFILE

    def row_needs(self, user: User, needs: frozenset[str]) -> frozenset[str] | None:  # noqa: ARG002 - it is fixed here
        return self.rows

    def changed_needs(self, user: User) -> frozenset[str] | None:  # noqa: ARG002 - a change returns everything
        return PROFILE | ROLE

    async def fetch_user(self, ref: Ref, needs: frozenset[str]) -> User | None:
        self.calls.append((ref.source_id, needs))
        return next((user for user in self.users.values() if ref.source_id in {user.source_id, user.email}), None)

    async def page_users(self, query: UserQuery, position: str | None, limit: int, needs: frozenset[str]) -> Window:
        self.calls.append((query, position, limit, needs))
        return Window(tuple(self.users.values()))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source() -> MemorySource:
    """A source with one user."""
    return MemorySource()


@pytest.fixture
def reads(source: MemorySource, clock: Clock) -> UserReader:
    """A reader that keeps users for ten minutes."""
    lifetimes = Lifetimes({RESELLER: KeepRule(600, 300)}, is_reported=lambda _: True)
    sources = Sources([source])  # type: ignore[list-item]  # it has the methods that are used
    return UserReader(sources, KeptRecords(clock=clock), lifetimes, mode=KeepMode.ON)


def ref(source_id: str) -> Ref:
    return Ref(Kind.USER, RESELLER, source_id, "t1")


async def test_the_event_of_a_deletion(source: MemorySource, reads: UserReader) -> None:
    """After the event of a deletion the user is read again, although the event has it as it is kept."""
    assert await reads.user(ref("u1"), PROFILE) == ADA
    reads.user_changed(ADA, UserChange.UPDATED)
    assert await reads.user(ref("u1"), PROFILE) == ADA
    assert len(source.calls) == 1
    source.users.clear()
    reads.user_changed(ADA, UserChange.DELETED)
    assert await reads.user(ref("u1"), PROFILE) is None
