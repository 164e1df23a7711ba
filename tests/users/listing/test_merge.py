from dataclasses import replace
from typing import Any

import pytest
from users.fake_lists import ACCOUNT, DOWN, NEEDS, RESELLER, SOFTWAREONE, World, make_world, names

from gateway.errors import (
    BadUserInput,
    Code,
    GatewayError,
    RateLimited,
    SourceCredentials,
    SourceInvalidResponse,
    SourceNotConfigured,
    SourceTimeout,
    SourceUnavailable,
)
from gateway.users.listing.merge import UserEdge
from gateway.users.listing.source_stream import SegmentPosition, WalkSegment
from gateway.users.model import RoleType
from gateway.users.source import Sources, UserQuery

A, S, R = ACCOUNT, SOFTWAREONE, RESELLER


def failing(world: World, *errors: GatewayError | None) -> World:
    for source, error in zip(world.sources, errors, strict=True):
        source.failing = error
    return world


async def test_order() -> None:
    """The newest users come first; of one instant account, softwareone, reseller, each in the order of the source."""
    page = await make_world([10, 30, 10], [30, 20], [10, 40, None]).page(20)
    assert names(page) == [(R, "1"), (A, "1"), (S, "0"), (S, "1"), (A, "2"), (A, "0"), (R, "0"), (R, "2")]
    assert (page.has_next_page, page.unavailable) == (False, ())


async def test_instants_are_compared() -> None:
    """Times are compared by their instants in microseconds, whatever their offset and number of digits."""
    page = await make_world([21], [29], [20]).page(3)
    assert [source for source, _ in names(page)] == [A, S, R]


@pytest.mark.parametrize(("first", "has_next_page"), [(0, True), (1, True), (3, True), (4, False), (200, False)])
async def test_has_next_page(first: int, *, has_next_page: bool) -> None:
    """`has_next_page` is true exactly if there is a next user."""
    page = await make_world([1, 2], [3], [4]).page(first)
    assert (len(page.edges), page.has_next_page) == (min(first, 4), has_next_page)


async def test_a_full_last_window() -> None:
    """After a full window the next one is read to find out whether there is more, and is used for the next page."""
    world = make_world([], [], range(200))
    first = await world.page(100)
    assert first.has_next_page
    second = await world.page(100, first.end_cursor)
    assert (len(second.edges), second.has_next_page) == (100, False)
    assert world.reads == [1, 1, 3]


async def test_empty() -> None:
    """An empty list has no end cursor."""
    page = await make_world().page(5)
    assert (page.edges, page.has_next_page, page.end_cursor) == ((), False, None)


async def test_first_windows_are_read_at_once() -> None:
    """The first windows are requested at the same time, each of one user more than the page."""
    world = make_world([1], [2], [3])
    log: list[str] = []
    for source in world.sources:
        source.delay, source.log = 0.01, log
    await world.page(50)
    assert log == ["requested"] * 3 + ["responded"] * 3
    assert [source.reads for source in world.sources] == [[(None, 51)]] * 3


async def test_only_what_is_needed_is_read() -> None:
    """No further window is read of a source whose next user is older than the page."""
    world = make_world(range(1000, 1400), range(150), range(150))
    for _ in range(2):
        await world.page(50)
    assert world.reads == [2, 2, 2]
    pages = [await world.page(100)]
    for _ in range(3):
        pages.append(await world.page(100, pages[-1].end_cursor))
    assert {source for source, _ in names(*pages)} == {A}
    assert world.reads == [4, 3, 3]


async def test_every_edge_has_a_cursor() -> None:
    """The cursor of any user continues with the users after it."""
    world = make_world([10, 10, 30, None], [10, 20, 30], [30, 10, 40, 40])
    page = await world.page(20)
    for number, edge in enumerate(page.edges, 1):
        assert names(await world.page(20, edge.cursor)) == names(page)[number:]
    assert page.edges[-1].cursor == page.end_cursor


