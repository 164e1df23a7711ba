"""Whole walks over random systems that change while somebody is paging."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from users.listed import DOWN, World, name_of, order, world

from gateway.errors import SourceUnavailable
from gateway.users.model import User

# Few instants, so that many are equal; some differ by less than a microsecond; some are missing.
TICKS = st.sampled_from([None, 0, 1, 7, 10, 11, 13, 20, 25, 30, 40, 50, 60])
POPULATION = st.lists(TICKS, max_size=30) | st.lists(st.sampled_from([10, 20]), max_size=40)
# Numbered pages of less than seven could not overlap everywhere.
LARGEST = st.tuples(st.integers(1, 9), st.integers(2, 9), st.integers(7, 12))
WORLDS = st.builds(world, POPULATION, POPULATION, POPULATION, largest=LARGEST)
PAGE = st.integers(1, 9)
THOROUGHLY = settings(
    max_examples=500, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
_MOST_DELETED = 7  # of one system: one less than a walk remembers


@dataclass(frozen=True)
class Step:
    """A page, and what happens before it: users come and go, systems fail, what was left over is lost.

    With `kept` the client goes on behind that user of the page instead of behind the last one.
    """

    first: int
    created: tuple[tuple[int, int | None], ...] = ()
    deleted: tuple[tuple[int, int], ...] = ()
    failing: frozenset[int] = frozenset()
    forgetting: bool = False
    kept: int | None = None


def steps(*, failing: bool) -> st.SearchStrategy[list[Step]]:
    """Some pages of a walk."""
    which = st.integers(0, 2)
    return st.lists(
        st.builds(
            Step,
            first=st.integers(0, 9),
            created=st.lists(st.tuples(which, TICKS | st.integers(61, 99)), max_size=4).map(tuple),
            deleted=st.lists(st.tuples(which, st.integers(0, 40)), max_size=4).map(tuple),
            failing=st.frozensets(which, max_size=3) if failing else st.just(frozenset()),
            forgetting=st.booleans(),
            kept=st.none() | st.integers(0, 8),
        ),
        max_size=12,
    )


async def walk(systems: World, plan: list[Step], rest: int) -> list[User]:
    """Everybody whom a client sees that takes these steps, then pages of `rest` users to the end."""
    seen: list[User] = []
    cursor: str | None = None
    deleted: Counter[int] = Counter()
    created = 1000
    for step in (*plan, *[Step(rest)] * 1000):
        for which, ticks in step.created:
            created += 1
            systems.systems[which].add(created, ticks)
        for which, index in step.deleted:
            deleted[which] += 1
            if deleted[which] <= _MOST_DELETED:
                systems.systems[which].delete(index)
        for which, system in enumerate(systems.systems):
            system.failing = DOWN if which in step.failing else None
        if step.forgetting:
            systems.leftovers.clear()
        try:
            page = await systems.page(step.first, cursor)
        except SourceUnavailable:
            assert step.failing, "systems fail only where they are told to"
            continue
        assert {one.source for one in page.unavailable} <= {systems.systems[which].name for which in step.failing}
        edges = page.edges[: None if step.kept is None else step.kept + 1]
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
def test_still(systems: World, rest: int) -> None:
    """Where nothing changes, a walk is everybody once, newest first, ties by source and then in its own order."""
    seen = asyncio.run(walk(systems, [], rest))
    assert [name_of(user) for user in seen] == systems.expected()


def _proven(systems: World, plan: list[Step], rest: int) -> list[User]:
    """Walk, and look for losses and repeats; answers those who were there all the time, in the order seen."""
    before = set(systems.expected())
    seen = asyncio.run(walk(systems, plan, rest))
    counts = Counter(map(name_of, seen))
    assert max(counts.values(), default=0) <= 1, "nobody is repeated"
    stayed = before & set(systems.expected())
    assert stayed <= set(counts), "nobody is lost"
    return [user for user in seen if name_of(user) in stayed]


@THOROUGHLY
@example(  # by offset: somebody of the last one's instant is put in before it, and its window ends in between
    world([50, 50, 30, 30, 25, 25, 13, 11], [10, 10, *[20] * 9], largest=(8, 3, 11)),
    [Step(9, ((0, 80), (0, 50), (0, 25))), Step(4), Step(8), Step(1, ((1, 10), (1, 61)), forgetting=True)],
    8,
)
@example(  # the same by cursor
    world([20, None, 11, 60, 50, 50], [], [*[20] * 4, *[10] * 3], largest=(7, 8, 7)),
    [Step(8), Step(0, ((0, 40), (0, 11))), Step(4, ((0, 69),)), Step(6, forgetting=True)],
    5,
)
@given(WORLDS, steps(failing=False), PAGE)
def test_moving(systems: World, plan: list[Step], rest: int) -> None:
    """Users come and go between pages of any size: who stays is seen once, and in order over the whole walk."""
    stayed = _proven(systems, plan, rest)
    assert list(map(order, stayed)) == sorted(map(order, stayed))


@THOROUGHLY
@given(WORLDS, steps(failing=True), PAGE)
def test_failing(systems: World, plan: list[Step], rest: int) -> None:
    """Systems fail and come back, too: still nobody is lost or repeated, and each system's own order is kept."""
    stayed = _proven(systems, plan, rest)
    for source in {user.source for user in stayed}:
        own = [order(user) for user in stayed if user.source is source]
        assert own == sorted(own)
