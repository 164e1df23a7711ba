"""What embedding programs state about kept records, and how they learn that some are past their lifetime."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from still_clock import StillClock

from gateway import Gateway
from gateway.errors import BadUserInput, SourceUnavailable
from gateway.freshness import ANY_FRESHNESS, Freshness
from gateway.models import StaleData, StaleReason, User, UserFilter, UserSource, View
from gateway.sources import Source
from gateway.testing import LANDMARKS, Sandbox
from gateway.users.ids import Kind, Ref, encode

ACCOUNT = UserSource.ACCOUNT
ADA = LANDMARKS["account"]["ada"]
ADA_ID = encode(Ref(Kind.USER, ACCOUNT, ADA))


@pytest.fixture
def gateway_sandbox() -> Iterator[Sandbox]:
    """A sandbox whose time passes only where a test advances it."""
    with Sandbox(clock=StillClock()) as sandbox:
        yield sandbox


@pytest.fixture
async def keeping(gateway_sandbox: Sandbox) -> AsyncIterator[Gateway]:
    """A gateway that keeps users for 5 s: nobody reports changes. Calls are tried once."""
    once = {name: {"max_attempts": 1} for name in ("account", "softwareone", "reseller")}
    settings = gateway_sandbox.settings(keep_mode="on", **once)
    async with Gateway(settings, clock=gateway_sandbox.clock) as gateway:
        yield gateway


async def read_ada(gateway: Gateway, **options: Any) -> User:
    """Return Ada."""
    user = await gateway.users.get_user(ADA, ACCOUNT, **options)
    assert user is not None
    return user


async def test_max_age(keeping: Gateway, gateway_sandbox: Sandbox) -> None:
    """A kept user is given as long as it is not older than the caller accepts; 0 always calls the source."""
    await read_ada(keeping)
    gateway_sandbox.update(ADA, "account", name="Ada King")  # which nobody reports
    gateway_sandbox.calls.clear()
    gateway_sandbox.advance(3)
    assert (await read_ada(keeping, max_age=4)).name == "Ada Lovelace"
    assert (await read_ada(keeping)).name == "Ada Lovelace"
    assert gateway_sandbox.calls == []
    assert (await read_ada(keeping, max_age=2)).name == "Ada King"
    assert len(gateway_sandbox.calls) == 1
    gateway_sandbox.update(ADA, "account", name="Ada Byron")
    assert (await read_ada(keeping, max_age=0)).name == "Ada Byron"


async def test_only_if_cached(keeping: Gateway, gateway_sandbox: Sandbox) -> None:
    """No source is called: what is not kept is an error, also in lists, lookups and a gateway that keeps nothing."""
    for read in (
        keeping.users.get_user(ADA, ACCOUNT, only_if_cached=True),
        keeping.users.list_users(only_if_cached=True),
        keeping.users.find_person("ada.lovelace@example.com", only_if_cached=True),
        keeping.users.get_role("rl_admin0000000", only_if_cached=True),
        keeping.users.list_roles(only_if_cached=True),
        keeping.users.list_departments(only_if_cached=True),
        anext(aiter(keeping.users.iterate(only_if_cached=True))),
    ):
        with pytest.raises(SourceUnavailable, match="only-if-cached"):
            await read
    async with Gateway(gateway_sandbox.settings()) as off:
        with pytest.raises(SourceUnavailable, match="only-if-cached"):
            await read_ada(off, only_if_cached=True)
    assert gateway_sandbox.calls == []
    await read_ada(keeping)
    assert (await read_ada(keeping, only_if_cached=True)).name == "Ada Lovelace"
    assert len(gateway_sandbox.calls) == 1


async def test_stale_while_it_is_read_again(keeping: Gateway, gateway_sandbox: Sandbox) -> None:
    """Who accepts a user past its lifetime gets it at once, with its age, and without `on_stale` too."""
    await read_ada(keeping)
    gateway_sandbox.advance(60)
    stale: list[StaleData] = []
    assert (await read_ada(keeping, max_stale=300, on_stale=stale.append)).name == "Ada Lovelace"
    [given] = stale
    assert (given.source, given.id, given.reason) == (ACCOUNT, ADA_ID, StaleReason.REVALIDATING)
    assert given.age == 60
    async with asyncio.timeout(20):
        while len(gateway_sandbox.calls) < 2:  # noqa: ASYNC110 - the sandbox has a thread of its own
            await asyncio.sleep(0.01)
    gateway_sandbox.advance(60)
    assert (await read_ada(keeping, max_stale=math.inf)).name == "Ada Lovelace"
    await read_ada(keeping, on_stale=stale.append)
    assert len(stale) == 1


async def test_stale_where_a_source_fails(keeping: Gateway, gateway_sandbox: Sandbox) -> None:
    """Users and lists that are kept are given, with the reason; a list also states since when its source is missing."""
    await read_ada(keeping)
    page = await keeping.users.list_users({"sources": [ACCOUNT]}, first=2)
    gateway_sandbox.advance(60)
    gateway_sandbox.fail("account", status=503, times=None)
    stale: list[StaleData] = []
    assert (await read_ada(keeping, on_stale=stale.append)).name == "Ada Lovelace"
    again = await keeping.users.list_users({"sources": [ACCOUNT]}, first=2, on_stale=stale.append)
    assert [user.id for user in again.users] == [user.id for user in page.users]
    assert [(given.source, given.id, given.reason) for given in stale] == [
        (ACCOUNT, ADA_ID, StaleReason.SOURCE_UNAVAILABLE),
        (ACCOUNT, None, StaleReason.SOURCE_UNAVAILABLE),
    ]
    [missing] = again.unavailable
    assert missing.as_of is not None
    with pytest.raises(SourceUnavailable):
        await read_ada(keeping, max_age=30)


async def test_iteration_goes_on_with_what_is_kept(keeping: Gateway, gateway_sandbox: Sandbox) -> None:
    """A loop over all users continues over the users of a source that fails as far as they are kept, then it fails."""
    only: UserFilter = {"sources": [ACCOUNT]}
    users = [user.id async for user in keeping.users.iterate(only, page_size=200)]
    gateway_sandbox.advance(60)
    gateway_sandbox.fail("account", status=503, times=None)
    stale: list[StaleData] = []
    assert [user.id async for user in keeping.users.iterate(only, page_size=200, on_stale=stale.append)] == users
    assert {(given.source, given.id) for given in stale} == {(ACCOUNT, None)}
    gateway_sandbox.advance(600)
    with pytest.raises(SourceUnavailable):
        _ = [user async for user in keeping.users.iterate(only, page_size=200)]


async def test_a_user_that_was_requested_by_address(keeping: Gateway, gateway_sandbox: Sandbox) -> None:
    """What is past its lifetime is named by the id that the record has, whatever it was requested by."""
    address = "ada.lovelace@example.com"
    user = await keeping.users.get_user(address, UserSource.SOFTWAREONE)
    assert user is not None
    gateway_sandbox.advance(60)
    gateway_sandbox.fail("softwareone", status=503, times=None)
    stale: list[StaleData] = []
    for requested in (address, user.source_id):
        await keeping.users.get_user(requested, UserSource.SOFTWAREONE, on_stale=stale.append)
    assert [given.id for given in stale] == [user.id, user.id]


async def test_changes_read_anew(keeping: Gateway, gateway_sandbox: Sandbox) -> None:
    """A change sees the present state, whatever is kept; a read after it costs no call, and is not stale."""
    await read_ada(keeping)
    user = await keeping.users.update_account_user(ADA, {"name": "Ada King"}, view=View.FULL)
    assert user.name == "Ada King"
    stale: list[StaleData] = []
    assert (await read_ada(keeping, on_stale=stale.append)).name == "Ada King"
    assert stale == []


async def test_changes_are_never_stale(keeping: Gateway, gateway_sandbox: Sandbox) -> None:
    """A lookup after a change fails where its source does, although a read would get what is kept; so does an event."""
    fields = ("name", "department.location.name")
    user = await read_ada(keeping, fields=fields)
    gateway_sandbox.advance(60)
    gateway_sandbox.fail("account", status=503, times=None, path="/departments")
    stale: list[StaleData] = []
    again = await read_ada(keeping, fields=fields, on_stale=stale.append)
    assert again == user
    assert user.department is not None
    assert [given.id for given in stale] == [user.department.id]
    events = keeping.users.subscribe(ids=[user.id], fields=fields)
    event = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    selection = "{ name department { location { name } } }"
    documents = keeping.subscribe(f"subscription {{ userChanged {{ user {selection} }} }}")
    document = asyncio.ensure_future(anext(documents))
    await asyncio.sleep(0)
    changed = await keeping.users.update_account_user(ADA, {"name": "Ada King"}, fields=fields)
    for given in (changed, (await event).user):
        assert given.name == "Ada King"
        assert given.department is not None
        with pytest.raises(SourceUnavailable):
            _ = given.department.location
    result = await document
    assert result.data["userChanged"]["user"]["name"] == "Ada King"
    assert result.errors
    assert "freshness" not in (result.extensions or {})
    await events.aclose()
    await documents.aclose()


async def test_graphql(keeping: Gateway, gateway_sandbox: Sandbox) -> None:
    """A document is executed with the same wishes, and its result has what is past its lifetime."""
    query, variables = "query ($id: ID!) { user(id: $id) { name } }", {"id": ADA_ID}
    refused = await keeping.execute(query, variables, only_if_cached=True)
    assert refused.errors
    assert (refused.errors[0].extensions or {})["code"] == "SOURCE_UNAVAILABLE"
    assert gateway_sandbox.calls == []
    assert (await keeping.execute(query, variables)).data == {"user": {"name": "Ada Lovelace"}}
    gateway_sandbox.update(ADA, "account", name="Ada King")
    assert (await keeping.execute(query, variables, max_age=0)).data == {"user": {"name": "Ada King"}}
    gateway_sandbox.advance(60)
    gateway_sandbox.fail("account", status=503, times=None)
    result = await keeping.execute(query, variables, max_stale=120)
    assert result.data == {"user": {"name": "Ada King"}}
    [freshness] = (result.extensions or {})["freshness"]
    assert (freshness["path"], freshness["source"], freshness["reason"]) == (["user"], "ACCOUNT", "revalidating")
    async for response in keeping.subscribe(query, variables, only_if_cached=True):
        assert response.errors


async def test_wrong_arguments(keeping: Gateway, gateway_sandbox: Sandbox) -> None:
    """Ages are numbers of seconds; the error names the argument, in the result of a document too."""
    wrong: list[dict[str, Any]] = [
        {"max_age": -1},
        {"max_age": math.nan},
        {"max_age": "60"},
        {"max_stale": True},
        {"max_stale": -0.5},
        {"only_if_cached": 1},
    ]
    for options in wrong:
        [name] = options
        with pytest.raises(BadUserInput) as raised:
            await read_ada(keeping, **options)
        assert [violation.path for violation in raised.value.violations] == [(name,)]
        result = await keeping.execute("{ __typename }", **options)
        assert result.errors
        assert (result.errors[0].extensions or {})["code"] == "BAD_USER_INPUT"
        [refused] = [each async for each in keeping.subscribe("{ __typename }", **options)]
        assert refused.errors
    assert gateway_sandbox.calls == []


async def test_a_failure_of_the_callback(keeping: Gateway, gateway_sandbox: Sandbox) -> None:
    """What `on_stale` raises is the program's: it is raised as it is."""
    await read_ada(keeping)
    gateway_sandbox.advance(60)

    def refuse(_: StaleData) -> None:
        raise KeyError("of the program")

    with pytest.raises(KeyError, match="of the program"):
        await read_ada(keeping, max_stale=300, on_stale=refuse)


