"""What a list costs: windows read of systems as large as the real ones may be."""

import pytest
from users.listed import ACCOUNT, RESELLER, names, world


@pytest.mark.parametrize(("first", "limit"), [(1, 2), (50, 51), (200, 201)])
async def test_first_page(first: int, limit: int) -> None:
    """The first page costs one read a system, of hardly more than the page."""
    systems = world(*[range(10_000)] * 3)
    assert len((await systems.page(first)).edges) == first
    assert [system.reads for system in systems.systems] == [[(None, limit)]] * 3


@pytest.mark.parametrize("mixed", [True, False])
async def test_whole_walk(*, mixed: bool) -> None:
    """Ten thousand users a system by two hundred: at most a tenth more reads than the largest pages demand."""
    times = (
        [range(k, 30_000 + k, 3) for k in range(3)] if mixed else [range(k, 10_000 + k) for k in (20_000, 0, 10_000)]
    )
    systems = world(*times)
    pages = await systems.walk(200)
    assert names(*pages) == systems.expected()
    assert [len(page.edges) for page in pages] == [200] * 150
    assert sum(systems.reads) <= 1.1 * (10 + 100 + 100)
    assert systems.reads == [11, 101, 114]


@pytest.mark.parametrize("first", [1, 7, 50, 200])
async def test_pages_of_any_size(first: int) -> None:
    """Smaller pages cost no more reads than larger ones, apart from the smaller first window."""
    systems = world(*[range(0, 9000, 3)] * 3)
    pages = await systems.walk(first)
    assert names(*pages) == systems.expected()
    assert all(read <= most for read, most in zip(systems.reads, (4, 32, 36), strict=True))


async def test_many_of_one_instant() -> None:
    """Users of one instant are read on as they are needed, too, not all at once."""
    systems = world(*[[10] * 5000] * 3)
    first = await systems.page(200, named=[ACCOUNT])
    await systems.page(200, first.end_cursor, named=[ACCOUNT])
    assert systems.reads == [2, 0, 0]


async def test_one_system() -> None:
    """The overlap of numbered pages costs an eighth of them."""
    systems = world([], [], range(10_000))
    await systems.walk(200, named=[RESELLER])
    assert systems.reads == [0, 0, 114]
