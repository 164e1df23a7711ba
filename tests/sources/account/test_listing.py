from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.errors import BadUserInput
from gateway.users.model import RoleType, UserSource
from gateway.users.source import UserQuery

PATH = "https://account.test/v1/identity/account-users"
ALL = frozenset({"profile", "role", "department", "audit", "accounts"})
USER = {"id": "acus_1", "status": "active", "user": {"name": "Ada", "email": "ada@example.com"}}
NOW, APRIL = "1.0.forge-preview.3", "1.0.forge-preview.1"


@pytest.mark.parametrize(
    ("version", "query", "position", "limit", "needs", "asked"),
    [
        (NOW, UserQuery(), None, 51, frozenset(), "limit=51"),
        (NOW, UserQuery(), "a.b=c", 5000, frozenset(), "limit=1000&cursor=a.b%3Dc"),
        (NOW, UserQuery(), None, 1, ALL, "limit=1&include[]=user&include[]=role&include[]=department"),
        (NOW, UserQuery(search="a b"), None, 1, frozenset({"role"}), "limit=1&q=a%20b&include[]=role"),
        (NOW, UserQuery(email="a@b.c"), None, 1, frozenset(), "limit=1&q=a%40b.c&include[]=user"),
        (NOW, UserQuery(search="ada", email="a@b.c"), None, 1, frozenset(), "limit=1&q=ada&include[]=user"),
        (NOW, UserQuery(role_type=RoleType.SALES_REP), None, 1, frozenset(), "limit=1&role_type=sales_rep"),
        (NOW, UserQuery(include_removed=True), None, 1, frozenset(), "limit=1&removed_scope=included"),
        (APRIL, UserQuery(include_removed=True), "c", 1, ALL, "limit=1&cursor=c&include_removed=true"),
        (NOW, UserQuery(tenant="t9"), None, 1, frozenset(), "limit=1"),
    ],
)
async def test_query(
    source: Any,
    wire: Any,
    *,
    version: str,
    query: UserQuery,
    position: str | None,
    limit: int,
    needs: frozenset[str],
    asked: str,
) -> None:
    """A window is one GET: filters that the source has, the includes that its version takes, at most a thousand."""
    wire.answer({"data": []})
    await source(UserSource.ACCOUNT, api_version=version).page_users(query, position, limit, needs)
    assert [(one.method, one.url) for one in wire.requests] == [("GET", f"{PATH}?{asked}")]
    assert not urlsplit(wire.requests[0].url).fragment


@pytest.mark.parametrize(
    ("info", "position"),
    [
        ({"next_page_url": "/v1/identity/account-users?cursor=a.b%3D&limit=2", "has_next_page": True}, "a.b="),
        ({"next_page_url": None, "has_next_page": False}, None),
        ({"next_cursor": "n", "has_next_page": True}, "n"),
        ({"next_cursor": None, "has_next_page": False}, None),
        (None, None),
    ],
)
async def test_window(source: Any, wire: Any, info: Any, position: str | None) -> None:
    """A window has the users and the cursor of the next one, in both versions' forms; it does not overlap."""
    wire.answer({"object": "list", "page_info": info, "data": [USER]})
    window = await source(UserSource.ACCOUNT).page_users(UserQuery(), None, 50, ALL)
    assert [(user.source_id, user.name, user.email) for user in window.items] == [("acus_1", "Ada", "ada@example.com")]
    assert (window.next, window.previous, window.overlapping) == (position, None, False)


async def test_expired(source: Any, wire: Any) -> None:
    """A cursor that the source no longer takes is bad input: the merge then starts from the top."""
    wire.answer({"error": {"code": "parameter_invalid", "message": "Query parameter 'cursor' is invalid."}}, 400)
    with pytest.raises(BadUserInput):
        await source(UserSource.ACCOUNT).page_users(UserQuery(), "old", 50, ALL)
