"""Lists whose pages, and whose users that were read for a later page, are kept."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from users.fake_lists import ACCOUNT, World, make_world, name_of, names
from users.listing.test_merge_walks import MAX_WINDOWS, PAGE, POPULATION, TICKS

from gateway.freshness import Freshness, FreshnessReport, current_freshness
from gateway.users.model import User, UserChange
from gateway.users.permitted_calls import NotKept


@dataclass
class Clock:
    """A clock that the test sets."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> World:
    """Three sources of fifty users, whose pages are kept."""
    world = make_world(range(50), range(50), range(50))
    world.keep(clock)
    return world


@pytest.fixture
def report() -> Iterator[FreshnessReport]:
    """The freshness of the operations of a test."""
    report = FreshnessReport()
    before = current_freshness.set(report)
    yield report
    current_freshness.reset(before)


async def test_a_page_and_the_next_one(world: World, clock: Clock, report: FreshnessReport) -> None:
    """A page is read once in five seconds, and the users beyond it are not given later than those of the page."""
    first = await world.page(10)
    clock.now += 4
    assert names(await world.page(10)) == names(first)
    assert (world.reads, report.hits, report.ttl) == ([1, 1, 1], 3, 1)
    again = await world.page(10)
    clock.now += 0.9
    await world.page(5, again.end_cursor)  # of the same reads, which are 4.9 seconds old
    assert (world.reads, report.hits) == ([1, 1, 1], 9)
    assert report.ttl == pytest.approx(0.1)
    clock.now += 0.1
    await world.page(5, again.end_cursor)
    assert world.reads == [2, 2, 2]


async def test_a_created_user(world: World, clock: Clock) -> None:
    """A creation that is known drops the pages and the users beyond them."""
    first = await world.page(10)
    world.sources[0].add(1000, 1000)
    reads = world.keep(clock)
    first = await world.page(10)
    user = User(ACCOUNT, "1001")
    world.sources[0].add(1001, 1001)
    reads.kept_users.user_changed(user, UserChange.CREATED)
    world.prefetched.clear(ACCOUNT)
    assert names(await world.page(10))[0] == (ACCOUNT, "1001")
    counts = world.reads
    await world.page(5, first.end_cursor)
    assert [after - before for before, after in zip(counts, world.reads, strict=True)] == [1, 0, 0]


@pytest.mark.parametrize(
    ("wanted", "calls"), [(Freshness(no_cache=True), 1), (Freshness(max_age=1), 1), (Freshness(max_age=3), 0)]
)
async def test_the_caller_decides(
    world: World, clock: Clock, report: FreshnessReport, wanted: Freshness, calls: int
) -> None:
    """What a caller does not accept is read again: pages, and users that were read for an earlier one."""
    first = await world.page(10)
    clock.now += 2
    report.wanted = wanted
    await world.page(5, first.end_cursor)
    assert world.reads == [1 + calls] * 3
    await world.page(10)
    assert world.reads == [1 + 2 * calls] * 3


async def test_only_what_is_kept(world: World, report: FreshnessReport) -> None:
    """A caller who forbids calls gets the pages that are kept, and the users beyond them; else an error."""
    report.wanted = Freshness(only_if_cached=True)
    with pytest.raises(NotKept):
        await world.page(10)
    report.wanted = Freshness()
    first = await world.page(10)
    report.wanted = Freshness(only_if_cached=True)
    assert names(await world.page(10)) == names(first)
    assert len((await world.page(5, first.end_cursor)).edges) == 5
    assert world.reads == [1, 1, 1]


async def test_changes_at_other_replicas(clock: Clock) -> None:
    """Before anything that was read is given, the changes at other replicas are known, or it is read again."""
    world = make_world(range(50), range(50), range(50))
    known = True

    async def catch_up() -> bool:
        await asyncio.sleep(0)
        return known

    world.keep(clock, catch_up)
    first = await world.page(10)
    await world.page(10)
    await world.page(5, first.end_cursor)
    assert world.reads == [1, 1, 1]
    known = False
    await world.page(5, first.end_cursor)
    await world.page(10)
    assert world.reads == [3, 3, 3]


@dataclass(frozen=True)
class Step:
    """What happens before a page: the time that passes, users who come and go unnoticed, and pages of another walk."""

    first: int
    seconds: float
    created: tuple[tuple[int, int | None], ...]
    deleted: tuple[tuple[int, int], ...]
    other_pages: int


STEPS = st.lists(
    st.builds(
        Step,
        first=st.integers(1, 9),
        seconds=st.sampled_from([0.0, 0.0, 2.0, 3.0]),
        created=st.lists(st.tuples(st.integers(0, 2), TICKS | st.integers(61, 99)), max_size=2).map(tuple),
        deleted=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=1).map(tuple),
        other_pages=st.integers(0, 4),
    ),
    max_size=7,
)


async def _walk(world: World, clock: Clock, steps: list[Step], rest: int) -> list[User]:
    """Return the users that a client gets in these steps and then in pages of `rest` users, beside another client."""
    seen: list[User] = []
    cursor: str | None = None
    other: str | None = None
    created = 1000
    for step in (*steps, *[Step(rest, 0.0, (), (), 1)] * 1000):
        clock.now += step.seconds
        for index, ticks in step.created:
            created += 1
            world.sources[index].add(created, ticks)
        for index, user_index in step.deleted:
            world.sources[index].delete(user_index)
        for _ in range(step.other_pages):
            other = (await world.page(step.first, other)).end_cursor
        page = await world.page(step.first, cursor)
        seen += [edge.node for edge in page.edges]
        cursor = page.end_cursor or cursor
        if not page.has_next_page:
            return seen
    raise AssertionError("the walk does not end")


@settings(max_examples=250, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.builds(make_world, POPULATION, POPULATION, POPULATION, max_windows=MAX_WINDOWS), STEPS, PAGE)
def test_walks_over_kept_pages(world: World, steps: list[Step], rest: int) -> None:
    """With pages as old as they may be, users who stay are returned once, whoever is created or deleted unnoticed."""
    clock = Clock()
    world.keep(clock)
    before = set(world.expected())
    seen = asyncio.run(_walk(world, clock, steps, rest))
    counts = Counter(map(name_of, seen))
    assert max(counts.values(), default=0) <= 1, "no user is repeated"
    assert before & set(world.expected()) <= set(counts), "no user is skipped"
