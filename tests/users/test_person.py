from typing import Any

import pytest
from users.listed import ACCOUNT, DOWN, NEEDS, RESELLER, SOFTWAREONE, World, name_of, world

from gateway.errors import BadUserInput, Code, SourceUnavailable
from gateway.users.person import Person, find_person
from gateway.users.source import Sources


async def find(systems: World, email: str, **options: Any) -> Person:
    return await find_person(Sources(systems.systems), email, NEEDS, **options)  # type: ignore[arg-type]  # a stand-in


async def test_found() -> None:
    """Every record with the address is found, in any case, by one call a system, all at once."""
    systems = world([1, 2], [1, 2, 3], [1])
    log: list[str] = []
    for system in systems.systems:
        system.delay, system.log = 0.01, log
    person = await find(systems, "u1@EXAMPLE.COM")
    assert [name_of(user) for user in person.users] == [(ACCOUNT, "1"), (SOFTWAREONE, "1")]
    assert (person.email, person.unavailable) == ("u1@EXAMPLE.COM", ())
    assert log == ["asked"] * 3 + ["answered"] * 3


async def test_removed() -> None:
    """Removed users are found where they are asked for."""
    systems = world([1])
    systems.systems[0].removed = {0}
    assert (await find(systems, "u0@example.com")).users == ()
    assert len((await find(systems, "u0@example.com", include_removed=True)).users) == 1


async def test_a_system_is_down() -> None:
    """A system that could not be asked is told of."""
    systems = world([1], [1], [1])
    systems.systems[2].failing = DOWN
    person = await find(systems, "u0@example.com")
    assert len(person.users) == 2
    assert [(one.source, one.code, one.retry_after) for one in person.unavailable] == [
        (RESELLER, Code.SOURCE_UNAVAILABLE, 3.0)
    ]


@pytest.mark.parametrize("error", [DOWN, BadUserInput("no address")])
async def test_all_are_down(error: Exception) -> None:
    """Where no system answers, or the address is refused, it is an error."""
    systems = world([1], [1], [1])
    for system in systems.systems:
        system.failing = error
    with pytest.raises((SourceUnavailable, BadUserInput)):
        await find(systems, "u0@example.com")
