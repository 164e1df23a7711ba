"""How many windows a list reads, of sources as large as the real ones may be."""

import pytest
from users.fake_lists import ACCOUNT, RESELLER, make_world, names


@pytest.mark.parametrize(("first", "limit"), [(1, 2), (50, 51), (200, 201)])
async def test_first_page(first: int, limit: int) -> None:
    """The first page takes one read of each source, of one user more than the page."""
    world = make_world(*[range(10_000)] * 3)
    assert len((await world.page(first)).edges) == first
    assert [source.reads for source in world.sources] == [[(None, limit)]] * 3


@pytest.mark.parametrize("mixed", [True, False])
async def test_whole_walk(*, mixed: bool) -> None:
    """Thirty thousand users in pages of 200 take at most a tenth more reads than the largest windows require."""
    times = (
        [range(k, 30_000 + k, 3) for k in range(3)] if mixed else [range(k, 10_000 + k) for k in (20_000, 0, 10_000)]
    )
    world = make_world(*times)
    pages = await world.walk(200)
    assert names(*pages) == world.expected()
    assert [len(page.edges) for page in pages] == [200] * 150
    assert sum(world.reads) <= 1.1 * (10 + 100 + 100)
    assert world.reads == [11, 101, 114]


@pytest.mark.parametrize("first", [1, 7, 50, 200])
async def test_pages_of_any_size(first: int) -> None:
    """Smaller pages take no more reads than larger ones, apart from the smaller first window."""
    world = make_world(*[range(0, 9000, 3)] * 3)
    pages = await world.walk(first)
    assert names(*pages) == world.expected()
    assert all(reads <= limit for reads, limit in zip(world.reads, (4, 32, 36), strict=True))


async def test_many_of_one_instant() -> None:
    """Users of one instant are read as they are needed, not all at once."""
    world = make_world(*[[10] * 5000] * 3)
    first = await world.page(200, requested=[ACCOUNT])
    await world.page(200, first.end_cursor, requested=[ACCOUNT])
    assert world.reads == [2, 0, 0]


async def test_one_source() -> None:
    """The overlap of numbered pages takes an eighth more reads."""
    world = make_world([], [], range(10_000))
    await world.walk(200, requested=[RESELLER])
    assert world.reads == [0, 0, 114]


async def test_continuing_without_an_end_cursor() -> None:
    """A page after the cursor of the last edge takes no read either, although nobody has asked for the end cursor."""
    world = make_world(range(100), [], [])
    page = await world.page(10)
    page = await world.page(10, page.edges[-1].cursor)
    reads = world.reads
    page = await world.page(10, page.edges[-1].cursor)
    assert names(page) == world.expected()[20:30]
    assert world.reads == reads


async def test_the_start_of_a_page_with_one_user() -> None:
    """The start cursor of a page with one user is the end cursor: both pages begin behind that user."""
    world = make_world(range(3), range(3), [])
    page = await world.page(1)
    assert page.start_cursor == page.end_cursor == page.edges[0].cursor
