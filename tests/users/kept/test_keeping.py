"""Which reads of users and lists are answered by what is kept, with a source in memory that counts its calls."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.freshness import Freshness, FreshnessReport
from gateway.operation import acting_as, current_principal, current_shared_calls, operation
from gateway.principal import Action, Principal
from gateway.users.ids import Kind, Ref
from gateway.users.kept.lifetimes import KeepRule, Lifetimes
from gateway.users.kept.records import KeptRecords
from gateway.users.model import Timestamp, User, UserChange, UserSource
from gateway.users.planning import Plan
from gateway.users.reading import KeepMode, UserReader
from gateway.users.service import UserService
from gateway.users.source import Sources, UserQuery, Window

RESELLER = UserSource.RESELLER
PROFILE, ROLE = frozenset({"profile"}), frozenset({"role"})
ADA = User(RESELLER, "u1", "t1", name="Ada")
TIMES = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


@dataclass
class Clock:
    """A clock that the test sets."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class MemorySource:
    """A source of users by id, whose lists contain them all.

    `calls` are the ids and positions that were requested, and `principals` on whose behalf the users were.
    """

    users: dict[str, User] = field(default_factory=lambda: {ADA.source_id: ADA})
    calls: list[Any] = field(default_factory=list)
    principals: list[Principal] = field(default_factory=list)
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
        self.principals.append(current_principal.get())
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


async def test_without_a_wait(source: MemorySource, reads: UserReader) -> None:
    """The only user of an operation is given without a wait if it is kept, and called for on behalf of the caller."""
    caller = Principal("caller", frozenset({Action.READ}), forwarded={RESELLER: {"authorization": "Bearer t0ken"}})
    service = UserService(Sources([source]), reads=reads).by(caller)  # type: ignore[list-item]  # as above

    def read() -> Any:
        return service.read(ref("u1"), loaders=service.loaders(Plan({Kind.USER: PROFILE}, single_user=True)))

    assert await read() is ADA
    assert source.principals == [caller]
    assert read() is ADA
    service.credential_refused(caller, RESELLER)
    assert await read() is ADA
    assert source.principals == [caller, caller]


async def test_the_event_of_a_deletion(source: MemorySource, reads: UserReader) -> None:
    """After the event of a deletion the user is read again, although the event has it as it is kept."""
    assert await reads.user(ref("u1"), PROFILE) == ADA
    reads.kept_users.user_changed(ADA, UserChange.UPDATED)
    assert await reads.user(ref("u1"), PROFILE) == ADA
    assert len(source.calls) == 1
    source.users.clear()
    reads.kept_users.user_changed(ADA, UserChange.DELETED)
    assert await reads.user(ref("u1"), PROFILE) is None


async def test_a_complete_row(source: MemorySource, reads: UserReader) -> None:
    """After a list, the user of a row is no call; for needs that the row lacks, it is one call with all needs."""
    await reads.page(source, UserQuery(), None, 10, PROFILE)  # type: ignore[arg-type]  # as above
    assert await reads.user(ref("u1"), PROFILE) == ADA
    assert len(source.calls) == 1
    for needs in (ROLE, PROFILE, PROFILE | ROLE):
        assert await reads.user(ref("u1"), needs) == ADA
    assert source.calls[1:] == [("u1", PROFILE | ROLE)]


async def test_an_incomplete_row(source: MemorySource, reads: UserReader) -> None:
    """A row that is not the same as its user is not kept as a user."""
    source.rows = None
    await reads.page(source, UserQuery(), None, 10, PROFILE)  # type: ignore[arg-type]  # as above
    await reads.user(ref("u1"), frozenset())
    assert len(source.calls) == 2


async def test_constant_needs(source: MemorySource, reads: UserReader) -> None:
    """A user who was read has the needs that every user has who is read."""
    source.constant_needs = ROLE
    await reads.user(ref("u1"), PROFILE)
    await reads.user(ref("u1"), ROLE)
    assert source.calls == [("u1", PROFILE)]


