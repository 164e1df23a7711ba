from dataclasses import replace
from typing import Any

import pytest
from users.listed import ACCOUNT, DOWN, NEEDS, RESELLER, SOFTWAREONE, World, names, world

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
from gateway.users.listing.cursor import Cursors
from gateway.users.listing.merge import Merge, UserEdge
from gateway.users.listing.prefetched import PrefetchedUsers
from gateway.users.listing.source_stream import WalkPosition, WalkSegment
from gateway.users.model import RoleType
from gateway.users.source import Sources, UserQuery

A, S, R = ACCOUNT, SOFTWAREONE, RESELLER


def failing(systems: World, *errors: GatewayError | None) -> World:
    for system, error in zip(systems.systems, errors, strict=True):
        system.failing = error
    return systems


async def test_order() -> None:
    """The newest comes first; of one instant the account's, then SoftwareOne's, then the resellers', by their order."""
    page = await world([10, 30, 10], [30, 20], [10, 40, None]).page(20)
    assert names(page) == [(R, "1"), (A, "1"), (S, "0"), (S, "1"), (A, "2"), (A, "0"), (R, "0"), (R, "2")]
    assert (page.has_next_page, page.unavailable) == (False, ())


async def test_instants_are_compared() -> None:
    """Neither the offset nor the number of digits of a time counts, only its instant, cut to microseconds."""
    page = await world([21], [29], [20]).page(3)
    assert [source for source, _ in names(page)] == [A, S, R]


@pytest.mark.parametrize(("first", "more"), [(0, True), (1, True), (3, True), (4, False), (200, False)])
async def test_has_next_page(first: int, *, more: bool) -> None:
    """A page says that there is more exactly where there is."""
    page = await world([1, 2], [3], [4]).page(first)
    assert (len(page.edges), page.has_next_page) == (min(first, 4), more)


async def test_more_is_looked_for() -> None:
    """A full window that may be the last is not taken for more: the next one is read to know, and is not lost."""
    systems = world([], [], range(200))
    first = await systems.page(100)
    assert first.has_next_page
    second = await systems.page(100, first.end_cursor)
    assert (len(second.edges), second.has_next_page) == (100, False)
    assert systems.reads == [1, 1, 3]


async def test_empty() -> None:
    """A list without users has no cursor to go on with."""
    page = await world().page(5)
    assert (page.edges, page.has_next_page, page.end_cursor) == ((), False, None)


async def test_first_windows_are_read_at_once() -> None:
    """The first windows are asked for before any has come, each of one user more than the page."""
    systems = world([1], [2], [3])
    log: list[str] = []
    for system in systems.systems:
        system.delay, system.log = 0.01, log
    await systems.page(50)
    assert log == ["asked"] * 3 + ["answered"] * 3
    assert [system.reads for system in systems.systems] == [[(None, 51)]] * 3


async def test_only_what_is_needed_is_read() -> None:
    """A system whose users are all older than the page is not read on."""
    systems = world(range(1000, 1400), range(150), range(150))
    for _ in range(2):
        await systems.page(50)
    assert systems.reads == [2, 2, 2]
    pages = [await systems.page(100)]
    for _ in range(3):
        pages.append(await systems.page(100, pages[-1].end_cursor))
    assert {source for source, _ in names(*pages)} == {A}
    assert systems.reads == [4, 3, 3]


async def test_every_edge_has_a_cursor() -> None:
    """Behind whichever user a client goes on, what follows is the same."""
    systems = world([10, 10, 30, None], [10, 20, 30], [30, 10, 40, 40])
    whole = await systems.page(20)
    for number, edge in enumerate(whole.edges, 1):
        assert names(await systems.page(20, edge.cursor)) == names(whole)[number:]
    assert whole.edges[-1].cursor == whole.end_cursor


@pytest.mark.parametrize("down", [0, 1, 2])
async def test_a_system_is_down(down: int) -> None:
    """One that is down takes nobody else away; the page says so, and a later one catches up with its part."""
    systems = world([10, 40], [20, 50], [30, 60])
    systems.systems[down].failing = DOWN
    page = await systems.page(3)
    assert {source for source, _ in names(page)} == {A, S, R} - {systems.systems[down].name}
    assert [(one.source, one.code, one.retry_after) for one in page.unavailable] == [
        (systems.systems[down].name, Code.SOURCE_UNAVAILABLE, 3.0)
    ]
    assert page.has_next_page
    systems.systems[down].failing = None
    rest = await systems.page(10, page.end_cursor)
    assert sorted(names(page, rest)) == sorted(systems.expected())
    assert rest.unavailable == ()


async def test_a_system_fails_in_the_middle() -> None:
    """What was given of a system before it failed is not given again, and what follows is not lost."""
    systems = world([], range(0, 20, 2), range(1, 21, 2), largest=(1000, 4, 9))
    systems.systems[1].failing = None
    first = await systems.page(4)
    failing(systems, None, DOWN, None)
    second = await systems.page(8, first.end_cursor)
    assert len(second.edges) == 8
    assert [one.source for one in second.unavailable] == [S]
    failing(systems, None, None, None)
    rest = await systems.page(50, second.end_cursor)
    assert sorted(names(first, second, rest)) == sorted(systems.expected())


