"""Lists: pages, tokens, filters, missing sources and failed lookups."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from usergateway.v1 import users_pb2

ACCOUNT = users_pb2.USER_SOURCE_ACCOUNT


async def test_a_walk_over_all_users(world: Any) -> None:
    """The pages have each user of each source once; the last page has no token."""
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
    """A negative size and an unknown token are violations; 0 is the default size, and sizes are limited."""
    negative = await world.fail(method, page_size=-1)
    assert (negative.status.name, negative.violations) == (
        "INVALID_ARGUMENT",
        [("page_size", "must not be negative")],
    )
    unknown = await world.fail(method, page_token="not a token")
    assert [field for field, _ in unknown.violations] == ["page_token"]
    default, largest = await world.get(method), await world.get(method, page_size=100_000)
    assert default == largest


async def test_a_token_requires_the_same_arguments(world: Any) -> None:
    """A token is refused with another filter or search, and accepted with another page size."""
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
    """Users are filtered by source, e-mail address, search text and role type."""
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
async def test_filters_that_are_not_valid(world: Any, given: dict[str, Any], field: str) -> None:
    """Unknown enum values, ids that are not valid and too many sources are violations of their field."""
    failure = await world.fail("ListUsers", filter=given)
    assert [name for name, _ in failure.violations] == [field]


async def test_a_page_of_whole_users(world: Any) -> None:
    """A full page of any size costs one list for each source and one for each kind of lookups."""
    page = await world.get("ListUsers", page_size=20, view=users_pb2.VIEW_FULL)
    assert all(user.role.owner.type for user in page.users if user.source == ACCOUNT and user.HasField("role"))
    assert any(user.department.HasField("machines") for user in page.users)
    paths = [call["path"] for call in await world.calls("account")]
    assert len([path for path in paths if path == "/v1/identity/roles"]) == 1
    assert len(paths) <= 4


async def test_lookups_of_a_list_fail_alone(world: Any) -> None:
    """Failed lookups of a list are in the response: one partial error for each failure, with all its paths."""
    await world.fault(source="account", path="/v1/identity/roles", kind="status", status=503, times=50)
    mask = FieldMask(paths=["name", "role.name", "role.permissions"])
    page = await world.get("ListUsers", page_size=20, filter={"sources": [ACCOUNT]}, read_mask=mask)
    [error] = page.partial_errors
    assert error.status.code == 14
    assert set(error.paths) <= {f"users[{n}].role.permissions" for n in range(20)}
    assert len(error.paths) > 5
    assert all(user.role.name for user in page.users if user.HasField("role"))


async def test_a_missing_source(world: Any) -> None:
    """A list reports a source that is missing, with its code and the time to retry after."""
    await world.fault(source="reseller", kind="status", status=429, retryAfter=60, times=20)
    page = await world.get("ListUsers")
    [missing] = page.unavailable
    assert (missing.source, missing.code) == (users_pb2.USER_SOURCE_RESELLER, "RATE_LIMITED")
    assert missing.retry_after == 60
    assert page.users


async def test_a_person(world: Any) -> None:
    """A person has the users of all sources with one e-mail address, with the requested lookups."""
    person = await world.get("FindPerson", email="ADA.lovelace@example.com", view=users_pb2.VIEW_FULL)
    assert person.email == "ADA.lovelace@example.com"
    assert len({user.source for user in person.users}) == len(person.users) > 1
    assert any(user.role.HasField("owner") for user in person.users)
    unknown = await world.get("FindPerson", email="nobody@example.com")
    assert not unknown.users
    refused = await world.fail("FindPerson")
    assert [field for field, _ in refused.violations] == ["email"]


async def test_a_person_with_a_missing_source(world: Any) -> None:
    """A source that could not be searched for a person is reported beside the users of the others."""
    await world.fault(source="softwareone", kind="status", status=401, times=9)
    person = await world.get("FindPerson", email="ada.lovelace@example.com")
    assert [(missing.source, missing.code) for missing in person.unavailable] == [(2, "SOURCE_CREDENTIALS")]
    assert person.users


@pytest.mark.parametrize(("method", "field"), [("ListRoles", "roles"), ("ListDepartments", "departments")])
async def test_reference_data(world: Any, method: str, field: str) -> None:
    """Roles and departments are listed page by page with all fields, and can be searched."""
    whole = getattr(await world.get(method), field)
    await world.forget()
    seen: list[Any] = []
    token = ""
    while token or not seen:
        page = await world.get(method, page_size=2, page_token=token)
        seen += getattr(page, field)
        token = page.next_page_token
    assert seen == list(whole)
    assert all(record.HasField("permissions" if field == "roles" else "machines") for record in whole)
    found = getattr(await world.get(method, search=whole[0].name, read_mask=FieldMask(paths=["name"])), field)
    assert whole[0].name in [record.name for record in found]