@pytest.mark.parametrize("named", ["ada@example.com", "U1"])
async def test_another_name_of_a_user(source: MemorySource, reads: UserReader, named: str) -> None:
    """A user who was read by another id is kept under both, and a change of the user drops both."""
    source.users["u1"] = ada = User(RESELLER, "u1", "t1", name="Ada", email=named)
    for source_id in (named, "u1", named):
        assert await reads.user(ref(source_id), PROFILE) == ada
    assert len(source.calls) == 1
    source.users["u1"] = changed = User(RESELLER, "u1", "t1", name="Ada L.", email=named)
    reads.kept_users.user_changed(changed, UserChange.UPDATED)
    for source_id in (named, "u1", named):
        assert await reads.user(ref(source_id), PROFILE) == changed
    assert len(source.calls) == 2


async def test_a_row_that_shows_a_change(source: MemorySource, reads: UserReader, clock: Clock) -> None:
    """A row replaces a user that was kept with more needs, if it shows that the user was changed or created since."""
    old, new = [User(RESELLER, "u1", "t1", name=time, updated_at=Timestamp(time)) for time in TIMES]
    source.users = {}
    assert await reads.user(ref("u1"), PROFILE | ROLE) is None
    for user, calls in ((old, 1), (old, 0), (new, 1)):
        clock.now += 1
        source.users["u1"] = user
        query = UserQuery(search=f"{clock.now}")
        await reads.page(source, query, None, 10, PROFILE)  # type: ignore[arg-type]  # it has the methods that are used
        source.calls.clear()
        assert await reads.user(ref("u1"), PROFILE) == user
        assert await reads.user(ref("u1"), PROFILE | ROLE) == user
        assert len(source.calls) == calls


async def test_an_empty_list(source: MemorySource, reads: UserReader, clock: Clock) -> None:
    """A list without users states that there are none, for two seconds instead of five."""
    query = UserQuery(email="ada@example.com")
    for users, after, calls in (({}, 1.9, 1), ({}, 2.0, 2), ({"u1": ADA}, 4.9, 1), ({"u1": ADA}, 5.0, 2)):
        source.users = users
        reads.kept_users.source_changed(RESELLER)
        source.calls.clear()
        await reads.page(source, query, None, 10, PROFILE)  # type: ignore[arg-type]  # as above
        clock.now += after
        await reads.page(source, query, None, 10, PROFILE)  # type: ignore[arg-type]  # as above
        assert len(source.calls) == calls


async def test_a_change_returns_the_user(source: MemorySource, reads: UserReader) -> None:
    """The user that a change returned is no call, by its creator and by others, and is on the first page at once."""
    grace = User(RESELLER, "u2", "t1", name="Grace")
    with acting_as(Principal("bob", frozenset(Action))):
        await reads.page(source, UserQuery(), None, 10, PROFILE)  # type: ignore[arg-type]  # as above
        change = reads.kept_users.begin_change(RESELLER, None)
        source.users["u2"] = grace
        reads.kept_users.end_change(change, None, grace)
    source.calls.clear()
    with acting_as(Principal("ada", frozenset(Action))):
        assert await reads.user(ref("u2"), PROFILE | ROLE) == grace
        assert not source.calls
        window, _, _ = await reads.page(source, UserQuery(), None, 10, PROFILE)  # type: ignore[arg-type]  # as above
    assert grace in window.items


async def test_what_a_response_left_out(source: MemorySource, reads: UserReader) -> None:
    """The user of a change is kept with what was read for its response, unless the user was changed meanwhile."""
    completed = User(RESELLER, "u1", "t1", name="Ada", company="Acme")
    reported = User(RESELLER, "u1", "t1", name="Ada L.")

    class Completing:
        event: User | None = None

        def missing(self, user: User, needs: frozenset[str]) -> frozenset[str]:
            raise NotImplementedError

        async def complete(self, user: User, missing: frozenset[str]) -> User:  # noqa: ARG002 - it knows what is missing
            if self.event is not None:
                reads.kept_users.user_changed(self.event, UserChange.UPDATED)
            return completed

    completing = Completing()
    for event, expected, calls in ((None, completed, 0), (ADA, ADA, 0), (reported, reported, 1)):
        source.calls.clear()
        source.users["u1"] = reported
        reads.kept_users.end_change(reads.kept_users.begin_change(RESELLER, ref("u1")), ref("u1"), ADA)
        completing.event = event
        assert await reads.kept_users.complete(completing, ADA, ROLE) == completed
        assert (await reads.user(ref("u1"), PROFILE), len(source.calls)) == (expected, calls)


