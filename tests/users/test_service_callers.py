"""The service as callers with scopes get it."""

from collections.abc import Callable
from typing import Any

import pytest
from users.listed import World, world

from gateway.errors import Forbidden, SourceNotConfigured
from gateway.operation import ANYONE, Principal
from gateway.users.ids import Kind, Ref, encode
from gateway.users.listing.cursor import Cursors
from gateway.users.model import Role, User, UserSource
from gateway.users.planning import Plan
from gateway.users.service import UserService
from gateway.users.source import Sources

ACCOUNT, SOFTWAREONE, RESELLER = UserSource
ADA = encode(Ref(Kind.USER, ACCOUNT, "u1"))
BOB = encode(Ref(Kind.USER, RESELLER, "b1", "t1"))


def having(*scopes: str) -> Principal:
    return Principal("key:caller", frozenset(scopes))


@pytest.fixture
def service(system: Any, roles: Any, directory: Any) -> UserService:
    """All three systems; the account system has roles."""
    return UserService(
        Sources(
            [
                system(ACCOUNT, users={"u1": User(ACCOUNT, "u1")}, directories={Kind.ROLE: roles}),
                system(SOFTWAREONE, users={"s1": User(SOFTWAREONE, "s1")}),
                system(RESELLER, "t1", users={"b1": User(RESELLER, "b1", "t1")}),
            ]
        )
    )


READS: dict[str, tuple[UserSource, Callable[[UserService], Any]]] = {
    "a user": (ACCOUNT, lambda service: service.get_user(ADA)),
    "a user by its source": (SOFTWAREONE, lambda service: service.get_user("s1", SOFTWAREONE)),
    "a reseller's user": (RESELLER, lambda service: service.get_user(BOB)),
    "a node": (RESELLER, lambda service: service.get(Ref(Kind.USER, RESELLER, "b1", "t1"))),
    "a role": (ACCOUNT, lambda service: service.get_role("r1")),
    "a role that is only a name": (RESELLER, lambda service: service.get(Ref(Kind.ROLE, RESELLER, "Admin"))),
    "a record that leads on": (ACCOUNT, lambda service: service.loaders(Plan()).load(Ref(Kind.ROLE, ACCOUNT, "r1"))),
}
WRITES: dict[str, tuple[UserSource, Callable[[UserService], Any]]] = {
    "create": (ACCOUNT, lambda service: service.create_account_user({"name": "N", "email": "n@example.com"})),
    "account": (ACCOUNT, lambda service: service.update_account_user("u1", {"name": "N"})),
    "softwareone": (SOFTWAREONE, lambda service: service.update_software_one_user("s1", {"first_name": "N"})),
    "reseller": (RESELLER, lambda service: service.update_reseller_user("b1", {"first_name": "N"})),
}


@pytest.mark.parametrize(("source", "read"), READS.values(), ids=READS)
async def test_reads(service: UserService, source: UserSource, read: Any) -> None:
    """A record is read by who has the scope for its system, and by nobody else."""
    for scope in ("users:read", f"users:read:{source}"):
        assert (await read(service.by(having(scope)))).source is source
    assert (await read(service)).source is source
    others = [f"users:read:{one}" for one in UserSource if one is not source]
    for scopes in ((), ("users:write", *others), (f"users:write:{source}",)):
        with pytest.raises(Forbidden, match=f"users:read:{source}"):
            await read(service.by(having(*scopes)))


@pytest.mark.parametrize(("source", "write"), WRITES.values(), ids=WRITES)
async def test_writes(service: UserService, source: UserSource, write: Any) -> None:
    """A change is carried out for who may write in its system, who then gets its answer; for others nothing is sent."""
    for scope in ("users:write", f"users:write:{source}"):
        assert (await write(service.by(having(scope)))).source is source
    assert (await write(service)).source is source
    sent = [len(one.calls) for one in service._sources]  # type: ignore[attr-defined]  # the fake's own  # what they were asked
    others = [f"users:write:{one}" for one in UserSource if one is not source]
    with pytest.raises(Forbidden, match=f"users:write:{source}"):
        await write(service.by(having("users:read", *others)))
    assert [len(one.calls) for one in service._sources] == sent  # type: ignore[attr-defined]  # the fake's own


