"""The typed service of a gateway in front of the sandbox."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

from gateway import Gateway
from gateway.auth import Principal
from gateway.changes import CreateAccountUser
from gateway.errors import (
    BadUserInput,
    Conflict,
    FieldNotLoaded,
    Forbidden,
    GatewayError,
    NotFound,
    Rule,
    SourceTimeout,
    SourceUnavailable,
    Unauthenticated,
)
from gateway.models import Department, Role, User, UserChange, UserSource, View
from gateway.testing import LANDMARKS, Sandbox
from gateway.users.ids import Kind, Ref, encode

ADA = "acus_adalovelace1"
ACCOUNT, SOFTWAREONE, RESELLER = UserSource
READER = Principal("reader", frozenset({"users:read:account"}))


async def ada(gateway: Gateway, **options: Any) -> User:
    """Return Ada, as far as the options state."""
    found = await gateway.users.get_user(ADA, ACCOUNT, **options)
    assert found is not None
    return found


async def test_views(gateway: Gateway, gateway_sandbox: Sandbox) -> None:
    """The basic view costs one call; the full view looks the rest up. What was not loaded cannot be read."""
    user = await ada(gateway)
    assert len(gateway_sandbox.calls) == 1
    assert user.id == encode(Ref(Kind.USER, ACCOUNT, ADA))
    assert user.role is not None
    assert user.department is not None
    with pytest.raises(FieldNotLoaded, match=r'view=View.FULL or fields=\("department.location",\)'):
        _ = user.department.location
    gateway_sandbox.calls.clear()
    full = await ada(gateway, view=View.FULL)
    assert full.department is not None
    assert full.department.location is not None
    assert full.role is not None
    assert full.role.permissions
    assert full.role.owner is not None
    assert len(gateway_sandbox.calls) == 3  # the user, the role, the department
    with pytest.raises(FieldNotLoaded, match=r'read the user with fields=\("department.location.parent",\)'):
        _ = full.department.location.parent
    assert type(full) is User


async def test_fields(gateway: Gateway, gateway_sandbox: Sandbox) -> None:
    """Paths load exactly their fields, with as few calls as possible."""
    user = await ada(gateway, fields=("name", "department.location.name"))
    assert user.name == "Ada Lovelace"
    assert user.department is not None
    assert user.department.location is not None
    assert user.department.location.name
    assert len(gateway_sandbox.calls) == 2
    for path in ("email", "role"):
        with pytest.raises(FieldNotLoaded):
            getattr(user, path)
    with pytest.raises(FieldNotLoaded):
        _ = user.department.name


async def test_lists(gateway: Gateway, gateway_sandbox: Sandbox) -> None:
    """The lookups for all records of a page are one batch; the pages of a list follow each other."""
    page = await gateway.users.list_users({"sources": [ACCOUNT]}, first=3, fields=("id", "role.permissions"))
    assert len(gateway_sandbox.calls) <= 3
    assert all(user.role is None or user.role.permissions is not None for user in page.users)
    assert page.has_next_page
    assert page.unavailable == ()
    rest = await gateway.users.list_users({"sources": [ACCOUNT]}, first=50, after=page.end_cursor)
    assert not {user.id for user in page.users} & {user.id for user in rest.users}
    person = await gateway.users.find_person("ada.lovelace@example.com", fields=("source",))
    assert {user.source for user in person.users} >= {ACCOUNT}


async def test_roles_and_departments(gateway: Gateway) -> None:
    """Of a role and a department all fields are loaded, unless some are named."""
    roles = (await gateway.users.list_roles(first=2)).roles
    departments = (await gateway.users.list_departments(first=2)).departments
    role, department = await gateway.users.get_role(roles[0].id), await gateway.users.get_department(departments[0].id)
    assert isinstance(role, Role)
    assert role.permissions is not None
    assert role.permissions == roles[0].permissions
    assert isinstance(department, Department)
    _ = department.location, department.machines, department.scanning_stations
    named = await gateway.users.get_role(roles[0].id, fields=("name",))
    assert named is not None
    assert named.name == role.name
    with pytest.raises(FieldNotLoaded, match=r'read the role with fields=\("permissions",\)'):
        _ = named.permissions
    assert await gateway.users.get_role("rl_none") is None


async def test_iteration(gateway: Gateway, gateway_sandbox: Sandbox) -> None:
    """All users are yielded once, page by page; a loop that is left has not read more than it used."""
    everyone = [user.id async for user in gateway.users.iterate(page_size=7)]
    assert len(set(everyone)) == len(everyone) > 14
    assert [user.id async for user in gateway.users.iterate(page_size=200, fields=("name",))] == everyone
    assert [user.id async for user in gateway.users.iterate(page_size=4, limit=6)] == everyone[:6]
    assert [user async for user in gateway.users.iterate(limit=0)] == []
    gateway_sandbox.calls.clear()
    before = asyncio.all_tasks()
    async for user in gateway.users.iterate({"sources": [ACCOUNT]}, page_size=2):
        assert user.source is ACCOUNT
        break
    assert len(gateway_sandbox.calls) == 1
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before


async def test_iteration_with_a_failing_source(gateway_sandbox: Sandbox) -> None:
    """The users of the other sources are yielded, then the error is raised: the rest would be incomplete."""
    async with Gateway(gateway_sandbox.settings(reseller={"max_attempts": 1})) as gateway:
        gateway_sandbox.fail("reseller", status=503, times=None)
        found: list[User] = []

        async def collect() -> None:
            async for user in gateway.users.iterate(page_size=200):
                found.append(user)  # noqa: PERF401 - what was yielded before the error counts

        with pytest.raises(SourceUnavailable) as raised:
            await collect()
        assert raised.value.origin.source == RESELLER
        assert {user.source for user in found} == {ACCOUNT, SOFTWAREONE}


async def test_changes(gateway: Gateway, gateway_sandbox: Sandbox) -> None:
    """A change returns the user after it, with what is requested; repeated with its key, it is executed once."""
    change = CreateAccountUser(name="Eve", email="eve@example.com")
    created = await gateway.users.create_account_user(change, idempotency_key="1", fields=("name", "role.permissions"))
    again = await gateway.users.create_account_user(change, idempotency_key="1", fields=("id",))
    assert (created.id, created.name) == (again.id, "Eve")
    assert sum(call.method == "POST" for call in gateway_sandbox.calls) == 1
    cleared = await gateway.users.update_account_user(ADA, {"department_id": None}, view=View.FULL)
    assert cleared.department is None
    assert cleared.role is not None
    assert cleared.role.permissions is not None
    with pytest.raises(NotFound):
        await gateway.users.update_account_user("acus_none", {"name": "x"})


async def test_a_lookup_that_fails_after_a_change(gateway_sandbox: Sandbox) -> None:
    """A change that was executed succeeds although a lookup fails; reading the field raises the error of the lookup."""
    async with Gateway(gateway_sandbox.settings(account={"max_attempts": 1}, reference_ttl=0)) as gateway:
        gateway_sandbox.fail("account", status=503, path="/departments", times=None)
        user = await gateway.users.update_account_user(ADA, {"name": "Ada King"}, view=View.FULL)
        assert user.name == "Ada King"
        assert user.department is not None
        with pytest.raises(SourceUnavailable):
            _ = user.department.location


CALLS: list[tuple[Callable[[Gateway], Awaitable[object]], tuple[str | int, ...], Rule]] = [
    (lambda g: g.users.update_account_user(ADA, {"email": "x"}), ("email",), Rule.FORMAT),
    (lambda g: g.users.update_account_user(ADA, {"role_id": ADA * 40}), ("role_id",), Rule.MAX_LENGTH),
    (lambda g: g.users.update_account_user(ADA, {}), ("change",), Rule.MIN_FIELDS),
    (
        lambda g: g.users.update_account_user(ADA, {"email": "bob.ross@example.com", "nmae": "x"}),
        ("nmae",),
        Rule.UNKNOWN,
    ),  # type: ignore[typeddict-unknown-key]  # what a type checker finds
    (lambda g: g.users.get_user(ADA), ("id",), Rule.FORMAT),
    (lambda g: g.users.get_user(None), ("id",), Rule.TYPE),  # type: ignore[arg-type]  # as above
    (lambda g: g.users.find_person(7), ("email",), Rule.TYPE),  # type: ignore[arg-type]  # as above
    (lambda g: g.users.list_users(first="5"), ("first",), Rule.TYPE),  # type: ignore[arg-type]  # as above
    (lambda g: g.users.get_user(ADA, "ldap"), ("source",), Rule.ENUM),  # type: ignore[arg-type]  # as above
    (lambda g: g.users.list_users({"emial": "x"}), ("filter", "emial"), Rule.UNKNOWN),  # type: ignore[typeddict-unknown-key]  # as above
    (lambda g: g.users.list_users({"email": "x" * 321}), ("filter", "email"), Rule.MAX_LENGTH),
    (lambda g: g.users.list_users(first=201), ("first",), Rule.RANGE),
    (lambda g: g.users.list_users(after="x"), ("after",), Rule.FORMAT),
    (lambda g: anext(g.users.iterate(page_size=201)), ("page_size",), Rule.RANGE),
    (lambda g: anext(g.users.iterate(page_size=0)), ("page_size",), Rule.RANGE),
    (lambda g: anext(g.users.iterate(limit=-1)), ("limit",), Rule.RANGE),
    (lambda g: ada(g, fields=("name", "nmae")), ("fields", 1), Rule.UNKNOWN),
    (lambda g: ada(g, fields="name"), ("fields",), Rule.TYPE),
    (lambda g: ada(g, view="huge"), ("view",), Rule.ENUM),
    (lambda g: ada(g, view=View.FULL, fields=("name",)), ("view",), Rule.NOT_ALLOWED),
    (lambda g: anext(g.users.subscribe(ids=["x"])), ("ids", 0), Rule.FORMAT),
    (lambda g: anext(g.users.subscribe(resume_token="x")), ("resume_token",), Rule.FORMAT),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
async def test_arguments_that_are_not_valid(gateway: Gateway, gateway_sandbox: Sandbox, number: int) -> None:
    """The path of a violation is the argument, or the field of a change, as the caller wrote it; no call is made."""
    call, path, rule = CALLS[number]
    with pytest.raises(BadUserInput) as refused:
        await call(gateway)
    assert [(found.path, found.rule) for found in refused.value.violations if found.path == path] == [(path, rule)]
    assert len(gateway_sandbox.calls) == 0


@pytest.mark.parametrize(
    ("change", "error"),
    [({"email": "grace.hopper@example.com"}, Conflict), ({"department_id": "dp_none"}, NotFound)],
)
async def test_a_rule_of_the_source(gateway: Gateway, change: Any, error: type[GatewayError]) -> None:
    """A rule that only the source checks has the path of the field too."""
    with pytest.raises(error) as refused:
        await gateway.users.update_account_user(ADA, change)
    assert [violation.path for violation in refused.value.violations] == [tuple(change)]


async def test_for_a_principal(gateway: Gateway) -> None:
    """For a principal its scopes are checked, and its expiry."""
    users = gateway.users.by(READER)
    assert await users.get_user(ADA, ACCOUNT)
    assert {user.source for user in (await users.list_users()).users} == {ACCOUNT}
    with pytest.raises(Forbidden):
        await users.update_account_user(ADA, {"name": "x"})
    with pytest.raises(Forbidden):
        await users.get_user("USR-0000-0001", SOFTWAREONE)
    writer = gateway.users.by(Principal("writer", frozenset({"users:write:account"})))
    changed = await writer.update_account_user(ADA, {"name": "Ada King"}, view=View.FULL)
    assert changed.department is not None
    with pytest.raises(Forbidden):  # the lookup, which reads
        _ = changed.department.location
    expired = Principal("late", READER.scopes, expires=time.time() - 1)
    with pytest.raises(Unauthenticated):
        await gateway.users.by(expired).get_user(ADA, ACCOUNT)


async def test_a_timeout(gateway: Gateway, gateway_sandbox: Sandbox) -> None:
    """`timeout` is for the whole call."""
    gateway_sandbox.fail("account", "slow", delay=30, times=None)
    with pytest.raises(SourceTimeout):
        await ada(gateway, timeout=0.2)


async def test_reports(gateway: Gateway) -> None:
    """Each call is an operation in the metrics, by the name of its method, with the code of its error."""
    await ada(gateway)
    with pytest.raises(BadUserInput):
        await gateway.users.get_user(ADA)
    count = gateway.metrics.registry.get_sample_value
    labels = {"surface": "python", "operation": "get_user", "kind": "method"}
    name = "gateway_operation_duration_seconds_count"
    assert count(name, labels | {"code": "OK"}) == 1
    assert count(name, labels | {"code": "BAD_USER_INPUT"}) == 1


async def test_subscription(gateway: Gateway) -> None:
    """Changes are yielded with their users as far as requested, from a resume token on if one is given."""
    async with aclosing(
        gateway.users.subscribe(sources=[ACCOUNT], fields=("name", "department.location.name"))
    ) as events:
        waiting = asyncio.ensure_future(anext(events))
        await _subscribed(gateway)
        await gateway.users.update_account_user(ADA, {"name": "Ada King"})
        first = await waiting
        assert (first.change, first.user.id, first.user.name) == (
            UserChange.UPDATED,
            (await ada(gateway)).id,
            "Ada King",
        )
        assert first.user.department is not None
        assert first.user.department.location is not None
        with pytest.raises(FieldNotLoaded):
            _ = first.user.email
    assert gateway._parts.events.subscribers == 0
    await gateway.users.update_account_user(ADA, {"name": "Ada Byron"})
    async for event in gateway.users.subscribe(ids=[first.user.id], resume_token=first.id):
        assert event.user.name == "Ada Byron"
        break
    async with asyncio.timeout(20):
        while gateway._parts.events.subscribers:  # noqa: ASYNC110 - the loop that was left sets no event
            await asyncio.sleep(0.01)


async def test_the_end_of_a_subscription(gateway_sandbox: Sandbox) -> None:
    """It ends with an error when the principal expires or is revoked, and without one when the gateway is closed."""
    async with Gateway(gateway_sandbox.settings()) as gateway:
        short = Principal("short", READER.scopes, expires=time.time() + 0.3)
        with pytest.raises(Unauthenticated):
            await anext(gateway.users.by(short).subscribe())
        revoked = asyncio.ensure_future(anext(gateway.users.by(READER).subscribe()))
        await _subscribed(gateway)
        gateway.revoke("reader")
        with pytest.raises(Unauthenticated):
            await revoked
        with pytest.raises(Forbidden):
            await anext(gateway.users.by(READER).subscribe(sources=[RESELLER]))
        open_until_the_end = asyncio.ensure_future(_all(gateway))
        await _subscribed(gateway)
    assert await open_until_the_end == []


async def test_draining(gateway: Gateway) -> None:
    """Subscriptions of the embedding program end when the gateway drains, and those that begin later do at once.

    A server may close the gateway only after all responses have ended, also those that a subscription produces.
    """
    typed = asyncio.ensure_future(_all(gateway))
    document = asyncio.ensure_future(_all_results(gateway))
    await _subscribed(gateway, 2)
    async with asyncio.timeout(20):
        await gateway.drain()
        assert await typed == []
        assert await document == []
        assert await _all(gateway) == []
        assert await _all_results(gateway) == []


async def test_events_after_a_revocation(gateway: Gateway) -> None:
    """A caller that is revoked gets none of the events that it has not read yet."""
    async with aclosing(gateway.users.by(READER).subscribe()) as events:
        first = asyncio.ensure_future(anext(events))
        await _subscribed(gateway)
        for name in ("Ada King", "Ada Byron"):
            await gateway.users.update_account_user(ADA, {"name": name})
        assert (await first).user.name == "Ada King"
        gateway.revoke("reader")
        with pytest.raises(Unauthenticated):
            await anext(events)


async def _all(gateway: Gateway) -> list[object]:
    return [event async for event in gateway.users.subscribe()]


async def _all_results(gateway: Gateway) -> list[object]:
    return [result.errors async for result in gateway.subscribe("subscription { userChanged { change } }")]


async def _subscribed(gateway: Gateway, number: int = 1) -> None:
    """Wait until there are so many subscriptions."""
    async with asyncio.timeout(20):
        while gateway._parts.events.subscribers < number:  # noqa: ASYNC110 - a subscription sets no event
            await asyncio.sleep(0.01)


async def test_closed(gateway_sandbox: Sandbox) -> None:
    """Outside of its block, the gateway has no typed service."""
    gateway = Gateway(gateway_sandbox.settings())
    with pytest.raises(RuntimeError, match="enter the gateway first"):
        _ = gateway.users
    async with gateway:
        assert gateway.users is gateway.users


async def test_pictures(gateway: Gateway) -> None:
    """The URL of a picture can be made of a user with the field `image_url`, and of no other one."""
    page = await gateway.users.list_users({"sources": [ACCOUNT]}, fields=["image_url"])
    assert any(gateway.pictures.url(user) for user in page.users)
    with pytest.raises(FieldNotLoaded, match="image_url"):
        gateway.pictures.url(await ada(gateway, fields=["name"]))


async def test_the_log_of_a_program(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    """The log of an embedding program has a line for each call, with its method and the codes of its errors."""
    with caplog.at_level("INFO", "gateway.access"):
        with pytest.raises(BadUserInput):
            await gateway.users.get_user("nobody")
        await gateway.users.list_users(first=0)
        gateway._telemetry.flush()
    assert [record.message for record in caplog.records] == [
        "python get_user 200 BAD_USER_INPUT",
        "python list_users 200",
    ]


async def test_a_misspelt_path(gateway: Gateway) -> None:
    """A path that is none is named, since paths are the program's, and not the values of a caller."""
    with pytest.raises(BadUserInput, match=r"fields\.1 is not a field of User: department\.machines\.name\."):
        await gateway.users.list_users(fields=["name", "department.machines.name"])


async def test_fields_that_a_source_left_out() -> None:
    """What SoftwareOne left out of its response to a change, and could not be read after it, is no None."""
    with Sandbox() as sandbox:
        async with Gateway(sandbox.settings(softwareone={"max_attempts": 1})) as gateway:
            sandbox.fail("softwareone", status=503, method="GET", times=None)
            user_id = LANDMARKS["softwareone"]["ada"]
            for fields in ((), ("name", "accounts.name", "created_at")):
                user = await gateway.users.update_software_one_user(user_id, {"first_name": "Zed"}, fields=fields)
                assert user.omitted_fields
                assert user.name is not None
                for name in ("accounts", "created_at"):
                    with pytest.raises(
                        FieldNotLoaded, match=f"User.{name} was not loaded: the SoftwareOne source left"
                    ):
                        getattr(user, name)