@pytest.mark.parametrize("down", [0, 1, 2])
async def test_a_source_is_down(down: int) -> None:
    """A page has the users of the other sources and names the missing one, whose users follow on a later page."""
    world = make_world([10, 40], [20, 50], [30, 60])
    world.sources[down].failing = DOWN
    page = await world.page(3)
    assert {source for source, _ in names(page)} == {A, S, R} - {world.sources[down].name}
    assert [(missing.source, missing.code, missing.retry_after) for missing in page.unavailable] == [
        (world.sources[down].name, Code.SOURCE_UNAVAILABLE, 3.0)
    ]
    assert page.has_next_page
    world.sources[down].failing = None
    rest = await world.page(10, page.end_cursor)
    assert sorted(names(page, rest)) == sorted(world.expected())
    assert rest.unavailable == ()


async def test_a_source_fails_in_the_middle() -> None:
    """The users of a source before its failure are not repeated, and those after it are not skipped."""
    world = make_world([], range(0, 20, 2), range(1, 21, 2), max_windows=(1000, 4, 9))
    world.sources[1].failing = None
    first = await world.page(4)
    failing(world, None, DOWN, None)
    second = await world.page(8, first.end_cursor)
    assert len(second.edges) == 8
    assert [missing.source for missing in second.unavailable] == [S]
    failing(world, None, None, None)
    rest = await world.page(50, second.end_cursor)
    assert sorted(names(first, second, rest)) == sorted(world.expected())


TIMEOUT, REFUSED, LIMITED = SourceTimeout("slow"), SourceCredentials("refused"), RateLimited("limit")


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ((DOWN, TIMEOUT, REFUSED), REFUSED),
        ((DOWN, TIMEOUT, SourceInvalidResponse("invalid")), SourceInvalidResponse),
        ((DOWN, TIMEOUT, LIMITED), LIMITED),
        ((DOWN, TIMEOUT, DOWN), TIMEOUT),
        ((DOWN, DOWN, DOWN), DOWN),
    ],
)
async def test_all_are_down(errors: Any, expected: Any) -> None:
    """If no source responds, the most relevant error is raised."""
    with pytest.raises(GatewayError) as raised:
        await failing(make_world([1], [2], [3]), *errors).page(5)
    assert raised.value is expected or raised.type is expected


async def test_the_last_source_is_down() -> None:
    """If only one source has more users and it is down, the page is an error, not an empty page."""
    world = failing(make_world([1], [2], [3]), None, None, DOWN)
    page = await world.page(5)
    assert page.has_next_page
    with pytest.raises(SourceUnavailable):
        await world.page(5, page.end_cursor)
    failing(world, None, None, None)
    assert names(await world.page(5, page.end_cursor)) == [(R, "0")]


async def test_an_empty_page_has_a_cursor() -> None:
    """A page that is empty because a source is down has an end cursor."""
    world = failing(make_world([], [], [3]), None, None, DOWN)
    page = await world.page(5)
    assert (page.edges, page.has_next_page) == ((), True)
    failing(world, None, None, None)
    assert names(await world.page(5, page.end_cursor)) == [(R, "0")]


async def test_a_query_that_is_refused() -> None:
    """If a source does not accept the query, the page is an error."""
    with pytest.raises(BadUserInput):
        await failing(make_world([1], [2], [3]), None, BadUserInput("too long"), None).page(5)


def only(world: World, *indices: int) -> World:
    """Return the world with only these sources configured."""
    world.serve(Sources([world.sources[index] for index in indices]))  # type: ignore[list-item]  # they have the methods that are used
    return world


async def test_not_configured() -> None:
    """A source that is not configured is unavailable only if it was requested."""
    world = only(make_world([1], [2], [3]), 0)
    assert (await world.page(5)).unavailable == ()
    page = await world.page(5, requested=[A, R])
    assert names(page) == [(A, "0")]
    assert [(missing.source, missing.code) for missing in page.unavailable] == [(R, Code.SOURCE_NOT_CONFIGURED)]
    assert not page.has_next_page
    with pytest.raises(SourceNotConfigured):
        await world.page(5, requested=[R])


