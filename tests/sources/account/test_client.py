from typing import Any

import orjson
import pytest

from gateway.errors import NotFound, Outcome, SourceInvalidResponse
from gateway.users.changes import CreateAccountUser, UpdateAccountUser
from gateway.users.ids import Kind, Ref
from gateway.users.model import PlatformUser, UserSource

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


APRIL = {"next_cursor": None, "prev_cursor": None, "has_next_page": False, "has_prev_page": False}


async def know_server(account: Any, fake: Any, page_info: Any) -> None:
    """Let the account source find out which form of preview.1 the server takes, and forget that call."""
    fake.respond({"data": [], "page_info": page_info})
    await account._version_of_server()
    fake.requests.clear()
    fake.responses.clear()


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
    """A change is one PATCH with its key and exactly the given fields, including null; in April it took no include."""
    changed = account(version)
    if version == PREVIEW_1:
        await know_server(changed, fake, APRIL)
    fake.respond({"id": "acus_1"})
    await changed.update_user(ADA, UpdateAccountUser.parse(change), "key-1")
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
    created = account(version)
    if version == PREVIEW_1:
        await know_server(created, fake, APRIL)
    fake.respond({"id": "acus_2"}, 201)
    change = {"username": "scan-1", "password": "Secret_12", "preferences": INVOICE}
    assert (await created.create_user(CreateAccountUser.parse(change), "key-1")).source_id == "acus_2"
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


TIMES = {"created_at", "updated_at"}
STEP_DETAILS = TIMES | {"notes", "leveling_factor", "allowances", "labor_rate", "labor_time", "overhead_rate"}
STEP_NEEDS = {"production", "consumptions", "machines", "scanning_station", "in_steps", "out_steps", "department"}
# The kind, the path, the needs, the query for them, and what every answer has.
DIRECTORIES: list[tuple[Kind, str, set[str], str, set[str]]] = [
    (
        Kind.ROLE,
        "/v1/identity/roles",
        {"permissions", "owner.account", "owner"},
        "include[]=owner&include[]=owner.account&include[]=permissions",
        set(),
    ),
    (
        Kind.DEPARTMENT,
        "/v1/operations/departments",
        {"machines", "scanning_stations", "location"},
        "include[]=location&include[]=scanning_stations&include[]=machines",
        TIMES | {"notes"},
    ),
    (
        Kind.LOCATION,
        "/v1/operations/locations",
        {"children", "parent"},
        "include[]=parent&include[]=children",
        TIMES,
    ),
    (
        Kind.SCANNING_STATION,
        "/v1/operations/scanning-stations",
        {"production_steps", "department"},
        "include[]=department&include[]=production_steps",
        TIMES | {"notes", "type", "label_size", "label_type", "material_check_required"},
    ),
    (
        Kind.MACHINE,
        "/v1/operations/machines",
        {"department"},
        "include[]=department",
        TIMES | {"serial_number", "notes"},
    ),
    (
        Kind.PRODUCTION_STEP,
        "/v1/operations/production-steps",
        STEP_NEEDS,
        (
            "include[]=production&include[]=production.produced_item&include[]=consumptions"
            "&include[]=consumptions.consumed_item&include[]=consumptions.quantity&include[]=consumptions.waste_quantity"
            "&include[]=machines&include[]=scanning_station&include[]=in_steps&include[]=out_steps&include[]=department"
        ),
        STEP_DETAILS,
    ),
]


@pytest.mark.parametrize(("kind", "path", "needs", "query", "details"), DIRECTORIES)
async def test_directories(
    account: Any, fake: Any, *, kind: Kind, path: str, needs: set[str], query: str, details: set[str]
) -> None:
    """Reference data is fetched by id, or in the largest pages, with only the needed includes."""
    directory = account().directories[kind]
    ref = Ref(kind, UserSource.ACCOUNT, "x_1")
    fake.respond({"id": "x_1", "name": "X"})
    requested = frozenset(needs | {"details"})
    assert (await directory.fetch(ref, requested)).loaded == needs | details
    await directory.fetch(ref, frozenset({"details"}))
    fake.respond({"data": [{"id": "x_1", "name": "X"}]})
    fake.responses.pop(0)
    page = await directory.page("", requested, None)
    assert [(record.source_id, record.loaded) for record in page.items] == [("x_1", needs | details)]
    await directory.page("", frozenset(), "c+/=")
    assert [(request.method, request.url.removeprefix(BASE)) for request in fake.requests] == [
        ("GET", f"{path}/x_1?{query}"),
        ("GET", f"{path}/x_1"),
        ("GET", f"{path}?limit=1000&{query}"),
        ("GET", f"{path}?limit=1000&cursor=c%2B%2F%3D"),
    ]


