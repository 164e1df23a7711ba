from typing import Any

import pytest
from users.listed import ACCOUNT, SOFTWAREONE, names, world

from gateway.errors import BadUserInput
from gateway.users.listing.prefetched import PrefetchedUsers, Unread
from gateway.users.model import User
from gateway.users.source import UserQuery, Window

N = frozenset({"profile"})


def unread(users: int, read_at: float = 0.0) -> Unread:
    return Unread(Window(tuple(User(ACCOUNT, str(number)) for number in range(users))), sure=True, read_at=read_at)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that a test sets."""
    return Clock()


async def test_the_next_page_reads_nothing() -> None:
    """What was read beyond a page serves the next one, again and again."""
    systems = world(range(100), range(100), range(100))
    first = await systems.page(50)
    reads = systems.reads
    second = await systems.page(10, first.end_cursor)
    assert systems.reads == reads
    assert names(await systems.page(10, first.end_cursor)) == names(second)
    assert systems.reads == reads
    assert names(first, second) == systems.expected()[:60]


async def test_without_them_the_answer_is_the_same() -> None:
    """Without what was left over, e.g. at another replica, the same users come by reading again."""
    systems, replica = world(range(300), range(300), range(300)), world(range(300), range(300), range(300))
    first = await systems.page(50)
    for size in (50, 7, 200):
        assert names(await replica.page(size, first.end_cursor)) == names(await systems.page(size, first.end_cursor))
    assert replica.reads > [0, 0, 0]


@pytest.mark.parametrize("other", [{"principal": "bob"}, {"needs": N | {"role"}}])
async def test_not_for_others(other: dict[str, Any]) -> None:
    """Another principal's page, or one that needs more of the users, reads for itself."""
    systems = world(range(100), range(100), range(100))
    first = await systems.page(10, principal="ada")
    await systems.page(10, first.end_cursor, **other)
    assert systems.reads == [2, 2, 2]


async def test_not_for_another_query() -> None:
    """A cursor is good for its own list only."""
    systems = world(range(100))
    first = await systems.page(10)
    for query, named in ((UserQuery(search="x"), None), (UserQuery(), [ACCOUNT]), (UserQuery(tenant="t"), None)):
        with pytest.raises(BadUserInput) as raised:
            await systems.page(10, first.end_cursor, query, named=named)
        assert [one.path for one in raised.value.violations] == [("after",)]


def test_kept_for_a_while(clock: Clock) -> None:
    """Each system's users are forgotten so many seconds after they were read, also when they are handed on."""
    leftovers = PrefetchedUsers(seconds=10, clock=clock)
    leftovers.keep("", "c", N, {ACCOUNT: unread(1, 95.0), SOFTWAREONE: unread(1, 91.0)})
    assert set(leftovers.find("", "c", N)) == {ACCOUNT, SOFTWAREONE}
    clock.now = 101.0
    assert set(leftovers.find("", "c", N)) == {ACCOUNT}
    clock.now = 105.0
    assert not leftovers.find("", "c", N)


def test_nothing_from_before_a_change(clock: Clock) -> None:
    """What was being read while a user was changed is not kept, for it may be from before."""
    leftovers = PrefetchedUsers(clock=clock)
    leftovers.clear()
    leftovers.keep("", "c", N, {ACCOUNT: unread(1, 99.0), SOFTWAREONE: unread(1, 101.0)})
    assert set(leftovers.find("", "c", N)) == {SOFTWAREONE}


def test_bounded() -> None:
    """So many users are held in all; what was used longest ago goes first, and what is too much is not kept."""
    leftovers = PrefetchedUsers(most=10, clock=lambda: 1.0)
    for cursor in "abc":
        leftovers.keep("", cursor, N, {ACCOUNT: unread(3)})
    assert leftovers.find("", "a", N)
    leftovers.keep("", "d", N, {ACCOUNT: unread(2), SOFTWAREONE: unread(2)})
    leftovers.keep("", "e", N, {ACCOUNT: unread(11)})
    assert [cursor for cursor in "abcde" if leftovers.find("", cursor, N)] == ["a", "c", "d"]
    leftovers.keep("", "d", N, {ACCOUNT: unread(4)})  # again: it counts once
    assert [cursor for cursor in "abcde" if leftovers.find("", cursor, N)] == ["a", "c", "d"]
    leftovers.clear()
    assert not any(leftovers.find("", cursor, N) for cursor in "abcde")