async def test_no_tenant() -> None:
    """A source without a configured tenant is unavailable, and does not make a next page."""
    page = await failing(make_world([1], [], [3]), None, None, SourceNotConfigured("no reseller")).page(5)
    assert [missing.code for missing in page.unavailable] == [Code.SOURCE_NOT_CONFIGURED]
    assert not page.has_next_page


@pytest.mark.parametrize(
    ("query", "requested", "reads"),
    [
        (UserQuery(), None, [1, 1, 1]),
        (UserQuery(), [R, A, A], [1, 0, 1]),
        (UserQuery(), [], [0, 0, 0]),
        (UserQuery(role_type=RoleType.ADMIN), None, [1, 0, 0]),
        (UserQuery(role_type=RoleType.ADMIN), [A, S], [1, 0, 0]),
        (UserQuery(role_type=RoleType.ADMIN), [R], [0, 0, 0]),
    ],
)
async def test_sources(query: UserQuery, requested: Any, reads: list[int]) -> None:
    """The requested sources are read, and of those only the account source for a type of role."""
    world = make_world([1], [2], [3])
    page = await world.page(5, None, query, requested=requested)
    assert world.reads == reads
    assert len(page.edges) == sum(reads)


async def test_filters() -> None:
    """An address is compared as a whole and without case; removed users are returned only if requested."""
    world = make_world([1, 2], [3], [4])
    world.sources[0].removed = {0}
    assert (A, "0") not in names(await world.page(9))
    assert (A, "0") in names(await world.page(9, None, UserQuery(include_removed=True)))
    assert names(await world.page(9, None, UserQuery(email="u0@EXAMPLE.com"))) == [(S, "0"), (R, "0")]
    assert names(await world.page(9, None, UserQuery(email="u1@example.com"))) == [(A, "1")]


async def test_filtered_here() -> None:
    """Users that a source does not filter are filtered by the merge, and no window is read twice."""
    world = make_world([], range(1000), [])
    world.sources[1].removed = {number for number in range(1000) if number % 10}
    pages = await world.walk(30)
    assert [len(page.edges) for page in pages] == [22, 30, 30, 18]
    assert names(*pages) == world.expected()
    assert world.reads[1] == 11


async def test_filtered_here_for_long() -> None:
    """A page reads three windows with users that do not match, and its cursor continues after those."""
    world = make_world([], range(5000), [])
    world.sources[1].removed = set(range(1, 5000))
    pages = await world.walk(5)
    *empty, last = [len(page.edges) for page in pages]
    assert (set(empty), last) == ({0}, 1)
    assert world.reads[1] <= 3 * len(pages)


async def test_windows_that_match_are_not_limited() -> None:
    """A page is full however many windows it takes, if all users in them match."""
    world = make_world([], range(1000), [])
    world.sources[1].max_window = 9
    assert len((await world.page(200)).edges) == 200


async def test_an_address_among_others() -> None:
    """A page of one address reads as many users at once as the source returns: few sources compare it exactly."""
    world = make_world(range(90), [], [])
    assert names(await world.page(1, None, UserQuery(email="u7@example.com"))) == [(A, "7")]
    assert world.reads[0] == 1


async def test_the_last_cursor_skips_what_does_not_match() -> None:
    """The last user's cursor also continues after the users behind it that were read and do not match."""
    world = make_world([], range(5000), [])
    world.sources[1].removed = set(range(4999))
    page = await world.page(5)
    assert (len(page.edges), page.has_next_page) == (1, True)
    assert page.edges[-1].cursor == page.end_cursor
    read = len(world.sources[1].reads)
    await world.page(5, page.edges[-1].cursor)
    assert int(world.sources[1].reads[read][0] or 0) > 200


