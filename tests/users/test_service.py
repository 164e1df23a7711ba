from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import BadUserInput, NotFound, Outcome, SourceInvalidResponse, SourceNotConfigured, SourceTimeout
from gateway.state.memory.idempotency import MemoryIdempotency
from gateway.state.once import IdempotentChanges
from gateway.users.changes import UpdateAccountUser
from gateway.users.idempotency import source_key
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import Department, Role, Timestamp, User, UserSource
from gateway.users.planning import EVERYTHING
from gateway.users.service import UserService
from gateway.users.source import Sources
from gateway.users.validation import parse_filter

ACCOUNT, SOFTWAREONE, RESELLER = UserSource
ADA = Ref(Kind.USER, ACCOUNT, "acus_1")
BOB = Ref(Kind.USER, RESELLER, "b1", "t1")


@pytest.fixture
def service(make_source: Callable[..., Any]) -> Callable[..., UserService]:
    """Makes the service of the given sources."""
    return lambda *sources: UserService(Sources(sources))


@pytest.fixture
def account(make_source: Callable[..., Any], make_directory: Callable[..., Any], roles: Any) -> Any:
    """The account source, with Ada, five roles and a department."""
    return make_source(
        ACCOUNT,
        users={"acus_1": User(ACCOUNT, "acus_1", name="Ada")},
        directories={Kind.ROLE: roles, Kind.DEPARTMENT: make_directory({"dp_1": Department("dp_1", "Shop")})},
    )


@pytest.mark.parametrize(
    ("id_", "source", "ref"),
    [
        (encode(ADA), None, ADA),
        (encode(ADA), ACCOUNT, ADA),
        ("acus_1", ACCOUNT, ADA),
        (encode(BOB), None, BOB),
        (encode(BOB), RESELLER, BOB),
        ("b1", RESELLER, Ref(Kind.USER, RESELLER, "b1", "configured")),
    ],
)
async def test_get_user(service: Any, make_source: Any, account: Any, *, id_: str, source: Any, ref: Ref) -> None:
    """A user is found by its global id, or by source and source id, which belongs to the configured reseller."""
    reseller = make_source(RESELLER, tenant="configured")
    found = await service(account, reseller).get_user(id_, source)
    assert (account.calls + reseller.calls) == [("fetch_user", ref, EVERYTHING.of(Kind.USER))]
    assert found == account.users.get(ref.source_id)


@pytest.mark.parametrize(
    ("id_", "source", "error"),
    [
        ("acus_1", None, BadUserInput),
        ("..", ACCOUNT, BadUserInput),
        (encode(BOB), ACCOUNT, BadUserInput),
        (encode(Ref(Kind.ROLE, ACCOUNT, "r1")), None, BadUserInput),
        ("b1", RESELLER, BadUserInput),  # no reseller is configured
        ("USR-1", SOFTWAREONE, SourceNotConfigured),
        (encode(Ref(Kind.USER, SOFTWAREONE, "USR-1")), None, SourceNotConfigured),
    ],
)
async def test_get_user_refused(
    service: Any, make_source: Any, account: Any, *, id_: str, source: Any, error: Any
) -> None:
    """An id that no source can have is an error, and no call is made."""
    reseller = make_source(RESELLER)
    with pytest.raises(error):
        await service(account, reseller).get_user(id_, source)
    assert account.calls == reseller.calls == []


async def test_get_reference_records(service: Any, account: Any) -> None:
    """Roles and departments are found by global id and by source id; a missing one is None."""
    users = service(account)
    assert (await users.get_role("r1")).name == "Role 1"
    assert (await users.get_role(encode(Ref(Kind.ROLE, ACCOUNT, "r2")))).name == "Role 2"
    assert (await users.get_department("dp_1")).name == "Shop"
    assert await users.get_role("gone") is None
    assert await users.get_department("gone") is None


async def test_role_that_is_a_name(service: Any) -> None:
    """The role of a reseller's user is the name in its id: no call is made."""
    ref = Ref(Kind.ROLE, RESELLER, "organization-admin")
    assert await service().get_role(encode(ref)) == Role.named(RESELLER, "organization-admin")


async def test_forged_kind(service: Any, make_source: Any) -> None:
    """The record of a kind that its source does not have is None."""
    ref = Ref(Kind.ROLE, SOFTWAREONE, "r1")
    assert await service(make_source(SOFTWAREONE)).get(ref) is None


CONFIGURED = Ref(Kind.USER, RESELLER, "b1", "configured")


