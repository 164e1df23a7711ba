"""Lists: pages, tokens, filters, and what is missing in them."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.api.grpc.usergateway.v1 import users_pb2

ACCOUNT = users_pb2.USER_SOURCE_ACCOUNT


async def test_a_walk_over_all_users(world: Any) -> None:
    """Page by page every user of every system comes once; the last page has no token."""
    seen: list[str] = []
    token, pages = "", 0
    while token or not pages:
        page = await world.get("ListUsers", page_size=7, page_token=token)
        seen += [user.id for user in page.users]
        token, pages = page.next_page_token, pages + 1
    whole = await world.get("ListUsers", page_size=200)
    assert seen == [user.id for user in whole.users]
    assert len(set(seen)) == len(seen) > 20
    assert {user.source for user in whole.users} == {1, 2, 3}


@pytest.mark.parametrize("method", ["ListUsers", "ListRoles", "ListDepartments"])
async def test_the_rules_of_a_page(world: Any, method: str) -> None:
    """A page size below 0 and a foreign token are refused by name; 0 is the usual size, too much is cut to the most."""
    negative = await world.fail(method, page_size=-1)
    assert (negative.status.name, negative.violations) == (
        "INVALID_ARGUMENT",
        [("page_size", "must not be negative")],
    )
    foreign = await world.fail(method, page_token="no token of ours")
    assert [field for field, _ in foreign.violations] == ["page_token"]
    usual, most = await world.get(method), await world.get(method, page_size=100_000)
    assert usual == most


async def test_a_token_goes_with_its_own_arguments(world: Any) -> None:
    """A token is refused with another filter or search, and taken with another page size."""
    page = await world.get("ListUsers", page_size=2, filter={"sources": [ACCOUNT]})
    token = page.next_page_token
    other = await world.fail("ListUsers", page_size=2, page_token=token)
    assert [field for field, _ in other.violations] == ["page_token"]
    again = await world.get("ListUsers", page_size=3, page_token=token, filter={"sources": [ACCOUNT]})
    assert len(again.users) == 3
    roles = await world.get("ListRoles", page_size=1)
    other = await world.fail("ListRoles", page_size=1, page_token=roles.next_page_token, search="a")
    assert [field for field, _ in other.violations] == ["page_token"]


async def test_filters(world: Any) -> None:
    """A filter narrows by system, address, words and kind of role."""
    ada = await world.get("GetUser", id="acus_adalovelace1", source=ACCOUNT)
    by_mail = await world.get("ListUsers", filter={"email": ada.email.upper(), "sources": [ACCOUNT]})
    assert [user.id for user in by_mail.users] == [ada.id]
    admins = await world.get("ListUsers", filter={"role_type": users_pb2.ROLE_TYPE_ADMIN})
    assert {user.role.type for user in admins.users} == {users_pb2.ROLE_TYPE_ADMIN}
    market = await world.get("ListUsers", filter={"sources": ["USER_SOURCE_SOFTWAREONE"], "search": "Ada"})
    assert {user.source for user in market.users} == {users_pb2.USER_SOURCE_SOFTWAREONE}
    everybody = await world.get("ListUsers", page_size=200, filter={"include_removed": True})
    present = await world.get("ListUsers", page_size=200)
    assert len(everybody.users) > len(present.users)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"sources": [0]}, "filter.sources[0]"),
        ({"sources": [1, 9]}, "filter.sources[1]"),
        ({"sources": [1] * 101}, "filter.sources"),
        ({"role_type": 77}, "filter.role_type"),
        ({"reseller_id": ".."}, "filter.reseller_id"),
    ],
)
async def test_filters_that_say_nothing(world: Any, given: dict[str, Any], field: str) -> None:
    """A number without a word, an id that cannot be, or more systems than there are, is refused where it stands."""
    failure = await world.fail("ListUsers", filter=given)
    assert [name for name, _ in failure.violations] == [field]


async def test_a_page_of_whole_users(world: Any) -> None:
    """Whatever the number of users, a full page costs one list a system and one more for each kind looked up."""
    page = await world.get("ListUsers", page_size=20, view=users_pb2.VIEW_FULL)
    assert all(user.role.owner.type for user in page.users if user.source == ACCOUNT and user.HasField("role"))
    assert any(user.department.HasField("machines") for user in page.users)
    paths = [call["path"] for call in await world.calls("account")]
    assert len([path for path in paths if path == "/v1/identity/roles"]) == 1
    assert len(paths) <= 4


async def test_lookups_of_a_list_fail_alone(world: Any) -> None:
    """What cannot be looked up for a list is told in the answer, once for each failure, with all its paths."""
    await world.fault(source="account", path="/v1/identity/roles", kind="status", status=503, times=50)
    mask = FieldMask(paths=["name", "role.name", "role.permissions"])
    page = await world.get("ListUsers", page_size=20, filter={"sources": [ACCOUNT]}, read_mask=mask)
    [error] = page.partial_errors
    assert error.status.code == 14
    assert set(error.paths) <= {f"users[{n}].role.permissions" for n in range(20)}
    assert len(error.paths) > 5
    assert all(user.role.name for user in page.users if user.HasField("role"))


async def test_a_system_that_is_missing(world: Any) -> None:
    """A list without one of its systems says which, why, and when to come back."""
    await world.fault(source="reseller", kind="status", status=429, retryAfter=60, times=20)
    page = await world.get("ListUsers")
    [missing] = page.unavailable
    assert (missing.source, missing.code) == (users_pb2.USER_SOURCE_RESELLER, "RATE_LIMITED")
    assert missing.retry_after == 60
    assert page.users


async def test_one_human(world: Any) -> None:
    """A person is every record with the address, over all systems, with what is looked up where it is wanted."""
    person = await world.get("FindPerson", email="ADA.lovelace@example.com", view=users_pb2.VIEW_FULL)
    assert person.email == "ADA.lovelace@example.com"
    assert len({user.source for user in person.users}) == len(person.users) > 1
    assert any(user.role.HasField("owner") for user in person.users)
    nobody = await world.get("FindPerson", email="nobody@example.com")
    assert not nobody.users
    refused = await world.fail("FindPerson")
    assert [field for field, _ in refused.violations] == ["email"]


async def test_a_person_without_a_system(world: Any) -> None:
    """A system that could not be asked for a person is named beside the others' records."""
    await world.fault(source="softwareone", kind="status", status=401, times=9)
    person = await world.get("FindPerson", email="ada.lovelace@example.com")
    assert [(one.source, one.code) for one in person.unavailable] == [(2, "SOURCE_CREDENTIALS")]
    assert person.users


@pytest.mark.parametrize(("method", "field"), [("ListRoles", "roles"), ("ListDepartments", "departments")])
async def test_reference_data(world: Any, method: str, field: str) -> None:
    """Roles and departments are walked page by page, whole, and narrowed by a search."""
    whole = getattr(await world.get(method), field)
    await world.forget()
    seen: list[Any] = []
    token = ""
    while token or not seen:
        page = await world.get(method, page_size=2, page_token=token)
        seen += getattr(page, field)
        token = page.next_page_token
    assert seen == list(whole)
    assert all(one.HasField("permissions" if field == "roles" else "machines") for one in whole)
    found = getattr(await world.get(method, search=whole[0].name, read_mask=FieldMask(paths=["name"])), field)
    assert whole[0].name in [one.name for one in found]
