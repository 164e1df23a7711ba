from typing import Any

import orjson
import pytest

from gateway.errors import NotFound, Outcome, SourceInvalidResponse
from gateway.users.changes import CreateAccountUser, UpdateAccountUser
from gateway.users.ids import Kind, Ref
from gateway.users.model import UserSource

PREVIEW_1, CURRENT = "1.0.forge-preview.1", "1.0.forge-preview.3"
BASE = "https://account.test"
USERS = f"{BASE}/v1/identity/account-users"
ALL = "include[]=user&include[]=role&include[]=department"
ADA = Ref(Kind.USER, UserSource.ACCOUNT, "acus_1")
WRITE = {"Idempotency-Key": "key-1", "Content-Type": "application/json"}


@pytest.fixture
def account(source: Any) -> Any:
    """A function that builds the account source for an API version."""
    return lambda version=CURRENT: source(UserSource.ACCOUNT, api_version=version)


def change_headers(request: Any) -> dict[str, str]:
    """Return the headers that depend on the call."""
    return {name: value for name, value in request.headers.items() if name in {*WRITE, "Accept", "If-Match"}}


@pytest.mark.parametrize(
    ("version", "needs", "query"),
    [
        (CURRENT, set(), ""),
        (CURRENT, {"profile"}, "?include[]=user"),
        (CURRENT, {"department", "role", "profile"}, f"?{ALL}"),
        (CURRENT, {"audit", "accounts"}, ""),
        ("1.0.forge-preview.8", {"role"}, "?include[]=role"),
        (PREVIEW_1, {"profile"}, ""),
        (PREVIEW_1, {"department", "role", "profile"}, "?include[]=role&include[]=department"),
    ],
)
async def test_fetch_user(account: Any, fake: Any, version: str, needs: set[str], query: str) -> None:
    """A user is fetched by one GET, with those needed includes that the API version takes."""
    fake.respond({"id": "acus_1"})
    assert (await account(version).fetch_user(ADA, frozenset(needs))).source_id == "acus_1"
    [request] = fake.requests
    assert (request.method, request.url, request.body) == ("GET", f"{USERS}/acus_1{query}", None)
    assert change_headers(request) == {}


async def test_no_such_user(account: Any, fake: Any) -> None:
    """Reading a user that does not exist returns None, and changing it raises NotFound."""
    fake.respond({"error": {"code": "resource_not_found", "message": "Account user not found."}}, 404)
    assert await account().fetch_user(ADA, frozenset()) is None
    with pytest.raises(NotFound, match="Account user not found"):
        await account().update_user(ADA, UpdateAccountUser(name="A"), "key-1")


INVOICE = [{"notification_type": "invoice", "enabled": False}]


@pytest.mark.parametrize(
    ("version", "query", "field"),
    [(CURRENT, f"?{ALL}", "notification_type"), (PREVIEW_1, "", "notification_type_code")],
)
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"name": "Ångström"},
        {"role_id": None},
        {"role_id": "rl_1", "department_id": None, "email": "a@b.c", "username": "ada", "name": "A"},
        {"preferences": INVOICE},
        {"preferences": []},
    ],
)
async def test_update(account: Any, fake: Any, *, version: str, query: str, field: str, change: Any) -> None:
    """A change is one PATCH with its key and exactly the given fields, including null; preview.1 takes no include."""
    fake.respond({"id": "acus_1"})
    await account(version).update_user(ADA, UpdateAccountUser.parse(change), "key-1")
    [request] = fake.requests
    assert (request.method, request.url) == ("PATCH", f"{USERS}/acus_1{query}")
    sent = change | ({"preferences": [{field: "invoice", "enabled": False}]} if change.get("preferences") else {})
    assert orjson.loads(request.body) == sent
    assert change_headers(request) == WRITE