@pytest.mark.parametrize(
    ("id_", "reseller_id", "configured", "expected"),
    [
        ("b1", "t1", "configured", BOB),
        ("b1", "t1", "", BOB),
        ("b1", None, "configured", CONFIGURED),
        (encode(BOB), None, "configured", BOB),
        (encode(BOB), None, "", BOB),
        (encode(BOB), "t1", "configured", BOB),
        ("b1", None, "", "reseller_id"),
        (encode(BOB), "t2", "", "reseller_id"),
        ("b1", "..", "configured", "reseller_id"),
        ("b1", "", "configured", "reseller_id"),
        ("b1", "\ud800", "configured", "reseller_id"),
        ("..", "t1", "", "id"),
        (encode(ADA), "t1", "", "id"),
    ],
)
async def test_which_reseller(
    service: Any, make_source: Any, *, id_: str, reseller_id: str | None, configured: str, expected: Ref | str
) -> None:
    """The reseller is the given one, else that of the id, else the configured one; a conflict is refused."""
    reseller = make_source(RESELLER, tenant=configured)
    users = service(reseller)
    if isinstance(expected, Ref):
        await users.update_reseller_user(id_, {"company": "x"}, reseller_id=reseller_id)
        assert [call[1] for call in reseller.calls] == [expected]
        return
    with pytest.raises(BadUserInput) as caught:
        await users.update_reseller_user(id_, {"company": "x"}, reseller_id=reseller_id)
    assert [violation.path for violation in caught.value.violations] == [(expected,)]
    assert reseller.calls == []


UPDATES: list[tuple[str, UserSource, dict[str, Any], str]] = [
    ("update_account_user", ACCOUNT, {"name": "A"}, "updateAccountUser"),
    ("update_software_one_user", SOFTWAREONE, {"first_name": "A"}, "updateSoftwareOneUser"),
    ("update_reseller_user", RESELLER, {"company": "A"}, "updateResellerUser"),
]


@pytest.mark.parametrize(("method", "source", "change", "operation"), UPDATES)
async def test_update(service: Any, make_source: Any, *, method: str, source: Any, change: Any, operation: str) -> None:
    """An update is sent to its source with exactly the given fields and the source key of the caller's key."""
    fake = make_source(source, tenant="t1" if source is RESELLER else "")
    ref = Ref(Kind.USER, source, "u1", fake.tenant)
    update = getattr(service(fake), method)
    await update("u1", change, idempotency_key="k")
    await update(encode(ref), change, idempotency_key="k")
    await update("u1", change)
    await update("u1", change)
    *keyed, third, fourth = fake.calls
    assert keyed == [("update_user", ref, change, source_key("k", operation, ref))] * 2
    assert third[3] != fourth[3]


@pytest.mark.parametrize(("method", "source", "change", "operation"), UPDATES)
async def test_not_configured(service: Any, method: str, source: Any, change: Any, operation: str) -> None:
    """A change in a source that is not configured is an error with that source as its origin."""
    with pytest.raises(SourceNotConfigured) as caught:
        await getattr(service(), method)(encode(Ref(Kind.USER, source, "u1", "t" * (source is RESELLER))), change)
    assert caught.value.origin.source == source


async def test_create(service: Any, account: Any) -> None:
    """A new user is created under the source key of the caller's key."""
    change = {"email": "a@b.c", "role_id": "r1"}
    assert (await service(account).create_account_user(change, idempotency_key="k")).source_id == "acus_new"
    assert account.calls == [("create_user", change, source_key("k", "createAccountUser", None))]


async def test_create_not_configured(service: Any) -> None:
    """Creating a user is an error if the account source is not configured."""
    with pytest.raises(SourceNotConfigured):
        await service().create_account_user({"email": "a@b.c"})


@pytest.mark.parametrize(("method", "source", "change", "operation"), UPDATES)
async def test_another_user_returned(
    service: Any, make_source: Any, *, method: str, source: Any, change: Any, operation: str
) -> None:
    """A response with another user has an unknown outcome (docs/upstreams/account.md, "Idempotency")."""
    fake = make_source(source, tenant="t1" if source is RESELLER else "", answers_as="another")
    with pytest.raises(SourceInvalidResponse) as caught:
        await getattr(service(fake), method)("u1", change)
    assert caught.value.outcome is Outcome.UNKNOWN