async def test_wishes_apply_to_one_operation(keeping: Gateway, gateway_sandbox: Sandbox) -> None:
    """Operations at the same time have different wishes, and each gets the report of its own reads alone."""
    await read_ada(keeping)
    gateway_sandbox.advance(60)
    gateway_sandbox.fail("account", status=503, times=None)
    accepting: list[StaleData] = []
    other: list[StaleData] = []

    async def refuse() -> None:
        with pytest.raises(SourceUnavailable):
            await read_ada(keeping, max_age=10, on_stale=other.append)

    await asyncio.gather(read_ada(keeping, max_stale=300, on_stale=accepting.append), refuse(), read_ada(keeping))
    assert (len(accepting), other) == (1, [])


class Mirror(Source):
    """A source of the program, whose users have the names of account users: it reads them by the same gateway."""

    gateway: Gateway

    @property
    def name(self) -> UserSource:
        return UserSource.RESELLER

    async def fetch_user(self, ref: Ref, _needs: frozenset[str]) -> User | None:
        return User(ref.source, ref.source_id, ref.tenant, name=(await read_ada(self.gateway)).name)

    async def update_user(self, ref: Ref, _change: object, _key: str) -> User | None:
        return await self.fetch_user(ref, frozenset())


async def test_a_read_inside_another_one(gateway_sandbox: Sandbox) -> None:
    """A read that a source of the program makes has none of the wishes of the read around it, nor of a change."""
    mirror = Mirror()
    settings = gateway_sandbox.settings(keep_mode="on", account={"max_attempts": 1})
    async with Gateway(settings, sources=[mirror], clock=gateway_sandbox.clock) as gateway:
        mirror.gateway = gateway
        await read_ada(gateway)
        mirrored = encode(Ref(Kind.USER, UserSource.RESELLER, "r1", "t1"))
        stale: list[StaleData] = []
        user = await gateway.users.get_user(mirrored, max_age=0, on_stale=stale.append)
        assert user is not None
        assert user.name == "Ada Lovelace"
        await gateway.users.update_reseller_user(mirrored, {"first_name": "Ada"})
        assert len(gateway_sandbox.calls) == 1
        gateway_sandbox.advance(60)
        gateway_sandbox.fail("account", status=503, times=None)
        assert await gateway.users.get_user(mirrored, max_age=0, on_stale=stale.append) == user
        assert stale == []


def test_a_maximum_age_of_zero_is_the_same_as_no_cache() -> None:
    """With a maximum age of 0 nothing that is kept is accepted, not even what was read in the same instant."""
    for freshness in (Freshness.parse("max-age=0"), Freshness.of(max_age=0)):
        assert freshness.no_cache
        assert not freshness.accepts(0, 600)
        assert not freshness.accepts_stale(0, 0, if_error=300)
    assert Freshness.of(max_age=5).accepts(5, 600)
    assert not Freshness.of(max_age=5).accepts(5.1, 600)
    assert Freshness.of() is ANY_FRESHNESS