TIMEOUT, REFUSED, LIMITED = SourceTimeout("slow"), SourceCredentials("refused"), RateLimited("limit")


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ((DOWN, TIMEOUT, REFUSED), REFUSED),
        ((DOWN, TIMEOUT, SourceInvalidResponse("odd")), SourceInvalidResponse),
        ((DOWN, TIMEOUT, LIMITED), LIMITED),
        ((DOWN, TIMEOUT, DOWN), TIMEOUT),
        ((DOWN, DOWN, DOWN), DOWN),
    ],
)
async def test_all_are_down(errors: Any, told: Any) -> None:
    """Where no system answers it is an error: the one that says most."""
    with pytest.raises(GatewayError) as raised:
        await failing(world([1], [2], [3]), *errors).page(5)
    assert raised.value is told or raised.type is told


async def test_the_last_system_is_down() -> None:
    """A page to which only one system has something left, and that is down, is an error and not an empty page."""
    systems = failing(world([1], [2], [3]), None, None, DOWN)
    page = await systems.page(5)
    assert page.has_next_page
    with pytest.raises(SourceUnavailable):
        await systems.page(5, page.end_cursor)
    failing(systems, None, None, None)
    assert names(await systems.page(5, page.end_cursor)) == [(R, "0")]


async def test_an_empty_page_goes_on() -> None:
    """A page that is empty since a system is down has a cursor to go on with."""
    systems = failing(world([], [], [3]), None, None, DOWN)
    page = await systems.page(5)
    assert (page.edges, page.has_next_page) == ((), True)
    failing(systems, None, None, None)
    assert names(await systems.page(5, page.end_cursor)) == [(R, "0")]


async def test_a_query_that_is_refused() -> None:
    """A system that does not take the query is no system that is down: the caller is told."""
    with pytest.raises(BadUserInput):
        await failing(world([1], [2], [3]), None, BadUserInput("too long"), None).page(5)


def only(systems: World, *kept: int) -> World:
    """The world with only these systems configured."""
    systems.merge = Merge(Sources([systems.systems[at] for at in kept]), Cursors(b"secret"), PrefetchedUsers())  # type: ignore[list-item]  # a stand-in
    return systems


async def test_not_configured() -> None:
    """A system that is not configured is left out of the list, and told of only where it was named."""
    systems = only(world([1], [2], [3]), 0)
    assert (await systems.page(5)).unavailable == ()
    page = await systems.page(5, named=[A, R])
    assert names(page) == [(A, "0")]
    assert [(one.source, one.code) for one in page.unavailable] == [(R, Code.SOURCE_NOT_CONFIGURED)]
    assert not page.has_next_page
    with pytest.raises(SourceNotConfigured):
        await systems.page(5, named=[R])


async def test_no_tenant() -> None:
    """A system that has no tenant to look in is told of, and is nothing to come back for."""
    page = await failing(world([1], [], [3]), None, None, SourceNotConfigured("no reseller")).page(5)
    assert [one.code for one in page.unavailable] == [Code.SOURCE_NOT_CONFIGURED]
    assert not page.has_next_page


@pytest.mark.parametrize(
    ("query", "named", "asked"),
    [
        (UserQuery(), None, [1, 1, 1]),
        (UserQuery(), [R, A, A], [1, 0, 1]),
        (UserQuery(), [], [0, 0, 0]),
        (UserQuery(role_type=RoleType.ADMIN), None, [1, 0, 0]),
        (UserQuery(role_type=RoleType.ADMIN), [A, S], [1, 0, 0]),
        (UserQuery(role_type=RoleType.ADMIN), [R], [0, 0, 0]),
    ],
)
async def test_sources(query: UserQuery, named: Any, asked: list[int]) -> None:
    """The named systems are asked, and of those only the account system for a type of role."""
    systems = world([1], [2], [3])
    page = await systems.page(5, None, query, named=named)
    assert systems.reads == asked
    assert len(page.edges) == sum(asked)


async def test_filters() -> None:
    """An address is compared whole and in any case; removed users are shown only where they are asked for."""
    systems = world([1, 2], [3], [4])
    systems.systems[0].removed = {0}
    assert (A, "0") not in names(await systems.page(9))
    assert (A, "0") in names(await systems.page(9, None, UserQuery(include_removed=True)))
    assert names(await systems.page(9, None, UserQuery(email="u0@EXAMPLE.com"))) == [(S, "0"), (R, "0")]
    assert names(await systems.page(9, None, UserQuery(email="u1@example.com"))) == [(A, "1")]


async def test_filtered_here() -> None:
    """What a system does not filter is filtered here, with the page still full and nobody read twice."""
    systems = world([], range(1000), [])
    systems.systems[1].removed = {number for number in range(1000) if number % 10}
    pages = await systems.walk(30)
    assert [len(page.edges) for page in pages] == [30, 30, 30, 10]
    assert names(*pages) == systems.expected()
    assert systems.reads[1] == 11