async def test_a_user_identified_by_email(service: Any, make_source: Any) -> None:
    """A user that is identified by an e-mail address can get another address; another user is still refused."""
    market = make_source(SOFTWAREONE, answers_as="USR-1")
    changed = await service(market).update_software_one_user("ada@x.y", {"email": "Countess@x.y"})
    assert (changed.source_id, changed.email) == ("USR-1", "Countess@x.y")
    for id_, change in (("USR-2", {"email": "Countess@x.y"}), ("ada@x.y", {"first_name": "Ada"})):
        with pytest.raises(SourceInvalidResponse, match="another user"):
            await service(market).update_software_one_user(id_, change)


@pytest.mark.parametrize(("method", "source", "change", "operation"), UPDATES)
async def test_a_change_without_a_user(
    service: Any, make_source: Any, *, method: str, source: Any, change: Any, operation: str
) -> None:
    """If a source confirms a change without a body, the user is read back once, with all needs."""
    ref = Ref(Kind.USER, source, "u1", "t1" if source is RESELLER else "")
    now = User(source, "u1", ref.tenant, name="Now")
    fake = make_source(source, tenant=ref.tenant, silent=True, users={"u1": now})
    assert await getattr(service(fake), method)("u1", change, idempotency_key="k") == now
    sent = ("update_user", ref, change, source_key("k", operation, ref))
    assert fake.calls == [sent, ("fetch_user", ref, EVERYTHING.of(Kind.USER))]


async def test_read_back_by_the_new_email(service: Any, make_source: Any) -> None:
    """A user that was identified by an e-mail address which was changed is read back by the new one."""
    now = User(SOFTWAREONE, "USR-1", email="new@x.y")
    market = make_source(SOFTWAREONE, silent=True, users={"new@x.y": now})
    assert await service(market).update_software_one_user("ada@x.y", {"email": "new@x.y"}) == now


@pytest.mark.parametrize(
    "back", [None, User(SOFTWAREONE, "USR-2"), SourceTimeout("late"), NotFound("gone"), BadUserInput("no")], ids=repr
)
async def test_nothing_read_back(service: Any, make_source: Any, back: Any) -> None:
    """If the user cannot be read back, the outcome is unknown, whatever the error of the read-back."""
    users = {"failing": {"USR-1": back}} if isinstance(back, Exception) else {"users": {"USR-1": back}}
    market = make_source(SOFTWAREONE, silent=True, **users)
    with pytest.raises(SourceInvalidResponse) as caught:
        await service(market).update_software_one_user("USR-1", {"first_name": "A"})
    assert caught.value.outcome is Outcome.UNKNOWN
    assert caught.value.origin.source == SOFTWAREONE


TOO_LONG: list[tuple[Any, tuple[str, ...]]] = [
    (lambda service: service.list_users({"search": "x" * 501}), ("filter", "search")),
    (lambda service: service.list_users({"email": "x" * 321}), ("filter", "email")),
    (lambda service: service.find_person("x" * 321), ("email",)),
    (lambda service: service.list_roles(search="x" * 501), ("search",)),
    (lambda service: service.list_departments(search="x" * 501), ("search",)),
]


@pytest.mark.parametrize(("call", "path"), TOO_LONG, ids=[".".join(path) for _, path in TOO_LONG])
async def test_too_long_to_search_for(service: Any, account: Any, roles: Any, *, call: Any, path: Any) -> None:
    """A text that is too long for the sources is refused with the path of the argument, and no call is made."""
    with pytest.raises(BadUserInput, match="must have at most") as caught:
        await call(service(account))
    assert [violation.path for violation in caught.value.violations] == [path]
    assert account.calls == roles.calls == []


async def test_just_short_enough(service: Any, account: Any, roles: Any) -> None:
    """The longest text that the sources accept is accepted."""
    assert (await service(account).list_roles(search="x" * 500)).edges
    assert len(roles.calls) > 0
    query, _ = parse_filter({"search": "x" * 500, "email": "x" * 320})
    assert (len(query.search or ""), len(query.email or "")) == (500, 320)


async def test_global_ids_in_a_change(service: Any, account: Any, make_source: Any) -> None:
    """Global ids in a change are sent as source ids; null, empty and absent are not changed."""
    role, department = Ref(Kind.ROLE, ACCOUNT, "r1"), Ref(Kind.DEPARTMENT, ACCOUNT, "dp_1")
    reseller = make_source(RESELLER, tenant="t1")
    users = service(account, reseller)
    await users.update_account_user("acus_1", {"role_id": encode(role), "department_id": encode(department)})
    await users.update_account_user("acus_1", UpdateAccountUser(role_id="r9", department_id=None))
    organization = Ref(Kind.ORGANIZATION, RESELLER, "o1", "t1")
    await users.update_reseller_user("b1", {"organization_id": encode(organization)})
    await users.update_reseller_user("b1", {"organization_id": ""})
    assert [call[2] for call in account.calls + reseller.calls] == [
        {"role_id": "r1", "department_id": "dp_1"},
        {"role_id": "r9", "department_id": None},
        {"organization_id": "o1"},
        {"organization_id": ""},
    ]


