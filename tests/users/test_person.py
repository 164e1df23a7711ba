from typing import Any

import pytest
from users.fake_lists import ACCOUNT, DOWN, NEEDS, RESELLER, SOFTWAREONE, World, make_world, name_of

from gateway.errors import BadUserInput, Code, SourceUnavailable
from gateway.users.person import Person, find_person
from gateway.users.reading import UserReader
from gateway.users.source import Sources


async def find(world: World, email: str, **options: Any) -> Person:
    sources = Sources(world.sources)  # type: ignore[arg-type]  # they have the methods that are used
    return await find_person(UserReader(sources), sources, email, NEEDS, **options)


async def test_found() -> None:
    """All users with the address are found, without regard to case, by one call to each source at the same time."""
    world = make_world([1, 2], [1, 2, 3], [1])
    log: list[str] = []
    for source in world.sources:
        source.delay, source.log = 0.01, log
    person = await find(world, "u1@EXAMPLE.COM")
    assert [name_of(user) for user in person.users] == [(ACCOUNT, "1"), (SOFTWAREONE, "1")]
    assert (person.email, person.unavailable) == ("u1@EXAMPLE.COM", ())
    assert log == ["requested"] * 3 + ["responded"] * 3


async def test_removed() -> None:
    """Removed users are found if requested."""
    world = make_world([1])
    world.sources[0].removed = {0}
    assert (await find(world, "u0@example.com")).users == ()
    assert len((await find(world, "u0@example.com", include_removed=True)).users) == 1


async def test_a_source_is_down() -> None:
    """A source that failed is unavailable in the result."""
    world = make_world([1], [1], [1])
    world.sources[2].failing = DOWN
    person = await find(world, "u0@example.com")
    assert len(person.users) == 2
    assert [(missing.source, missing.code, missing.retry_after) for missing in person.unavailable] == [
        (RESELLER, Code.SOURCE_UNAVAILABLE, 3.0)
    ]


@pytest.mark.parametrize("error", [DOWN, BadUserInput("no address")])
async def test_all_are_down(error: Exception) -> None:
    """If no source responds, or one does not accept the address, an error is raised."""
    world = make_world([1], [1], [1])
    for source in world.sources:
        source.failing = error
    with pytest.raises((SourceUnavailable, BadUserInput)):
        await find(world, "u0@example.com")
