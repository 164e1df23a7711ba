import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import Forbidden, SourceNotConfigured, SourceUnavailable
from gateway.operation import Principal
from gateway.users.ids import Kind, Ref
from gateway.users.model import Organization, Role, User, UserSource
from gateway.users.planning import Plan
from gateway.users.reference import ReferenceData
from gateway.users.service import UserService
from gateway.users.source import Sources

NEEDS = frozenset({"permissions"})
PLAN = Plan({Kind.ROLE: NEEDS, Kind.USER: frozenset({"profile"})})


def role(number: int | str) -> Ref:
    return Ref(Kind.ROLE, UserSource.ACCOUNT, f"r{number}")


def user(name: str) -> Ref:
    return Ref(Kind.USER, UserSource.ACCOUNT, name)


@pytest.fixture
def load(system: Callable[..., Any], roles: Any) -> Callable[..., Any]:
    """Loads references together; answers their source ids, or their errors."""

    async def load(*refs: Ref, directories: Any = None) -> list[Any]:
        account = system(UserSource.ACCOUNT, directories={Kind.ROLE: roles} if directories is None else directories)
        loaders = UserService(Sources([account])).loaders(PLAN)
        found = await asyncio.gather(*map(loaders.load, refs), return_exceptions=True)
        return [getattr(one, "source_id", one) for one in found]

    return load


P1, P2, P3 = (("page", "", at, NEEDS) for at in (None, "2", "4"))


@pytest.mark.parametrize(
    ("asked", "found", "calls"),
    [
        ([4], ["r4"], [("fetch", "", "r4", NEEDS)]),
        ([4, 4, 4], ["r4"] * 3, [("fetch", "", "r4", NEEDS)]),
        ([2, 1], ["r2", "r1"], [P1]),
        ([1, 4, 3], ["r1", "r4", "r3"], [P1, P2]),
        ([1, 5], ["r1", "r5"], [P1, ("fetch", "", "r5", NEEDS)]),
        ([1, 2, 9], ["r1", "r2", None], [P1, ("fetch", "", "r9", NEEDS)]),
        ([1, 8, 9], ["r1", None, None], [P1, P2, P3]),
        ([9], [None], [("fetch", "", "r9", NEEDS)]),
        ([5, 4, 3, 2, 1], ["r5", "r4", "r3", "r2", "r1"], [P1, P2, ("fetch", "", "r5", NEEDS)]),
    ],
)
async def test_calls(load: Any, roles: Any, asked: list[int], found: list[Any], calls: list[Any]) -> None:
    """One id is one GET; more are pages until none or one is missing, and the last one missing is a GET."""
    assert await load(*map(role, asked)) == found
    assert roles.calls == calls


async def test_failing_page(load: Any, roles: Any) -> None:
    """A page that fails takes with it only the records that were not found before."""
    roles.failing = {"2": (down := SourceUnavailable("down"))}
    assert await load(role(1), role(3), role(4)) == ["r1", down, down]


async def test_failing_fetch(load: Any, roles: Any) -> None:
    """The last one missing fails alone."""
    roles.failing = {"r5": (down := SourceUnavailable("down"))}
    assert await load(role(1), role(2), role(5)) == ["r1", "r2", down]


async def test_failure_of_one_system_is_its_own(system: Any, directory: Any, roles: Any) -> None:
    """Records of different systems and tenants are looked up apart, and fail apart."""
    organizations = directory({n: Organization("t", n) for n in ("o1", "o2")})
    account = system(UserSource.ACCOUNT, directories={Kind.ROLE: roles})
    reseller = system(UserSource.RESELLER, directories={Kind.ORGANIZATION: organizations})
    loaders = UserService(Sources([account, reseller])).loaders(Plan())
    refs = [Ref(Kind.ORGANIZATION, UserSource.RESELLER, f"o{n}", tenant) for tenant in ("t", "u") for n in (1, 2)]
    refs.append(Ref(Kind.ORGANIZATION, UserSource.SOFTWAREONE, "o1"))
    found = await asyncio.gather(*map(loaders.load, refs), return_exceptions=True)
    assert [getattr(one, "source_id", None) for one in found] == ["o1", "o2", "o1", "o2", None]
    assert isinstance(found[-1], SourceNotConfigured)
    assert sorted(call[1] for call in organizations.calls) == ["t", "u"]


async def test_no_such_kind(load: Any) -> None:
    """A system that has no records of a kind has none under any id: an id can be written by hand."""
    assert await load(role(1), role(2), directories={}) == [None, None]


async def test_once_an_operation(system: Any, roles: Any) -> None:
    """What was loaded is not asked for again within an operation, and anew in the next one."""
    users = UserService(Sources([system(UserSource.ACCOUNT, directories={Kind.ROLE: roles})]))
    loaders = users.loaders(PLAN)
    first = await loaders.load(role(1))
    assert await loaders.load(role(1)) is first
    assert len(roles.calls) == 1
    await users.loaders(PLAN).load(role(1))
    assert len(roles.calls) == 2


async def test_users(system: Any) -> None:
    """Each user is one call with the plan's needs; one that fails leaves the others alone."""
    down = SourceUnavailable("down")
    account = system(UserSource.ACCOUNT, users={"a": User(UserSource.ACCOUNT, "a")}, failing={"b": down})
    loaders = UserService(Sources([account])).loaders(PLAN)
    found = await asyncio.gather(*map(loaders.load, map(user, "abca")), return_exceptions=True)
    assert found == [account.users["a"], down, None, account.users["a"]]
    assert account.calls == [("fetch_user", user(name), frozenset({"profile"})) for name in "abc"]


async def test_users_come_back_together(system: Any, roles: Any) -> None:
    """The lookups of all users of a batch are one batch, though some users took longer to arrive."""
    users = {
        name: User(UserSource.ACCOUNT, name, role=Role(UserSource.ACCOUNT, f"r{n}", ""))
        for n, name in enumerate("ab", 1)
    }
    account = system(UserSource.ACCOUNT, users=users, directories={Kind.ROLE: roles}, slow=frozenset("b"))
    loaders = UserService(Sources([account])).loaders(PLAN)

    async def role_name(name: str) -> str:
        found = await loaders.load(user(name))
        return (await loaders.load(Ref(Kind.ROLE, UserSource.ACCOUNT, found.role.source_id))).name

    assert await asyncio.gather(*map(role_name, "ab")) == ["Role 1", "Role 2"]
    assert roles.calls == [P1]


async def test_what_is_kept_takes_no_batch(system: Callable[..., Any], roles: Any) -> None:
    """A record that was looked up a while ago is there at once, in an operation that has not asked for it yet."""
    account = system(UserSource.ACCOUNT, directories={Kind.ROLE: roles})
    sources = Sources([account])
    service = UserService(sources, reference=ReferenceData(sources, ttl=30))
    assert (await service.loaders(PLAN).load(role(1))).source_id == "r1"
    found = service.loaders(PLAN).load(role(1))
    assert found.done()
    assert found.result().source_id == "r1"
    nobody = service.by(Principal("nobody")).loaders(PLAN)
    with pytest.raises(Forbidden):
        await nobody.load(role(1))
    assert len(roles.calls) == 1
