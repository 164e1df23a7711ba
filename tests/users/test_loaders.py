import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import Forbidden, SourceInvalidResponse, SourceNotConfigured, SourceUnavailable
from gateway.principal import Principal
from gateway.users.ids import Kind, Ref
from gateway.users.kept.lifetimes import Lifetimes
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
def load(make_source: Callable[..., Any], roles: Any) -> Callable[..., Any]:
    """Loads references at the same time; returns their source ids, or their errors."""

    async def load(*refs: Ref, directories: Any = None) -> list[Any]:
        account = make_source(
            UserSource.ACCOUNT, directories={Kind.ROLE: roles} if directories is None else directories
        )
        loaders = UserService(Sources([account])).loaders(PLAN)
        found = await asyncio.gather(*map(loaders.load, refs), return_exceptions=True)
        return [getattr(record, "source_id", record) for record in found]

    return load


P1, P2, P3 = (("page", "", at, NEEDS) for at in (None, "2", "4"))


@pytest.mark.parametrize(
    ("numbers", "found", "calls"),
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
async def test_calls(load: Any, roles: Any, numbers: list[int], found: list[Any], calls: list[Any]) -> None:
    """One id is one GET; several are pages until at most one is missing, which is then a GET."""
    assert await load(*map(role, numbers)) == found
    assert roles.calls == calls


async def test_a_long_list(load: Any, make_directory: Any) -> None:
    """Two records of a long list do not take a call for each of its pages, but few pages and a GET for each."""
    roles = make_directory({f"r{n}": Role(UserSource.ACCOUNT, f"r{n}", f"Role {n}") for n in range(100)})
    assert await load(role(90), role(99), directories={Kind.ROLE: roles}) == ["r90", "r99"]
    assert [call[0] for call in roles.calls] == ["page"] * 3 + ["fetch"] * 2


async def test_failing_page(load: Any, roles: Any) -> None:
    """If a page fails, only the records fail that were not found before."""
    roles.failing = {"2": (down := SourceUnavailable("down"))}
    assert await load(role(1), role(3), role(4)) == ["r1", down, down]


async def test_failing_fetch(load: Any, roles: Any) -> None:
    """If the GET of the last record fails, only that record fails."""
    roles.failing = {"r5": (down := SourceUnavailable("down"))}
    assert await load(role(1), role(2), role(5)) == ["r1", "r2", down]


async def test_sources_fail_separately(make_source: Any, make_directory: Any, roles: Any) -> None:
    """Records of different sources and tenants are looked up separately, and fail separately."""
    organizations = make_directory({n: Organization("t", n) for n in ("o1", "o2")})
    account = make_source(UserSource.ACCOUNT, directories={Kind.ROLE: roles})
    reseller = make_source(UserSource.RESELLER, directories={Kind.ORGANIZATION: organizations})
    loaders = UserService(Sources([account, reseller])).loaders(Plan())
    refs = [Ref(Kind.ORGANIZATION, UserSource.RESELLER, f"o{n}", tenant) for tenant in ("t", "u") for n in (1, 2)]
    refs.append(Ref(Kind.ORGANIZATION, UserSource.SOFTWAREONE, "o1"))
    found = await asyncio.gather(*map(loaders.load, refs), return_exceptions=True)
    assert [getattr(record, "source_id", None) for record in found] == ["o1", "o2", "o1", "o2", None]
    assert isinstance(found[-1], SourceNotConfigured)
    assert sorted(call[1] for call in organizations.calls) == ["t", "u"]


async def test_no_such_kind(load: Any) -> None:
    """For a source without records of a kind every id is None, because a client can forge one."""
    assert await load(role(1), role(2), directories={}) == [None, None]


async def test_once_per_operation(make_source: Any, roles: Any) -> None:
    """A record is fetched once within an operation, and again in the next one."""
    users = UserService(Sources([make_source(UserSource.ACCOUNT, directories={Kind.ROLE: roles})]))
    loaders = users.loaders(PLAN)
    first = await loaders.load(role(1))
    assert await loaders.load(role(1)) is first
    assert len(roles.calls) == 1
    await users.loaders(PLAN).load(role(1))
    assert len(roles.calls) == 2


async def test_the_end_of_an_operation(make_source: Any, roles: Any) -> None:
    """What still awaits a record at the end of the operation is cancelled."""
    loaders = UserService(Sources([make_source(UserSource.ACCOUNT, directories={Kind.ROLE: roles})])).loaders(PLAN)
    waiting = [asyncio.ensure_future(loaders.load(role(number))) for number in (1, 2)]
    loaders.close()
    await asyncio.wait(waiting, timeout=20)
    assert all(task.cancelled() for task in waiting)


async def test_users(make_source: Any) -> None:
    """Each user is one call with the needs of the plan, and fails alone."""
    down = SourceUnavailable("down")
    account = make_source(UserSource.ACCOUNT, users={"a": User(UserSource.ACCOUNT, "a")}, failing={"b": down})
    loaders = UserService(Sources([account])).loaders(PLAN)
    found = await asyncio.gather(*map(loaders.load, map(user, "abca")), return_exceptions=True)
    assert found == [account.users["a"], down, None, account.users["a"]]
    assert account.calls == [("fetch_user", user(name), frozenset({"profile"})) for name in "abc"]


async def test_users_of_a_batch_are_returned_at_once(make_source: Any, roles: Any) -> None:
    """The lookups of all users of a batch are one batch, although some users took longer."""
    users = {
        name: User(UserSource.ACCOUNT, name, role=Role(UserSource.ACCOUNT, f"r{n}", ""))
        for n, name in enumerate("ab", 1)
    }
    account = make_source(UserSource.ACCOUNT, users=users, directories={Kind.ROLE: roles}, slow=frozenset("b"))
    loaders = UserService(Sources([account])).loaders(PLAN)

    async def role_name(name: str) -> str:
        found = await loaders.load(user(name))
        return (await loaders.load(Ref(Kind.ROLE, UserSource.ACCOUNT, found.role.source_id))).name

    assert await asyncio.gather(*map(role_name, "ab")) == ["Role 1", "Role 2"]
    assert roles.calls == [P1]


async def test_a_cached_record_takes_no_batch(make_source: Callable[..., Any], roles: Any) -> None:
    """The future of a cached record is done at once in a new operation, if its principal may read it."""
    account = make_source(UserSource.ACCOUNT, directories={Kind.ROLE: roles})
    sources = Sources([account])
    service = UserService(sources, reference=ReferenceData(sources, lifetimes=Lifetimes(reference=30)))
    assert (await service.loaders(PLAN).load(role(1))).source_id == "r1"
    found = service.loaders(PLAN).load(role(1))
    assert found.done()
    assert found.result().source_id == "r1"
    nobody = service.by(Principal("nobody")).loaders(PLAN)
    with pytest.raises(Forbidden):
        await nobody.load(role(1))
    assert len(roles.calls) == 1


@pytest.mark.parametrize("single", [True, False])
async def test_another_user(make_source: Callable[..., Any], *, single: bool) -> None:
    """A response with another user than the one that was requested is an error, alone and in a batch."""
    source = make_source(UserSource.ACCOUNT, users={"u1": User(UserSource.ACCOUNT, "u2", email="u2@x.y")})
    loaders = UserService(Sources([source])).loaders(PLAN)
    with pytest.raises(SourceInvalidResponse, match="another user"):
        await (loaders.load_single(user("u1")) if single else loaders.load(user("u1")))


async def test_a_user_by_another_spelling(make_source: Callable[..., Any]) -> None:
    """An id in another case, and an e-mail address, identify the user that the source returns with its id."""
    ada = User(UserSource.ACCOUNT, "AB-1", email="Ada@x.y")
    loaders = UserService(Sources([make_source(UserSource.ACCOUNT, users={"ab-1": ada, "ada@x.y": ada})])).loaders(PLAN)
    assert await asyncio.gather(*map(loaders.load, (user("ab-1"), user("ada@x.y")))) == [ada, ada]