async def test_wrong_ids_in_a_change(service: Any, account: Any) -> None:
    """Ids of another kind or source are all reported at once, before any call."""
    change = {"role_id": encode(ADA), "department_id": encode(Ref(Kind.ROLE, RESELLER, "user"))}
    with pytest.raises(BadUserInput) as caught:
        await service(account).update_account_user("acus_1", change)
    assert {violation.path for violation in caught.value.violations} == {
        ("change", "role_id"),
        ("change", "department_id"),
    }
    assert account.calls == []


async def test_broken_rules_make_no_call(service: Any, account: Any) -> None:
    """A change that breaks a rule is not sent."""
    with pytest.raises(BadUserInput):
        await service(account).update_account_user("acus_1", {"email": None})
    with pytest.raises(BadUserInput):
        await service(account).create_account_user({})
    assert account.calls == []


@pytest.mark.parametrize(("method", "source", "change", "operation"), UPDATES)
async def test_an_empty_change(
    service: Any, make_source: Any, *, method: str, source: Any, change: Any, operation: str
) -> None:
    """A change without a field is refused, and no call is made: its result would be a read that takes no scope."""
    fake = make_source(source, tenant="t1" if source is RESELLER else "")
    empty: list[Any] = [{}, {"preferences": []}] if source is ACCOUNT else [{}]
    if source is SOFTWAREONE:
        empty.append({"settings": {}})
    for fields in empty:
        with pytest.raises(BadUserInput, match="must contain at least one field to change") as caught:
            await getattr(service(fake), method)("u1", fields)
        assert [violation.path for violation in caught.value.violations] == [("change",)]
    assert fake.calls == []


async def test_another_user_created(service: Any, account: Any) -> None:
    """A creation whose response has another address or user name than the given one has an unknown outcome."""
    account.created = User(ACCOUNT, "acus_99", email="user99@x.y", username="other")
    for change in ({"email": "mine@x.y"}, {"username": "mine", "password": "Passw0rd!"}):
        with pytest.raises(SourceInvalidResponse) as caught:
            await service(account).create_account_user(change)
        assert caught.value.outcome is Outcome.UNKNOWN
    assert (await service(account).create_account_user({"email": "User99@x.y"})).source_id == "acus_99"


async def test_a_repetition_under_the_new_email(service: Any, make_source: Any) -> None:
    """A user who was identified by an address that the change replaced is found by the new one, and then by its id."""
    now = User(SOFTWAREONE, "USR-1", email="new@x.y", updated_at=Timestamp("2999-01-01T00:00:00Z"))
    brief = User(SOFTWAREONE, "USR-1", email="new@x.y")
    market = make_source(SOFTWAREONE, recognises_keys=False, users={"new@x.y": brief, "USR-1": now})
    market.failing_changes.append(SourceTimeout("late", outcome=Outcome.UNKNOWN))
    users = UserService(Sources([market]), execute_once=IdempotentChanges(MemoryIdempotency()))
    with pytest.raises(SourceTimeout):
        await users.update_software_one_user("old@x.y", {"email": "new@x.y"}, idempotency_key="k")
    assert await users.update_software_one_user("old@x.y", {"email": "new@x.y"}, idempotency_key="k") == now
    assert [call[0] for call in market.calls] == ["update_user", *["fetch_user"] * 3]


async def test_a_repetition_of_a_user_who_is_gone(service: Any, make_source: Any) -> None:
    """A repeated change of a user who does not exist any more is refused, and nothing is sent."""
    market = make_source(SOFTWAREONE, recognises_keys=False)
    market.failing_changes.append(SourceTimeout("late", outcome=Outcome.UNKNOWN))
    users = UserService(Sources([market]), execute_once=IdempotentChanges(MemoryIdempotency()))
    for error in (SourceTimeout, NotFound, NotFound):
        with pytest.raises(error):
            await users.update_software_one_user("USR-1", {"first_name": "A"}, idempotency_key="k")
    assert [call[0] for call in market.calls] == ["update_user", "fetch_user"]