async def test_what_is_wrong_comes_after_who_may(service: UserService) -> None:
    """Who may not change users learns nothing of what is wrong with a change."""
    with pytest.raises(Forbidden):
        await service.by(having()).update_account_user("..", {"nonsense": 1})
    with pytest.raises(Forbidden):
        await service.by(having()).get_user("s1", SOFTWAREONE)


async def test_a_batch_fails_one_by_one(service: UserService) -> None:
    """Of records that are loaded together those are given that may be read."""
    loaders = service.by(having("users:read:account")).loaders(Plan())
    ada, bob = (loaders.load(Ref(Kind.USER, *one)) for one in ((ACCOUNT, "u1"), (RESELLER, "b1", "t1")))
    assert (await ada).source_id == "u1"
    with pytest.raises(Forbidden):
        await bob


@pytest.fixture
def listed() -> World:
    """Three systems with three users each."""
    return world((1, 2, 3), (1, 2, 3), (1, 2, 3))


@pytest.fixture
def lists(listed: World) -> UserService:
    """The service of those."""
    return UserService(Sources(listed.systems), cursors=Cursors(b"s"))  # type: ignore[arg-type]  # a stand-in with the methods that are used


@pytest.mark.parametrize("scopes", [("users:read:reseller",), ("users:read:account", "users:read:softwareone")])
async def test_lists_are_narrowed(lists: UserService, listed: World, scopes: tuple[str, ...]) -> None:
    """A list, and a person, have the systems that the caller may read; the others are neither asked nor told of."""
    may = [source for source in UserSource if f"users:read:{source}" in scopes]
    service = lists.by(having(*scopes))
    page = await service.list_users()
    assert {edge.node.source for edge in page.edges} == set(may)
    assert page.unavailable == ()
    person = await service.find_person("u1@example.com")
    assert {user.source for user in person.users} == set(may)
    assert [bool(reads) for reads in listed.reads] == [source in may for source in UserSource]


async def test_lists_that_name_a_system(lists: UserService) -> None:
    """A list that names a system which its caller may not read is refused, as is every list of who may read none."""
    service = lists.by(having("users:read:account"))
    assert (await service.list_users({"sources": ["account"]})).edges
    for filter_ in ({"sources": ["account", "reseller"]}, {"sources": ["reseller"]}):
        with pytest.raises(Forbidden, match="users:read:reseller"):
            await service.list_users(filter_)
    with pytest.raises(Forbidden, match="users:read:account"):
        await lists.by(having("users:read:reseller")).list_users({"role_type": "admin"})
    for call in (lambda: lists.by(having()).list_users(), lambda: lists.by(having()).find_person("u1@example.com")):
        with pytest.raises(Forbidden, match="users:read"):
            await call()


async def test_a_system_that_is_not_configured(system: Any) -> None:
    """One that is named and not configured is told of to who may read it, and to others only that they may not."""
    service = UserService(Sources([system(ACCOUNT)]))
    with pytest.raises(SourceNotConfigured):
        await service.by(having("users:read")).list_users({"sources": ["reseller"]})
    with pytest.raises(Forbidden):
        await service.by(having("users:read:account")).list_users({"sources": ["reseller"]})


async def test_a_cursor_of_somebody_who_may_more(lists: UserService) -> None:
    """With the cursor of a caller who may read all, a walk goes on in the systems that its own caller may read."""
    page = await lists.by(having("users:read")).list_users(first=2)
    rest = await lists.by(having("users:read:account")).list_users(after=page.end_cursor)
    assert {edge.node.source for edge in rest.edges} == {ACCOUNT}
    assert not rest.has_next_page


async def test_the_program_itself(service: UserService) -> None:
    """The service as the program gets it is nobody's, and stays so when it is given to callers."""
    bound = service.by(having("users:read"))
    assert service.by(ANYONE) is service
    assert bound is not service
    assert isinstance(await service.get_role("r1"), Role)
    with pytest.raises(Forbidden):
        await bound.update_account_user("u1", {"name": "N"})
    assert await service.update_account_user("u1", {"name": "N"})