async def test_others_continue_meanwhile() -> None:
    """Users newer than all those that were read of a source are returned without reading that source further."""
    world = make_world(range(300), range(1000, 1100), [])
    world.sources[0].removed = set(range(300))
    world.sources[0].max_window = 10
    assert len((await world.page(50)).edges) == 50
    assert world.reads == [1, 1, 1]


@pytest.mark.parametrize("first_page", [25, 30])
async def test_an_expired_position(first_page: int) -> None:
    """If a source no longer accepts a position, the walk is found again from the start of the list."""
    world = make_world(range(50), [], [], max_windows=(10, 9, 9))
    first = await world.page(first_page)
    last = first.edges[-1]
    walk_position = last.position.walk_position
    assert walk_position.read_from is not None
    position = SegmentPosition(WalkSegment(replace(walk_position, read_from="expired")), 0)
    expired = UserEdge(last.node, position, last.taken)
    second = await world.page(50, expired.cursor)
    assert names(first, second) == world.expected()


@pytest.mark.parametrize("max_windows", [(1000, 100, 100), (10, 10, 10)])
@pytest.mark.parametrize("change", [-200, -60, 60, 200])
async def test_many_are_created_or_deleted(max_windows: tuple[int, int, int], change: int) -> None:
    """No user is skipped or repeated if several windows of users are created or deleted between two pages."""
    world = make_world(*[range(0, 4000, 10)] * 3, max_windows=max_windows)
    first = await world.page(750)
    before = set(world.expected())
    world.prefetched.clear()
    for source in world.sources:
        for number in range(abs(change)):
            if change > 0:
                source.add(10_000 + number, 10_000 + number)
            else:
                source.delete(0)
    rest = [await world.page(100, first.end_cursor)]
    while rest[-1].has_next_page:
        rest.append(await world.page(100, rest[-1].end_cursor))
    seen = names(first, *rest)
    assert len(seen) == len(set(seen))
    assert before & set(world.expected()) <= set(seen)


@pytest.mark.parametrize("change", [-150, -30, 30, 150])
async def test_many_of_one_instant(change: int) -> None:
    """The same holds among hundreds of users of one instant, for example after an import."""
    newer = [20] * 200
    world = make_world(*[[*newer, *[10] * 400, 5]] * 3, max_windows=(50, 50, 50))
    first = await world.page(1200)
    before = set(world.expected())
    world.prefetched.clear()
    for source in world.sources:
        for number in range(abs(change)):
            if change > 0:
                source.add(10_000 + number, 30)
            else:
                source.delete(0)
    rest = [await world.page(100, first.end_cursor)]
    while rest[-1].has_next_page:
        rest.append(await world.page(100, rest[-1].end_cursor))
    seen = names(first, *rest)
    assert len(seen) == len(set(seen))
    assert before & set(world.expected()) <= set(seen)


async def test_the_anchor_is_gone() -> None:
    """If all users of the anchor were deleted, the walk continues by the instants."""
    world = make_world([], [*range(100), *[200] * 30], [], max_windows=(9, 9, 9))
    first = await world.page(20)
    world.prefetched.clear()
    del world.sources[1].keys[12:20]  # of one instant: the first twelve of it are left, and the last ten
    rest = await world.page(200, first.end_cursor)
    assert [*names(first), *names(rest)] == [(S, str(number)) for number in (*range(129, 99, -1), *range(99, -1, -1))]


async def test_needs_of_prefetched_users() -> None:
    """Users that were read with fewer needs are read again for a page with more."""
    world = make_world(range(50), [], [])
    first = await world.page(3)
    second = await world.page(3, first.end_cursor)
    await world.page(3, second.end_cursor)
    assert world.reads[0] == 2
    await world.page(3, second.end_cursor, needs=NEEDS | {"role"})
    assert world.reads[0] == 3


async def test_an_edge_in_text() -> None:
    """The repr of an edge contains only its user."""
    world = make_world(range(100), range(100), range(100))
    page = await world.page(1)
    assert repr(page).count("User(") == 1
