from typing import Any

import pytest
from users.fake_lists import ACCOUNT, SOFTWAREONE, make_world, names

from gateway.errors import BadUserInput
from gateway.users.listing.prefetched import PrefetchedUsers, PrefetchedWindow
from gateway.users.model import User
from gateway.users.source import UserQuery, Window

N = frozenset({"profile"})


def prefetched_window(users: int, read_at: float = 0.0) -> PrefetchedWindow:
    return PrefetchedWindow(
        Window(tuple(User(ACCOUNT, str(number)) for number in range(users))), exact=True, read_at=read_at
    )


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that the test sets."""
    return Clock()


async def test_the_next_page_reads_nothing() -> None:
    """Users that were read beyond a page are used for the next one, also several times."""
    world = make_world(range(100), range(100), range(100))
    first = await world.page(50)
    reads = world.reads
    second = await world.page(10, first.end_cursor)
    assert world.reads == reads
    assert names(await world.page(10, first.end_cursor)) == names(second)
    assert world.reads == reads
    assert names(first, second) == world.expected()[:60]


async def test_without_them_the_page_is_the_same() -> None:
    """Without prefetched users, for example at another replica, the same users are read again."""
    world, replica = make_world(range(300), range(300), range(300)), make_world(range(300), range(300), range(300))
    first = await world.page(50)
    for size in (50, 7, 200):
        assert names(await replica.page(size, first.end_cursor)) == names(await world.page(size, first.end_cursor))
    assert replica.reads > [0, 0, 0]


@pytest.mark.parametrize("other", [{"principal": "bob"}, {"needs": N | {"role"}}])
async def test_not_for_others(other: dict[str, Any]) -> None:
    """The page of another principal, or one with more needs, does not use the prefetched users."""
    world = make_world(range(100), range(100), range(100))
    first = await world.page(10, principal="ada")
    await world.page(10, first.end_cursor, **other)
    assert world.reads == [2, 2, 2]


async def test_not_for_another_query() -> None:
    """A cursor is valid for one list only."""
    world = make_world(range(100))
    first = await world.page(10)
    for query, requested in ((UserQuery(search="x"), None), (UserQuery(), [ACCOUNT]), (UserQuery(tenant="t"), None)):
        with pytest.raises(BadUserInput) as raised:
            await world.page(10, first.end_cursor, query, requested=requested)
        assert [violation.path for violation in raised.value.violations] == [("after",)]


def test_kept_for_a_while(clock: Clock) -> None:
    """The users of each source expire so many seconds after they were read, also if they are stored again later."""
    prefetched = PrefetchedUsers(seconds=10, clock=clock)
    prefetched.store("", "c", N, {ACCOUNT: prefetched_window(1, 95.0), SOFTWAREONE: prefetched_window(1, 91.0)})
    assert set(prefetched.find("", "c", N)) == {ACCOUNT, SOFTWAREONE}
    clock.now = 101.0
    assert set(prefetched.find("", "c", N)) == {ACCOUNT}
    clock.now = 105.0
    assert not prefetched.find("", "c", N)


def test_expired_users_take_no_memory(clock: Clock) -> None:
    """What has expired is removed when something is stored, and not only when there is no more room."""
    prefetched = PrefetchedUsers(seconds=10, clock=clock)
    for cursor, read_at in (("a", 91.0), ("b", 95.0)):
        prefetched.store("", cursor, N, {ACCOUNT: prefetched_window(3, read_at)})
    clock.now = 101.0
    prefetched.store("", "c", N, {ACCOUNT: prefetched_window(3, 101.0)})
    assert prefetched._size == 6


def test_nothing_from_before_a_change(clock: Clock) -> None:
    """Users that were being read while one was changed are not stored, because they may be from before the change."""
    prefetched = PrefetchedUsers(clock=clock)
    prefetched.clear()
    prefetched.store("", "c", N, {ACCOUNT: prefetched_window(1, 99.0), SOFTWAREONE: prefetched_window(1, 101.0)})
    assert set(prefetched.find("", "c", N)) == {SOFTWAREONE}


def test_bounded() -> None:
    """The number of users is bounded: the least recently used are removed, and a larger entry is not stored."""
    prefetched = PrefetchedUsers(max_users=10, clock=lambda: 1.0)
    for cursor in "abc":
        prefetched.store("", cursor, N, {ACCOUNT: prefetched_window(3)})
    assert prefetched.find("", "a", N)
    prefetched.store("", "d", N, {ACCOUNT: prefetched_window(2), SOFTWAREONE: prefetched_window(2)})
    prefetched.store("", "e", N, {ACCOUNT: prefetched_window(11)})
    assert [cursor for cursor in "abcde" if prefetched.find("", cursor, N)] == ["a", "c", "d"]
    prefetched.store("", "d", N, {ACCOUNT: prefetched_window(4)})  # again: it counts once
    assert [cursor for cursor in "abcde" if prefetched.find("", cursor, N)] == ["a", "c", "d"]
    prefetched.clear()
    assert not any(prefetched.find("", cursor, N) for cursor in "abcde")