async def test_pages_with_the_same_records(account: Any, fake: Any) -> None:
    """A record whose JSON is that of an earlier page is as it was there, unless other fields were requested."""
    directory = account().directories[Kind.ROLE]
    fake.respond({"data": [{"id": "rl_1", "name": "A"}, {"id": "rl_2", "name": "B"}]})
    first = await directory.page("", frozenset(), None)
    with_owner = await directory.page("", frozenset({"owner"}), None)
    assert [(role.name, role.loaded) for role in first.items] == [("A", frozenset()), ("B", frozenset())]
    assert [(role.name, role.loaded) for role in with_owner.items] == [("A", {"owner"}), ("B", {"owner"})]
    fake.respond({"data": [{"id": "rl_1", "name": "A"}, {"id": "rl_2", "name": "C"}]})
    fake.responses.pop(0)
    assert [role.name for role in (await directory.page("", frozenset(), None)).items] == ["A", "C"]


@pytest.mark.parametrize("item", [None, 5, {"id": "rl_2", "name": {}}, {"id": "rl_2", "permissions": [None]}])
async def test_a_page_with_a_wrong_record(account: Any, fake: Any, item: Any) -> None:
    """A record that is not as documented fails its page, with its position in the whole body for operators."""
    fake.respond({"data": [{"id": "rl_1"}, item]})
    with pytest.raises(SourceInvalidResponse) as caught:
        await account().directories[Kind.ROLE].page("", frozenset(), None)
    assert "$.data[1]" in str(caught.value.__cause__)


async def test_preview_1_on_a_current_server(account: Any, fake: Any) -> None:
    """A current server takes current requests with preview.1, which one small list finds out for all calls."""
    first = account(PREVIEW_1)
    info = {"next_page_url": None, "previous_page_url": None, "has_next_page": False, "has_prev_page": False}
    fake.respond({"data": [], "page_info": info})
    reference = {"id": "us_1", "object": "entity", "type": "user", "name": "Ada", "handle": "a@b.c"}
    fake.respond({"id": "acus_1", "name": "Ada", "email": "a@b.c", "user": reference})
    found = await first.update_user(ADA, UpdateAccountUser.parse({"preferences": INVOICE}), "key-1")
    await first.fetch_user(ADA, frozenset({"role"}))
    assert (found.name, found.email, found.platform_user) == ("Ada", "a@b.c", PlatformUser("us_1"))
    assert [(request.method, request.url.removeprefix(USERS)) for request in fake.requests] == [
        ("GET", "?limit=1"),
        ("PATCH", f"/acus_1?{ALL}"),
        ("GET", "/acus_1?include[]=role"),
    ]
    assert orjson.loads(fake.requests[1].body) == {"preferences": [{"notification_type": "invoice", "enabled": False}]}


async def test_account_of_a_role(account: Any, fake: Any) -> None:
    """The account that owns a role is read by its id with the needed includes: there is no list of accounts."""
    fake.respond({"id": "ac_1", "name": "Acme", "portal": {"id": "po_1", "slug": "acme"}, "branding": None})
    ref = Ref(Kind.ACCOUNT, UserSource.ACCOUNT, "ac_1")
    found = await account().directories[Kind.ACCOUNT].fetch(ref, frozenset({"portal", "branding"}))
    assert (found.portal.slug, found.branding, found.loaded) == ("acme", None, {"portal", "branding"})
    [request] = fake.requests
    assert request.url == f"{BASE}/v1/identity/accounts/ac_1?include[]=branding&include[]=portal"


@pytest.mark.parametrize("kind", [Kind.ACCOUNT, Kind.LOCATION, Kind.SCANNING_STATION, Kind.MACHINE])
async def test_an_endpoint_for_changes_only(account: Any, fake: Any, kind: Kind) -> None:
    """Where the path of an inner kind of record is there for other methods only, there are no such records either."""
    fake.respond({"error": {"code": "method_not_allowed", "message": "Method GET not allowed for path /x."}}, 405)
    assert await account().directories[kind].fetch(Ref(kind, UserSource.ACCOUNT, "x_1"), frozenset()) is None
    with pytest.raises(SourceInvalidResponse):
        await account().directories[Kind.ROLE].page("", frozenset(), None)


@pytest.mark.parametrize("kind", [Kind.LOCATION, Kind.SCANNING_STATION, Kind.MACHINE, Kind.PRODUCTION_STEP])
async def test_missing_endpoint(account: Any, fake: Any, kind: Kind) -> None:
    """A server without the endpoint of an inner kind of record, which is a documented 404, has no such records."""
    fake.respond(
        {"error": {"code": "resource_not_found", "message": "The requested endpoint GET /x was not found."}}, 404
    )
    directory = account().directories[kind]
    assert (await directory.page("", frozenset(), None)).items == ()
    assert await directory.fetch(Ref(kind, UserSource.ACCOUNT, "x_1"), frozenset()) is None
    for known in (Kind.ROLE, Kind.DEPARTMENT):
        with pytest.raises(SourceInvalidResponse, match="BASE_URL"):
            await account().directories[known].page("", frozenset(), None)


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