async def test_filtered_here_for_long() -> None:
    """A page looks through so much and no more: it may come back short, and its cursor goes on behind that."""
    systems = world([], range(5000), [])
    systems.systems[1].removed = set(range(1, 5000))
    pages = await systems.walk(5)
    assert [len(page.edges) for page in pages] == [0, 0, 1]
    assert systems.reads[1] <= 53


async def test_the_last_cursor_goes_on_behind_all() -> None:
    """The last user's cursor also goes on behind those who were looked through in vain after it."""
    systems = world([], range(5000), [])
    systems.systems[1].removed = set(range(4999))
    page = await systems.page(5)
    assert (len(page.edges), page.has_next_page) == (1, True)
    assert page.edges[-1].cursor == page.end_cursor
    read = len(systems.systems[1].reads)
    await systems.page(5, page.edges[-1].cursor)
    assert int(systems.systems[1].reads[read][0] or 0) > 1500


async def test_others_go_on_meanwhile() -> None:
    """Who is newer than all that a system was looked through for is given without reading on there."""
    systems = world(range(300), range(1000, 1100), [])
    systems.systems[0].removed = set(range(300))
    systems.systems[0].largest = 10
    assert len((await systems.page(50)).edges) == 50
    assert systems.reads == [1, 1, 1]


@pytest.mark.parametrize("given", [25, 30])
async def test_an_expired_position(given: int) -> None:
    """A position that its system no longer takes is found again from the top."""
    systems = world(range(50), [], [], largest=(10, 9, 9))
    first = await systems.page(given)
    last = first.edges[-1]
    progress = last.place.progress
    assert progress.position is not None
    place = WalkPosition(WalkSegment(replace(progress, position="expired")), 0)
    expired = UserEdge(last.node, place, last.turn)
    second = await systems.page(50, expired.cursor)
    assert names(first, second) == systems.expected()


@pytest.mark.parametrize("largest", [(1000, 100, 100), (10, 10, 10)])
@pytest.mark.parametrize("change", [-200, -60, 60, 200])
async def test_many_come_or_go(largest: tuple[int, int, int], change: int) -> None:
    """Also where windows and windows of users come or go between two pages nobody is lost or repeated."""
    systems = world(*[range(0, 4000, 10)] * 3, largest=largest)
    first = await systems.page(750)
    before = set(systems.expected())
    systems.leftovers.clear()
    for system in systems.systems:
        for number in range(abs(change)):
            if change > 0:
                system.add(10_000 + number, 10_000 + number)
            else:
                system.delete(0)
    rest = [await systems.page(100, first.end_cursor)]
    while rest[-1].has_next_page:
        rest.append(await systems.page(100, rest[-1].end_cursor))
    seen = names(first, *rest)
    assert len(seen) == len(set(seen))
    assert before & set(systems.expected()) <= set(seen)


@pytest.mark.parametrize("change", [-150, -30, 30, 150])
async def test_many_of_one_instant(change: int) -> None:
    """The same among hundreds of one instant, an import for example, which no time can tell apart."""
    newer = [20] * 200
    systems = world(*[[*newer, *[10] * 400, 5]] * 3, largest=(50, 50, 50))
    first = await systems.page(1200)
    before = set(systems.expected())
    systems.leftovers.clear()
    for system in systems.systems:
        for number in range(abs(change)):
            if change > 0:
                system.add(10_000 + number, 30)
            else:
                system.delete(0)
    rest = [await systems.page(100, first.end_cursor)]
    while rest[-1].has_next_page:
        rest.append(await systems.page(100, rest[-1].end_cursor))
    seen = names(first, *rest)
    assert len(seen) == len(set(seen))
    assert before & set(systems.expected()) <= set(seen)


async def test_the_anchor_is_gone() -> None:
    """Where all that a walk remembers were deleted, the instants say where it goes on."""
    systems = world([], [*range(100), *[200] * 30], [], largest=(9, 9, 9))
    first = await systems.page(20)
    systems.leftovers.clear()
    del systems.systems[1].keys[12:20]  # of one instant: the first twelve of it are left, and the last ten
    rest = await systems.page(200, first.end_cursor)
    assert [*names(first), *names(rest)] == [(S, str(number)) for number in (*range(129, 99, -1), *range(99, -1, -1))]


async def test_needs_are_handed_on() -> None:
    """Users read for a page that needed less are not given to one that needs more."""
    systems = world(range(50), [], [])
    first = await systems.page(3)
    second = await systems.page(3, first.end_cursor)
    await systems.page(3, second.end_cursor)
    assert systems.reads[0] == 2
    await systems.page(3, second.end_cursor, needs=NEEDS | {"role"})
    assert systems.reads[0] == 3


async def test_what_an_edge_tells() -> None:
    """An edge tells of its own user only, and equal pages are equal."""
    systems = world(range(100), range(100), range(100))
    page = await systems.page(1)
    assert repr(page).count("User(") == 1
    assert page == await systems.page(1)
