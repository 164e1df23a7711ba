"""Which needs a row of a list and the response to a change have, so that the user can be kept as one that was read."""

from typing import Any

import orjson
import pytest

from gateway.users.changes import CreateAccountUser, UpdateResellerUser, UpdateSoftwareOneUser
from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserSource
from gateway.users.planning import EVERYTHING
from gateway.users.source import UserQuery

ACCOUNT, SOFTWAREONE, RESELLER = UserSource
ALL = EVERYTHING.of(Kind.USER)
INCLUDED = frozenset({"profile", "role", "department"})
NAME = frozenset({"profile"})
ROLE = {"id": "rl_1", "object": "role", "name": "Admin", "type": "admin"}
PROFILE = {"id": "us_1", "name": "Ada", "email": "ada@example.com"}
AUDIT = {"created": {"at": "2026-05-10T00:00:00Z"}}


async def first_row(source: Any, fake: Any, body: Any, needs: frozenset[str], query: UserQuery) -> tuple[User, Any]:
    """Return the first user of a list with this body, and the needs that it has."""
    fake.responses.clear()
    fake.respond(body)
    [user, *_] = (await source.page_users(query, None, 10, needs)).items
    return user, source.row_needs(user, needs)


@pytest.mark.parametrize(
    ("row", "needs", "expected"),
    [
        ({"user": PROFILE}, NAME, {"profile"}),
        ({"user": PROFILE, "role": ROLE}, INCLUDED, INCLUDED),
        ({"user": PROFILE}, INCLUDED, INCLUDED),  # null, as it was included: the user has no role and no department
        ({}, INCLUDED, {"role", "department"}),  # there is no user without e-mail address and user name
        ({"role": ROLE}, frozenset(), {"role"}),
    ],
)
async def test_rows_of_the_account_source(source: Any, fake: Any, row: Any, needs: Any, expected: Any) -> None:
    """A row has what was included, and what is not null; all that is never included counts as read."""
    body = {"object": "list", "page_info": {"next_page_url": None}, "data": [{"id": "acus_1", **row}]}
    account = source(ACCOUNT)
    _, found = await first_row(account, fake, body, needs, UserQuery())
    assert found & INCLUDED == expected
    assert found >= ALL - INCLUDED == account.constant_needs


async def test_rows_of_the_account_source_of_april(source: Any, fake: Any) -> None:
    """Of preview.1, a list includes nothing on request, so that a role that is null may have been left out."""
    row = {"id": "acus_1", "name": "Ada", "email": "ada@example.com", "role": ROLE, "department": None}
    body = {"object": "list", "page_info": {"next_cursor": None}, "data": [row]}
    _, found = await first_row(source(ACCOUNT, api_version="1.0.forge-preview.1"), fake, body, INCLUDED, UserQuery())
    assert found & INCLUDED == {"profile", "role"}


async def test_the_profile_in_a_list_by_address(source: Any, fake: Any) -> None:
    """A list by e-mail address includes the profile, whatever is needed."""
    body = {"object": "list", "page_info": {"next_page_url": None}, "data": [{"id": "acus_1", "user": PROFILE}]}
    _, found = await first_row(source(ACCOUNT), fake, body, frozenset(), UserQuery(email="ada@example.com"))
    assert found & INCLUDED == {"profile"}


async def test_a_created_user_of_the_account_source(source: Any, fake: Any) -> None:
    """A response to a change has everything, but one that the source had stored may be as the user was long ago."""
    account, change = source(ACCOUNT), CreateAccountUser(email="ada@example.com")
    body = {"id": "acus_1", "user": PROFILE, "role": None, "department": None}
    fake.respond(body, 201)
    fake.respond(body, 201, {"Idempotent-Replayed": "true"})
    created, replayed = [await account.create_user(change, "key") for _ in range(2)]
    assert created == replayed
    assert account.changed_needs(created) == ALL
    assert account.changed_needs(replayed) is None


@pytest.mark.parametrize(
    ("row", "meta", "needs", "expected"),
    [
        ({"audit": AUDIT}, {"omitted": ["accounts"]}, NAME, ALL - {"accounts"}),
        ({"audit": AUDIT, "accounts": []}, {}, NAME | {"accounts"}, ALL),
        ({"audit": AUDIT}, {}, NAME | {"accounts"}, ALL - {"accounts"}),
        (
            {"audit": AUDIT},
            {"omitted": ["accounts", "phone", "settings"]},
            NAME,
            ALL - {"accounts", "phone", "settings"},
        ),
        ({}, {"omitted": ["accounts"]}, NAME, ALL - {"accounts", "audit"}),
        ({"audit": AUDIT}, {"omitted": ["lastLoginAt"]}, NAME, None),
        ({"audit": AUDIT, "$meta": {"omitted": ["phone"]}}, {}, NAME, ALL - {"accounts", "phone"}),
    ],
)
async def test_rows_of_the_softwareone_source(
    source: Any, fake: Any, *, row: Any, meta: Any, needs: Any, expected: Any
) -> None:
    """A row has everything but what was not selected or is left out; one without a field of no need is not kept."""
    body = {"$meta": {"pagination": {"total": 1}, **meta}, "data": [{"id": "USR-0000-0001", **row}]}
    _, found = await first_row(source(SOFTWAREONE), fake, body, needs, UserQuery())
    assert found == expected


async def test_a_changed_user_of_the_softwareone_source(source: Any, fake: Any) -> None:
    """The response to a change has what it does not leave out, whether it states that or not."""
    market = source(SOFTWAREONE)
    fake.respond({"id": "USR-0000-0001", "firstName": "Ada", "$meta": {"omitted": ["audit", "phone"]}})
    ref = Ref(Kind.USER, SOFTWAREONE, "USR-0000-0001")
    user = await market.update_user(ref, UpdateSoftwareOneUser(first_name="Ada"), "key")
    assert market.changed_needs(user) == ALL - {"audit", "accounts", "phone"}


async def test_users_of_the_reseller_source(source: Any, fake: Any) -> None:
    """Each response has the whole user."""
    reseller = source(RESELLER)
    user = {"id": "u1", "firstName": "Ada", "organization": None}
    row, needs = await first_row(reseller, fake, orjson.dumps([user]), frozenset(), UserQuery())
    assert needs == ALL == reseller.constant_needs
    fake.responses.clear()
    fake.respond(user)
    changed = await reseller.update_user(Ref(Kind.USER, RESELLER, "u1", "t1"), UpdateResellerUser(first_name="A"), "k")
    assert changed == row
    assert reseller.changed_needs(changed) == ALL
