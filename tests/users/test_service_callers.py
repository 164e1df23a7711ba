"""The service for principals with scopes."""

from collections.abc import Callable
from typing import Any

import pytest
from users.fake_lists import World, make_world

from gateway.errors import Forbidden, SourceNotConfigured
from gateway.principal import ANYONE, Principal
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
def service(make_source: Any, roles: Any, make_directory: Any) -> UserService:
    """A service of all three sources; the account source has roles."""
    return UserService(
        Sources(
            [
                make_source(ACCOUNT, users={"u1": User(ACCOUNT, "u1")}, directories={Kind.ROLE: roles}),
                make_source(SOFTWAREONE, users={"s1": User(SOFTWAREONE, "s1")}),
                make_source(RESELLER, "t1", users={"b1": User(RESELLER, "b1", "t1")}),
            ]
        )
    )


ONE_USER = Plan(single_user=True)
READS: dict[str, tuple[UserSource, Callable[[UserService], Any]]] = {
    "a user": (ACCOUNT, lambda service: service.get_user(ADA)),
    "a user by its source": (SOFTWAREONE, lambda service: service.get_user("s1", SOFTWAREONE)),
    "a reseller's user": (RESELLER, lambda service: service.get_user(BOB)),
    "a node": (RESELLER, lambda service: service.get(Ref(Kind.USER, RESELLER, "b1", "t1"))),
    "the only user": (ACCOUNT, lambda service: service.get_user("u1", ACCOUNT, loaders=service.loaders(ONE_USER))),
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
    """Reading a record requires the scope for its source."""
    for scope in ("users:read", f"users:read:{source}"):
        assert (await read(service.by(having(scope)))).source is source
    assert (await read(service)).source is source
    others = [f"users:read:{name}" for name in UserSource if name is not source]
    for scopes in ((), ("users:write", *others), (f"users:write:{source}",)):
        with pytest.raises(Forbidden, match=f"users:read:{source}"):
            await read(service.by(having(*scopes)))


@pytest.mark.parametrize(("source", "write"), WRITES.values(), ids=WRITES)
async def test_writes(service: UserService, source: UserSource, write: Any) -> None:
    """A change requires the scope to write in its source, and returns the user; without it nothing is sent."""
    for scope in ("users:write", f"users:write:{source}"):
        assert (await write(service.by(having(scope)))).source is source
    assert (await write(service)).source is source
    sent = [len(fake.calls) for fake in service._sources]  # type: ignore[attr-defined]  # only the fake has it
    others = [f"users:write:{name}" for name in UserSource if name is not source]
    with pytest.raises(Forbidden, match=f"users:write:{source}"):
        await write(service.by(having("users:read", *others)))
    assert [len(fake.calls) for fake in service._sources] == sent  # type: ignore[attr-defined]  # only the fake has it


async def test_scopes_are_checked_first(service: UserService) -> None:
    """Without the scope, the errors of the input are not reported."""
    with pytest.raises(Forbidden):
        await service.by(having()).update_account_user("..", {"nonsense": 1})
    with pytest.raises(Forbidden):
        await service.by(having()).get_user("s1", SOFTWAREONE)


async def test_a_batch_fails_one_by_one(service: UserService) -> None:
    """Of a batch, the records are returned that the principal may read."""
    loaders = service.by(having("users:read:account")).loaders(Plan())
    ada, bob = (loaders.load(Ref(Kind.USER, *record)) for record in ((ACCOUNT, "u1"), (RESELLER, "b1", "t1")))
    assert (await ada).source_id == "u1"
    with pytest.raises(Forbidden):
        await bob


@pytest.fixture
def listed() -> World:
    """Three sources with three users each."""
    return make_world((1, 2, 3), (1, 2, 3), (1, 2, 3))


@pytest.fixture
def lists(listed: World) -> UserService:
    """The service of these sources."""
    return UserService(Sources(listed.sources), cursors=Cursors(b"s"))  # type: ignore[arg-type]  # they have the methods that are used


@pytest.mark.parametrize("scopes", [("users:read:reseller",), ("users:read:account", "users:read:softwareone")])
async def test_lists_are_narrowed(lists: UserService, listed: World, scopes: tuple[str, ...]) -> None:
    """Lists and persons have the sources that the principal may read; the others are not called or reported."""
    readable = [source for source in UserSource if f"users:read:{source}" in scopes]
    service = lists.by(having(*scopes))
    page = await service.list_users()
    assert {edge.node.source for edge in page.edges} == set(readable)
    assert page.unavailable == ()
    person = await service.find_person("u1@example.com")
    assert {user.source for user in person.users} == set(readable)
    assert [bool(reads) for reads in listed.reads] == [source in readable for source in UserSource]


async def test_lists_of_requested_sources(lists: UserService) -> None:
    """A list of a source that the principal may not read is refused, as is any list without a scope."""
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


async def test_a_source_that_is_not_configured(make_source: Any) -> None:
    """That a requested source is not configured is reported only to principals that may read it."""
    service = UserService(Sources([make_source(ACCOUNT)]))
    with pytest.raises(SourceNotConfigured):
        await service.by(having("users:read")).list_users({"sources": ["reseller"]})
    with pytest.raises(Forbidden):
        await service.by(having("users:read:account")).list_users({"sources": ["reseller"]})


async def test_a_cursor_of_another_principal(lists: UserService) -> None:
    """With the cursor of a principal with more scopes, a walk continues in the sources that the caller may read."""
    page = await lists.by(having("users:read")).list_users(first=2)
    rest = await lists.by(having("users:read:account")).list_users(after=page.end_cursor)
    assert {edge.node.source for edge in rest.edges} == {ACCOUNT}
    assert not rest.has_next_page


async def test_the_embedding_program(service: UserService) -> None:
    """The service of the embedding program has no principal, and `by` does not change it."""
    bound = service.by(having("users:read"))
    assert service.by(ANYONE) is service
    assert bound is not service
    assert isinstance(await service.get_role("r1"), Role)
    with pytest.raises(Forbidden):
        await bound.update_account_user("u1", {"name": "N"})
    assert await service.update_account_user("u1", {"name": "N"})
