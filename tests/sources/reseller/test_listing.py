from typing import Any

import pytest

from gateway.errors import SourceNotConfigured
from gateway.sources.indexed import page_containing
from gateway.users.model import RoleType, UserSource
from gateway.users.source import UserQuery

PATH = "https://proxy.test/reseller/v3/resellers"
ALL = frozenset({"profile", "role", "audit"})


@pytest.mark.parametrize(
    ("query", "position", "limit", "expected"),
    [
        (UserQuery(), None, 51, "t1/users?page=1&limit=51&sort=-createdAt"),
        (UserQuery(), None, 1000, "t1/users?page=1&limit=100&sort=-createdAt"),
        (UserQuery(), "99", 1000, "t1/users?page=2&limit=99&sort=-createdAt"),
        (UserQuery(), "197", 1000, "t1/users?page=3&limit=98&sort=-createdAt"),
        (UserQuery(tenant="t/2"), None, 9, "t%2F2/users?page=1&limit=9&sort=-createdAt"),
        (UserQuery(email="a+b@c.d"), None, 9, "t1/users?page=1&limit=9&sort=-createdAt&email[eq]=a%2Bb%40c.d"),
        (UserQuery(search="a b"), None, 9, "t1/users?page=1&limit=9&sort=-createdAt&search=a%20b"),
        (UserQuery(role_type=RoleType.USER, include_removed=True), None, 9, "t1/users?page=1&limit=9&sort=-createdAt"),
    ],
)
async def test_query(source: Any, fake: Any, *, query: UserQuery, position: str, limit: int, expected: str) -> None:
    """A window is one GET for the page of at most 100 users that contains the position, newest first."""
    fake.respond([])
    await source(UserSource.RESELLER).page_users(query, position, limit, ALL)
    assert [(request.method, request.url) for request in fake.requests] == [("GET", f"{PATH}/{expected}")]


@pytest.mark.parametrize(
    ("position", "users", "positions"),
    [(None, 100, ("99", None)), (None, 99, (None, None)), ("99", 99, ("197", "1")), ("99", 98, (None, "1"))],
)
async def test_window(source: Any, fake: Any, position: str | None, users: int, positions: Any) -> None:
    """The next window begins with the last user of this one; a page that is not full is the last."""
    fake.respond([{"id": str(number)} for number in range(users)])
    window = await source(UserSource.RESELLER).page_users(UserQuery(), position, 1000, ALL)
    assert [(user.source_id, user.tenant) for user in window.items] == [(str(number), "t1") for number in range(users)]
    assert (window.next, window.previous) == positions
    assert window.overlapping


async def test_no_tenant(source: Any, fake: Any) -> None:
    """Without a configured or given reseller, no request is sent."""
    with pytest.raises(SourceNotConfigured):
        await source(UserSource.RESELLER, reseller_id="").page_users(UserQuery(), None, 9, ALL)
    assert fake.requests == []


def test_page_containing() -> None:
    """Pages contain their offset and continue after it, and overlap by less than 15 % in all."""
    offset = reads = 0
    while offset < 100_000:
        page, size = page_containing(offset, 100)
        assert 50 <= size <= 100
        assert (page - 1) * size <= offset < page * size - 1
        offset, reads = page * size - 1, reads + 1
    assert reads < 1.15 * 1000