async def test_another_address(source: MemorySource, reads: UserReader) -> None:
    """Once a new e-mail address is known, the user has it, is found by it, and no longer by the one before."""
    old, new = (User(RESELLER, "u1", "t1", email=address) for address in ("old@example.com", "new@example.com"))
    source.users["u1"] = old
    before = [await reads.user(ref(name), PROFILE) for name in ("old@example.com", "new@example.com", "u1")]
    source.users["u1"] = new
    reads.kept_users.user_changed(new, UserChange.UPDATED)
    after = [await reads.user(ref(name), PROFILE) for name in ("old@example.com", "new@example.com", "u1")]
    assert (before, after) == ([old, None, old], [None, new, new])


async def test_read_that_shares_a_call(source: MemorySource, reads: UserReader, clock: Clock) -> None:
    """What is read by a call that others had begun before is as old as that call."""
    fetch_user = source.fetch_user

    async def fetch_shared(ref: Ref, needs: frozenset[str]) -> User | None:
        if (shared := current_shared_calls.get()) is not None:
            shared.age = 4.0
        return await fetch_user(ref, needs)

    source.fetch_user = fetch_shared  # type: ignore[method-assign]  # as if others had begun the call 4 s ago
    await reads.user(ref("u1"), PROFILE)
    clock.now += 1
    with operation(freshness=FreshnessReport(Freshness(max_age=3))):
        await reads.user(ref("u1"), PROFILE)
    assert len(source.calls) == 2
    with operation(freshness=FreshnessReport(Freshness(max_age=6))):
        await reads.user(ref("u1"), PROFILE)
    assert len(source.calls) == 2


async def test_no_cache_after_the_change_of_another_replica(source: MemorySource, clock: Clock) -> None:
    """A read that accepts nothing that is kept shares no call from before a change that another replica made."""
    order: list[str] = []

    async def catch_up() -> bool:
        order.append("caught up")
        return True

    async def fetch_user(ref: Ref, needs: frozenset[str]) -> User | None:
        order.append("called")
        return ADA

    source.fetch_user = fetch_user  # type: ignore[method-assign]  # it only notes the order
    sources = Sources([source])  # type: ignore[list-item]  # it has the methods that are used
    lifetimes = Lifetimes({RESELLER: KeepRule(600, 300)}, is_reported=lambda _: True)
    reads = UserReader(sources, KeptRecords(clock=clock), lifetimes, mode=KeepMode.ON, catch_up=catch_up)
    with operation(freshness=FreshnessReport(Freshness(no_cache=True))):
        await reads.user(ref("u1"), PROFILE)
    assert order == ["caught up", "called"]


async def test_list_that_learns_late(source: MemorySource, reads: UserReader, clock: Clock) -> None:
    """A user of a list that shows an earlier change than what is kept of it does not replace that."""
    source.rows = PROFILE | ROLE
    before, after = (User(RESELLER, "u1", "t1", name=time, updated_at=Timestamp(time)) for time in TIMES)
    kept_users = reads.kept_users
    kept_users.end_change(kept_users.begin_change(RESELLER, ref("u1")), ref("u1"), after)
    clock.now += 1
    source.users = {"u1": before}
    await reads.page(source, UserQuery(), None, 10, PROFILE)  # type: ignore[arg-type]  # it has the methods that are used
    assert await reads.user(ref("u1"), PROFILE) == after
    source.users = {"u1": replace(after, name="later", updated_at=Timestamp("2026-01-03T00:00:00Z"))}
    await reads.page(source, UserQuery(), "2", 10, PROFILE)  # type: ignore[arg-type]  # as above
    found = await reads.user(ref("u1"), PROFILE)
    assert found is not None
    assert found.name == "later"
