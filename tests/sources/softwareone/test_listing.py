from typing import Any

import pytest

from gateway.errors import BadUserInput
from gateway.users.model import RoleType, UserSource
from gateway.users.source import UserQuery

PATH = "https://market.test/public/v1/accounts/users"
SORTED = "order=-audit.created.at&select=audit"
FIRST = f"limit=9&offset=0&{SORTED}"


@pytest.mark.parametrize(
    ("query", "position", "limit", "needs", "expected"),
    [
        (UserQuery(), None, 51, (), f"limit=51&offset=0&{SORTED}"),
        (UserQuery(), "99", 1000, ("profile", "role"), f"limit=100&offset=99&{SORTED}"),
        (UserQuery(), None, 9, ("audit", "accounts"), f"{FIRST}%2Caccounts"),
        (UserQuery(search="a b"), None, 9, (), f"{FIRST}&or(ilike(name,'*a%20b*'),ilike(email,'*a%20b*'))"),
        (UserQuery(email="a&b@c.d"), None, 9, (), f"{FIRST}&ilike(email,'a%26b%40c.d')"),
        (UserQuery(email="*a*@c.d*"), None, 9, (), f"{FIRST}&ilike(email,'%5C*a*%40c.d%5C*')"),
        (UserQuery(email="*"), None, 9, (), f"{FIRST}&ilike(email,'***')"),
        (UserQuery(email="\\*a"), None, 9, (), f"{FIRST}&ilike(email,'*%5C*a*')"),
        (UserQuery(email="o'a@c.d"), None, 9, (), f'{FIRST}&ilike(email,"o%27a%40c.d")'),
        (UserQuery(email='o"a@c.d'), None, 9, (), f"{FIRST}&ilike(email,'o%22a%40c.d')"),
        (
            UserQuery(search="x", email="y"),
            None,
            9,
            (),
            f"{FIRST}&and(or(ilike(name,'*x*'),ilike(email,'*x*')),ilike(email,'y'))",
        ),
        (UserQuery(role_type=RoleType.USER, include_removed=True, tenant="t9"), None, 9, (), FIRST),
    ],
)
async def test_query(
    source: Any,
    fake: Any,
    *,
    query: UserQuery,
    position: str | None,
    limit: int,
    needs: tuple[str, ...],
    expected: str,
) -> None:
    """A window is one GET of at most 100 users by offset, newest first, with the filters as RQL at the end."""
    fake.respond({"data": []})
    await source(UserSource.SOFTWAREONE).page_users(query, position, limit, frozenset(needs))
    assert [(request.method, request.url) for request in fake.requests] == [("GET", f"{PATH}?{expected}")]


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        (UserQuery(search="5'10\""), "search", "both ' and \""),
        (UserQuery(email="'a\"@b.c"), "email", "both ' and \""),
        (UserQuery(search="a\\"), "search", "backslash"),
    ],
)
async def test_a_text_that_cannot_be_expressed(
    source: Any, fake: Any, *, query: UserQuery, field: str, message: str
) -> None:
    """A text that RQL cannot express is refused with a message that says so, and nothing is sent."""
    with pytest.raises(BadUserInput, match=message) as caught:
        await source(UserSource.SOFTWAREONE).page_users(query, None, 9, frozenset())
    assert [violation.path for violation in caught.value.violations] == [("filter", field)]
    assert fake.requests == []


@pytest.mark.parametrize(
    ("position", "users", "pagination", "positions"),
    [
        (None, 3, {"offset": 0, "limit": 3, "total": 9}, ("2", None)),
        ("4", 3, {"offset": 4, "limit": 3, "total": 9}, ("6", "2")),
        ("1", 3, {"offset": 1, "limit": 3, "total": 9}, ("3", "0")),
        ("6", 3, {"offset": 6, "limit": 3, "total": 9}, (None, "4")),
        ("8", 1, {"offset": 8, "limit": 3, "total": 9}, (None, "6")),
        ("9", 0, {"offset": 9, "limit": 3, "total": 9}, (None, "7")),
        ("5", 0, {"offset": 5, "limit": 3, "total": 9}, (None, "3")),
        ("4", 1, {"offset": 4, "limit": 1, "total": 9}, ("5", "2")),
        ("4", 2, {"offset": 4, "limit": 2, "total": None}, ("5", "2")),
        ("4", 1, {"offset": 4, "limit": 2}, (None, "2")),
        ("4", 3, None, ("6", "2")),
        ("4", 2, None, (None, "2")),
    ],
)
async def test_window(
    source: Any, fake: Any, *, position: str | None, users: int, pagination: Any, positions: Any
) -> None:
    """The next window begins with the last user of this one; the total, or else a short page, marks the end."""
    meta = {"$meta": {"pagination": pagination}} if pagination else {}
    fake.respond({"data": [{"id": f"USR-{number}"} for number in range(users)]} | meta)
    window = await source(UserSource.SOFTWAREONE).page_users(UserQuery(), position, 3, frozenset())
    assert [user.source_id for user in window.items] == [f"USR-{number}" for number in range(users)]
    assert (window.next, window.previous) == positions
    assert window.overlapping


async def test_omitted(source: Any, fake: Any) -> None:
    """The fields that a list omitted are omitted fields of each of its users."""
    fake.respond({"$meta": {"omitted": ["accounts"]}, "data": [{"id": "USR-1"}, {"id": "USR-2"}]})
    window = await source(UserSource.SOFTWAREONE).page_users(UserQuery(), None, 3, frozenset())
    assert [user.omitted_fields for user in window.items] == [("accounts",)] * 2
