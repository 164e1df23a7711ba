from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.errors import BadUserInput
from gateway.users.model import RoleType, UserSource
from gateway.users.source import UserQuery

PATH = "https://account.test/v1/identity/account-users"
ALL = frozenset({"profile", "role", "department", "audit", "accounts"})
USER = {"id": "acus_1", "status": "active", "user": {"name": "Ada", "email": "ada@example.com"}}
CURRENT, PREVIEW_1 = "1.0.forge-preview.3", "1.0.forge-preview.1"


@pytest.mark.parametrize(
    ("version", "query", "position", "limit", "needs", "expected"),
    [
        (CURRENT, UserQuery(), None, 51, frozenset(), "limit=51"),
        (CURRENT, UserQuery(), "a.b=c", 5000, frozenset(), "limit=1000&cursor=a.b%3Dc"),
        (CURRENT, UserQuery(), None, 1, ALL, "limit=1&include[]=user&include[]=role&include[]=department"),
        (CURRENT, UserQuery(search="a b"), None, 1, frozenset({"role"}), "limit=1&q=a%20b&include[]=role"),
        (CURRENT, UserQuery(email="a@b.c"), None, 1, frozenset(), "limit=1&q=a%40b.c&include[]=user"),
        (CURRENT, UserQuery(search="ada", email="a@b.c"), None, 1, frozenset(), "limit=1&q=ada&include[]=user"),
        (CURRENT, UserQuery(role_type=RoleType.SALES_REP), None, 1, frozenset(), "limit=1&role_type=sales_rep"),
        (CURRENT, UserQuery(include_removed=True), None, 1, frozenset(), "limit=1&removed_scope=included"),
        (PREVIEW_1, UserQuery(include_removed=True), "c", 1, ALL, "limit=1&cursor=c&include_removed=true"),
        (CURRENT, UserQuery(tenant="t9"), None, 1, frozenset(), "limit=1"),
    ],
)
async def test_query(
    source: Any,
    fake: Any,
    *,
    version: str,
    query: UserQuery,
    position: str | None,
    limit: int,
    needs: frozenset[str],
    expected: str,
) -> None:
    """A window is one GET with the supported filters, the includes of the version, and a limit of at most 1000."""
    fake.respond({"data": [], "page_info": {"next_cursor": None}})
    await source(UserSource.ACCOUNT, api_version=version).page_users(query, position, limit, needs)
    *first, request = fake.requests
    assert (request.method, request.url) == ("GET", f"{PATH}?{expected}")
    assert len(first) == (version == PREVIEW_1)  # one call finds out which form of preview.1 the server takes
    assert not urlsplit(request.url).fragment


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
async def test_window(source: Any, fake: Any, info: Any, position: str | None) -> None:
    """A window has the users and the cursor of the next one, read in the forms of both versions, and no overlap."""
    fake.respond({"object": "list", "page_info": info, "data": [USER]})
    window = await source(UserSource.ACCOUNT).page_users(UserQuery(), None, 50, ALL)
    assert [(user.source_id, user.name, user.email) for user in window.items] == [("acus_1", "Ada", "ada@example.com")]
    assert (window.next, window.previous, window.overlapping) == (position, None, False)


async def test_expired_cursor(source: Any, fake: Any) -> None:
    """A cursor that the source rejects is bad input."""
    fake.respond({"error": {"code": "parameter_invalid", "message": "Query parameter 'cursor' is invalid."}}, 400)
    with pytest.raises(BadUserInput):
        await source(UserSource.ACCOUNT).page_users(UserQuery(), "old", 50, ALL)