@pytest.mark.parametrize(
    ("version", "query", "field"),
    [
        (CURRENT, f"?{ALL}", "notification_type"),
        (PREVIEW_1, "?include[]=role&include[]=department", "notification_type_code"),
    ],
)
async def test_create(account: Any, fake: Any, *, version: str, query: str, field: str) -> None:
    """A creation is one POST with its key and exactly the given fields, by the names of the API version."""
    fake.respond({"id": "acus_2"}, 201)
    change = {"username": "scan-1", "password": "Secret_12", "preferences": INVOICE}
    assert (await account(version).create_user(CreateAccountUser.parse(change), "key-1")).source_id == "acus_2"
    [request] = fake.requests
    assert (request.method, request.url) == ("POST", f"{USERS}{query}")
    assert orjson.loads(request.body) == change | {"preferences": [{field: "invoice", "enabled": False}]}
    assert change_headers(request) == WRITE


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"object":"account_user"}'])
async def test_response_to_a_change(account: Any, fake: Any, body: bytes) -> None:
    """If the response to a change cannot be decoded, the outcome is unknown."""
    fake.respond(body)
    with pytest.raises(SourceInvalidResponse) as caught:
        await account().update_user(ADA, UpdateAccountUser(name="A"), "key-1")
    assert caught.value.outcome is Outcome.UNKNOWN


DIRECTORIES = [
    (
        Kind.ROLE,
        "/v1/identity/roles",
        {"permissions", "owner.account", "owner", "details"},
        "include[]=owner&include[]=owner.account&include[]=permissions",
    ),
    (
        Kind.DEPARTMENT,
        "/v1/operations/departments",
        {"machines", "scanning_stations", "location", "details"},
        "include[]=location&include[]=scanning_stations&include[]=machines",
    ),
]


@pytest.mark.parametrize(("kind", "path", "needs", "query"), DIRECTORIES)
async def test_directories(account: Any, fake: Any, *, kind: Kind, path: str, needs: set[str], query: str) -> None:
    """Reference data is fetched by id, or in the largest pages, with only the needed includes."""
    directory = account().directories[kind]
    ref = Ref(kind, UserSource.ACCOUNT, "x_1")
    fake.respond({"id": "x_1", "name": "X"})
    assert (await directory.fetch(ref, frozenset(needs))).loaded == needs - {"details"}
    await directory.fetch(ref, frozenset({"details"}))
    fake.respond({"data": [{"id": "x_1", "name": "X"}]})
    fake.responses.pop(0)
    page = await directory.page("", frozenset(needs), None)
    assert [(record.source_id, record.loaded) for record in page.items] == [("x_1", needs - {"details"})]
    await directory.page("", frozenset(), "c+/=")
    assert [(request.method, request.url.removeprefix(BASE)) for request in fake.requests] == [
        ("GET", f"{path}/x_1?{query}"),
        ("GET", f"{path}/x_1"),
        ("GET", f"{path}?limit=1000&{query}"),
        ("GET", f"{path}?limit=1000&cursor=c%2B%2F%3D"),
    ]


async def test_no_such_role(account: Any, fake: Any) -> None:
    """Fetching a role that does not exist, or was deleted, returns None."""
    fake.respond({"error": {"code": "resource_gone"}}, 410)
    ref = Ref(Kind.ROLE, UserSource.ACCOUNT, "rl_1")
    assert await account().directories[Kind.ROLE].fetch(ref, frozenset()) is None


@pytest.mark.parametrize(
    ("info", "position"),
    [
        ({"next_page_url": "/v1/identity/roles?cursor=a%2Bb%3D.sig&limit=2", "has_next_page": True}, "a+b=.sig"),
        ({"next_page_url": "/v1/identity/roles?limit=2", "has_next_page": True}, None),
        ({"next_page_url": None, "previous_page_url": "/x?cursor=b", "has_next_page": False}, None),
        ({"next_cursor": "a+b=", "has_next_page": True}, "a+b="),
        ({"next_cursor": "abc"}, "abc"),
        ({"next_cursor": "abc", "has_next_page": False}, None),
        ({"next_cursor": None, "has_next_page": False}, None),
        ({}, None),
        (None, None),
    ],
)
async def test_page_info(account: Any, fake: Any, info: Any, position: str | None) -> None:
    """The position of the next page is read in the forms of both versions."""
    fake.respond({"object": "list", "page_info": info, "data": None})
    page = await account().directories[Kind.ROLE].page("", frozenset(), None)
    assert (page.items, page.next) == ((), position)
