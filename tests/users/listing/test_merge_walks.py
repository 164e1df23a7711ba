"""Whole walks over random sources whose users change between the pages."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from users.fake_lists import DOWN, World, make_world, name_of, order

from gateway.errors import SourceUnavailable
from gateway.users.model import User

# Few instants, so that many are equal. Some differ by less than a microsecond, some are missing.
TICKS = st.sampled_from([None, 0, 1, 7, 10, 11, 13, 20, 25, 30, 40, 50, 60])
POPULATION = st.lists(TICKS, max_size=30) | st.lists(st.sampled_from([10, 20]), max_size=40)
# Numbered pages of fewer than seven users cannot overlap everywhere.
MAX_WINDOWS = st.tuples(st.integers(1, 9), st.integers(2, 9), st.integers(7, 12))
WORLDS = st.builds(make_world, POPULATION, POPULATION, POPULATION, max_windows=MAX_WINDOWS)
PAGE = st.integers(1, 9)
THOROUGHLY = settings(max_examples=500, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
_MOST_DELETED = 7  # of one source: one less than the hashes in an anchor


@dataclass(frozen=True)
class Step:
    """A page, and what happens before it: users are created and deleted, sources fail, prefetched users are cleared.

    With `continue_at`, the client continues after that user of the page instead of after the last one.
    """

    first: int
    created: tuple[tuple[int, int | None], ...] = ()
    deleted: tuple[tuple[int, int], ...] = ()
    failing: frozenset[int] = frozenset()
    clearing: bool = False
    continue_at: int | None = None


def steps(*, failing: bool) -> st.SearchStrategy[list[Step]]:
    """Return a strategy for some pages of a walk."""
    index = st.integers(0, 2)
    return st.lists(
        st.builds(
            Step,
            first=st.integers(0, 9),
            created=st.lists(st.tuples(index, TICKS | st.integers(61, 99)), max_size=4).map(tuple),
            deleted=st.lists(st.tuples(index, st.integers(0, 40)), max_size=4).map(tuple),
            failing=st.frozensets(index, max_size=3) if failing else st.just(frozenset()),
            clearing=st.booleans(),
            continue_at=st.none() | st.integers(0, 8),
        ),
        max_size=12,
    )


async def walk(world: World, plan: list[Step], rest: int) -> list[User]:
    """Return the users that a client gets that takes these steps, and then pages of `rest` users to the end."""
    seen: list[User] = []
    cursor: str | None = None
    deleted: Counter[int] = Counter()
    created = 1000
    for step in (*plan, *[Step(rest)] * 1000):
        for index, ticks in step.created:
            created += 1
            world.sources[index].add(created, ticks)
        for index, user_index in step.deleted:
            deleted[index] += 1
            if deleted[index] <= _MOST_DELETED:
                world.sources[index].delete(user_index)
        for index, source in enumerate(world.sources):
            source.failing = DOWN if index in step.failing else None
        if step.clearing:
            world.prefetched.clear()
        try:
            page = await world.page(step.first, cursor)
        except SourceUnavailable:
            assert step.failing, "sources fail only in the steps for it"
            continue
        assert {unavailable.source for unavailable in page.unavailable} <= {
            world.sources[index].name for index in step.failing
        }
        edges = page.edges[: None if step.continue_at is None else step.continue_at + 1]
        if not step.failing:
            assert len(page.edges) == step.first or not page.has_next_page, "a page is full unless it is the last one"
            assert [order(edge.node) for edge in page.edges] == sorted(order(edge.node) for edge in page.edges)
        seen += [edge.node for edge in edges]
        cursor = edges[-1].cursor if edges else page.end_cursor or cursor
        if not page.has_next_page and len(edges) == len(page.edges):
            return seen
    raise AssertionError("the walk does not end")


@THOROUGHLY
@given(WORLDS, PAGE)
def test_still(world: World, rest: int) -> None:
    """Without changes a walk returns every user once: newest first, then by source, then in the source's order."""
    seen = asyncio.run(walk(world, [], rest))
    assert [name_of(user) for user in seen] == world.expected()


def _checked_walk(world: World, plan: list[Step], rest: int) -> list[User]:
    """Walk, check for skipped and repeated users, and return the unchanged ones in the order of the walk."""
    before = set(world.expected())
    seen = asyncio.run(walk(world, plan, rest))
    counts = Counter(map(name_of, seen))
    assert max(counts.values(), default=0) <= 1, "no user is repeated"
    stayed = before & set(world.expected())
    assert stayed <= set(counts), "no user is skipped"
    return [user for user in seen if name_of(user) in stayed]


@THOROUGHLY
@example(  # by offset: a user of the anchor's instant is inserted before it, and the window ends between the two
    make_world([50, 50, 30, 30, 25, 25, 13, 11], [10, 10, *[20] * 9], max_windows=(8, 3, 11)),
    [Step(9, ((0, 80), (0, 50), (0, 25))), Step(4), Step(8), Step(1, ((1, 10), (1, 61)), clearing=True)],
    8,
)
@example(  # the same by cursor
    make_world([20, None, 11, 60, 50, 50], [], [*[20] * 4, *[10] * 3], max_windows=(7, 8, 7)),
    [Step(8), Step(0, ((0, 40), (0, 11))), Step(4, ((0, 69),)), Step(6, clearing=True)],
    5,
)
@given(WORLDS, steps(failing=False), PAGE)
def test_moving(world: World, plan: list[Step], rest: int) -> None:
    """If users are created and deleted between pages, the others are returned once, in order over the whole walk."""
    stayed = _checked_walk(world, plan, rest)
    assert list(map(order, stayed)) == sorted(map(order, stayed))


@THOROUGHLY
@given(WORLDS, steps(failing=True), PAGE)
def test_failing(world: World, plan: list[Step], rest: int) -> None:
    """If sources fail as well, no user is skipped or repeated, and the order within each source is kept."""
    stayed = _checked_walk(world, plan, rest)
    for source in {user.source for user in stayed}:
        of_source = [order(user) for user in stayed if user.source is source]
        assert of_source == sorted(of_source)
