from typing import Any

import orjson
import pytest

from gateway import errors
from gateway.errors import NotFound, Outcome, SourceInvalidResponse, SourceNotConfigured
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import JsonDecoder
from gateway.sources.reseller import ResellerSource
from gateway.sources.reseller.errors import reseller_error
from gateway.sources.reseller.wire import ResellerWireUser
from gateway.users import model
from gateway.users.changes import UpdateResellerUser
from gateway.users.ids import Kind, Ref
from gateway.users.model import Role, UserSource

BASE = "https://proxy.test/reseller/v3/resellers"
BOB = Ref(Kind.USER, UserSource.RESELLER, "b/1", "t 1")
TIME = {"createdAt": "2018-05-01T07:53:56.0095476Z", "updatedAt": "2018-05-02T07:53:56.0095476Z"}
ADDRESS = {"addressLine1": "1 St", "addressLine2": "B", "city": "C", "state": "S", "country": "DE", "postalCode": "1"}
DOCUMENT: dict[str, Any] = {
    "id": "b1",
    "name": "Bob Roe",
    "firstName": "Bob",
    "lastName": "Roe",
    "email": "bob@x.y",
    "role": "organization-admin",
    "twoFactorEnabled": True,
    "googleSsoEnabled": False,
    "lastLoginAt": "2019-08-24T14:15:22Z",
    "organizationId": "o1",
    "organization": {
        "id": "o1",
        "name": "Org",
        "email": "o@x.y",
        "description": "d",
        "allowedUsers": -1,
        "address": ADDRESS,
        **TIME,
    },
    "company": "Acme",
    **TIME,
}


@pytest.fixture
def reseller(source: Any) -> ResellerSource:
    """The reseller source over a transport in memory."""
    return source(UserSource.RESELLER)


def user(document: Any) -> model.User:
    return JsonDecoder(ResellerWireUser).convert(document).record("t1")


def test_tenant(reseller: ResellerSource) -> None:
    """The tenant is the configured reseller."""
    assert reseller.tenant == "t1"


async def test_fetch_user(reseller: ResellerSource, fake: Any) -> None:
    """A user is fetched by one GET below its reseller, with both ids percent-encoded."""
    fake.respond({"id": "b/1"})
    found = await reseller.fetch_user(BOB, frozenset({"profile", "role", "audit"}))
    assert (found.source_id, found.tenant) == ("b/1", "t 1")
    [request] = fake.requests
    assert (request.method, request.url, request.body) == ("GET", f"{BASE}/t%201/users/b%2F1", None)
    assert dict(request.headers) == {"Authorization": "Bearer r-token"}


async def test_no_such_user(reseller: ResellerSource, fake: Any) -> None:
    """Reading a user that does not exist returns None, and changing it raises NotFound."""
    fake.respond({"message": "User not found."}, 404)
    assert await reseller.fetch_user(BOB, frozenset()) is None
    with pytest.raises(NotFound, match="User not found"):
        await reseller.update_user(BOB, UpdateResellerUser(company="x"), "k")


@pytest.mark.parametrize(
    "body", [b'{"message":"No.","code":404}', b'{"message":null}', b'\xef\xbb\xbf{"message":"No."}']
)
async def test_variants_of_not_found(reseller: ResellerSource, fake: Any, body: bytes) -> None:
    """Variants of the documented error are accepted: a number as code, null, a byte order mark."""
    fake.respond(body, 404)
    assert await reseller.fetch_user(BOB, frozenset()) is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"code":"x"}', b'{"title":"Not Found","status":404}'])
async def test_no_such_route(reseller: ResellerSource, fake: Any, body: bytes) -> None:
    """A 404 without the documented body is no missing user: the path may be wrong, and the outcome is unknown."""
    fake.respond(body, 404)
    with pytest.raises(SourceInvalidResponse) as error:
        await reseller.fetch_user(BOB, frozenset())
    assert error.value.outcome is None
    with pytest.raises(SourceInvalidResponse) as error:
        await reseller.update_user(BOB, UpdateResellerUser(company="x"), "k")
    assert error.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        ({}, {}),
        ({"first_name": "A", "last_name": ""}, {"firstName": "A", "lastName": ""}),
        ({"email": "a@b.c", "role": "user", "company": ""}, {"email": "a@b.c", "role": "user", "company": ""}),
        ({"organization_id": "o1"}, {"organizationId": "o1"}),
        ({"allow_customer_portal_access": False}, {"allowCustomerPortalAccess": False}),
    ],
)
async def test_update(reseller: ResellerSource, fake: Any, change: Any, sent: Any) -> None:
    """A change is one PATCH of exactly the given fields, in camelCase."""
    fake.respond({"id": "b/1"})
    await reseller.update_user(BOB, UpdateResellerUser.parse(change), "k")
    [request] = fake.requests
    assert (request.method, request.url) == ("PATCH", f"{BASE}/t%201/users/b%2F1")
    assert orjson.loads(request.body) == sent
    assert dict(request.headers) == {"Authorization": "Bearer r-token", "Content-Type": "application/json"}


NO_ROUTE = [(b"", 404), (b"<html>Not Found</html>", 404), (b'{"error":"no route"}', 404), (b"<html>", 405)]


@pytest.mark.parametrize(("body", "status"), NO_ROUTE)
async def test_no_route_for_one_user(reseller: ResellerSource, fake: Any, body: bytes, status: int) -> None:
    """Where GET of one user does not exist, the documented list is filtered by the id, from then on by one call."""
    fake.respond(body, status)
    fake.respond([{"id": "B/1", "firstName": "Bob"}])
    fake.respond([])
    found = await reseller.fetch_user(BOB, frozenset())
    assert found is not None
    assert found.first_name == "Bob"
    assert await reseller.fetch_user(BOB, frozenset()) is None
    listed = f"{BASE}/t%201/users?page=1&limit=1&id[eq]=b%2F1"
    assert [request.url for request in fake.requests] == [f"{BASE}/t%201/users/b%2F1", listed, listed]


@pytest.mark.parametrize(("body", "status"), NO_ROUTE)
async def test_the_list_decides_about_a_missing_user(
    reseller: ResellerSource, fake: Any, body: bytes, status: int
) -> None:
    """If neither the path nor the list has the user, there is none; the path is used again for the next one.

    That also holds once the path is known to exist. If the list has the user then, the response is invalid.
    """
    for response in ([], {"id": "b/1"}, [], [{"id": "b/1"}]):
        if isinstance(response, list):
            fake.respond(body, status)
        fake.respond(response)
    assert await reseller.fetch_user(BOB, frozenset()) is None
    assert await reseller.fetch_user(BOB, frozenset()) is not None
    assert await reseller.fetch_user(BOB, frozenset()) is None
    with pytest.raises(SourceInvalidResponse):  # it comes from something on the way
        await reseller.fetch_user(BOB, frozenset())


@pytest.mark.parametrize(("rows", "status"), [([{"id": "another"}], 200), ({"x": 1}, 200), (b"<html>", 404)])
async def test_a_list_that_does_not_decide(reseller: ResellerSource, fake: Any, rows: Any, status: int) -> None:
    """A list that ignores the filter, or is not documented either, does not mean that there is no such user."""
    fake.respond(b"<html>", 404)
    fake.respond(rows, status)
    with pytest.raises(SourceInvalidResponse):
        await reseller.fetch_user(BOB, frozenset())


async def test_no_route_for_organizations(reseller: ResellerSource, fake: Any) -> None:
    """Where the organizations of a reseller have no path, those of all resellers are filtered."""
    directory = reseller.directories[Kind.ORGANIZATION]
    organization = Ref(Kind.ORGANIZATION, UserSource.RESELLER, "o1", "t2")
    for _ in range(2):
        fake.respond(b"<html>", 404)
        fake.respond([{"id": "o1", "name": "Org"}])
    fake.respond([{"id": "o1", "name": "Org"}])
    assert await directory.fetch(organization, frozenset()) == model.Organization("t2", "o1", "Org")
    assert (await directory.page("t2", frozenset(), None)).items == (model.Organization("t2", "o1", "Org"),)
    await directory.page("t2", frozenset(), None)
    everything = "https://proxy.test/reseller/v3/organizations"
    page = f"{everything}?page=1&limit=100&resellerId[eq]=t2"
    assert [request.url for request in fake.requests] == [
        f"{BASE}/t2/organizations/o1",
        f"{everything}?page=1&limit=1&id[eq]=o1&resellerId[eq]=t2",
        f"{BASE}/t2/organizations?page=1&limit=100",
        page,
        page,
    ]


async def test_invalid_response_to_a_change(reseller: ResellerSource, fake: Any) -> None:
    """If the response to a change cannot be decoded, the outcome is unknown."""
    fake.respond(b"<html>")
    with pytest.raises(SourceInvalidResponse) as caught:
        await reseller.update_user(BOB, UpdateResellerUser(company="x"), "k")
    assert caught.value.outcome is Outcome.UNKNOWN


async def test_no_reseller(source: Any, fake: Any) -> None:
    """Without a configured reseller the probe fails before any request, and names the setting for operators."""
    with pytest.raises(SourceNotConfigured) as caught:
        await source(UserSource.RESELLER, reseller_id="").probes[0].call()
    assert caught.value.origin.source == UserSource.RESELLER
    assert "GATEWAY_RESELLER__RESELLER_ID" in str(caught.value.failed_call)
    assert fake.requests == []


async def test_organizations(reseller: ResellerSource, fake: Any) -> None:
    """Organizations are fetched by id, or in numbered pages of 100, the last of which is not full."""
    directory = reseller.directories[Kind.ORGANIZATION]
    fake.respond({"id": "o1", "name": "Org"})
    found = await directory.fetch(Ref(Kind.ORGANIZATION, UserSource.RESELLER, "o1", "t2"), frozenset())
    assert found == model.Organization("t2", "o1", "Org")
    fake.responses = []
    for size in (100, 99):
        fake.respond([{"id": f"o{n}"} for n in range(size)])
    first = await directory.page("t2", frozenset(), None)
    second = await directory.page("t2", frozenset(), first.next)
    assert (len(first.items), len(second.items), second.next) == (100, 99, None)
    assert first.items[0] == model.Organization("t2", "o0")
    assert [request.url.removeprefix(BASE) for request in fake.requests] == [
        "/t2/organizations/o1",
        "/t2/organizations?page=1&limit=100",
        "/t2/organizations?page=2&limit=100",
    ]


@pytest.mark.parametrize("count", [2**31, -(2**31) - 1, 2**63, str(2**31), str(2**70)])
async def test_number_beyond_32_bits(reseller: ResellerSource, fake: Any, count: Any) -> None:
    """A number beyond the range of GraphQL's Int makes an organization an invalid response."""
    directory = reseller.directories[Kind.ORGANIZATION]
    organization = Ref(Kind.ORGANIZATION, UserSource.RESELLER, "o1", "t2")
    fake.respond({"id": "o1", "allowedUsers": count})
    fake.respond({"id": "o1", "allowedUsers": 2**31 - 1})
    with pytest.raises(SourceInvalidResponse):
        await directory.fetch(organization, frozenset())
    assert (await directory.fetch(organization, frozenset())).allowed_users == 2**31 - 1


async def test_empty_page(reseller: ResellerSource, fake: Any) -> None:
    """A page after the end is empty and is the last."""
    fake.respond([])
    page = await reseller.directories[Kind.ORGANIZATION].page("t2", frozenset(), "3")
    assert (page.items, page.next) == ((), None)


def test_all_fields() -> None:
    """Every field of a user becomes an attribute of the record; times keep all their digits."""
    found = user(DOCUMENT)
    assert (found.source, found.tenant, found.source_id) == (UserSource.RESELLER, "t1", "b1")
    assert (found.name, found.first_name, found.last_name, found.company) == ("Bob Roe", "Bob", "Roe", "Acme")
    assert (found.email, found.two_factor_enabled, found.google_sso_enabled) == ("bob@x.y", True, False)
    assert found.role == Role.named(UserSource.RESELLER, "organization-admin")
    assert (found.created_at, found.updated_at) == (TIME["createdAt"], TIME["updatedAt"])
    assert found.last_active_at == "2019-08-24T14:15:22Z"
    address = model.PostalAddress("1 St", "B", "C", "S", "DE", "1")
    assert found.organization == model.Organization("t1", "o1", "Org", "o@x.y", "d", -1, address, *TIME.values())


@pytest.mark.parametrize(
    ("sent", "organization"),
    [
        ({"organizationId": "o1"}, model.Organization("t1", "o1")),
        ({"organizationId": "o1", "organization": None}, model.Organization("t1", "o1")),
        ({"organizationId": "o1", "organization": {"name": "Org"}}, model.Organization("t1", "o1", "Org")),
        ({"organization": {"id": "o1", "name": "Org"}}, model.Organization("t1", "o1", "Org")),
        ({"organization": {"id": "o1", "name": "Org", "allowedUsers": 2**31}}, model.Organization("t1", "o1")),
        ({"organizationId": "o1", "organization": {"allowedUsers": -(2**31) - 1}}, model.Organization("t1", "o1")),
        ({"organizationId": "", "organization": {"name": "Org"}}, None),
        ({"organizationId": None}, None),
        ({"organizationId": ""}, None),
        ({"role": ""}, None),
    ],
)
def test_organization(sent: Any, organization: Any) -> None:
    """The organization of a user is a complete record, a bare reference, or None."""
    found = user({"id": "b1"} | sent)
    assert found.organization == organization
    assert found.role is None


def test_missing_fields(variants: Any) -> None:
    """A user is decoded although any field but its id is absent or null."""
    for replaced in (None, lambda _: None):
        for path, variant in variants(DOCUMENT, replaced):
            if path != "id":
                assert user(variant | {"new": [1]}).source_id == "b1", path


def test_wrong_types(variants: Any) -> None:
    """A field of another type than documented makes the user invalid."""
    for path, variant in variants(DOCUMENT, lambda value: {"x": 1} if isinstance(value, str | int) else 5):
        with pytest.raises(ValueError, match=" - at "):
            print(path, user(variant))  # noqa: T201 - shown if it fails


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadUserInput),
        (401, errors.SourceCredentials),
        (403, errors.SourceCredentials),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (429, errors.RateLimited),
        (500, errors.SourceUnavailable),
    ],
)
@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"message": "Why."}, None, "Why."),
        ({"message": "Why.", "code": "C"}, "C", "Why."),
        ({"message": "Why.", "code": 7}, "7", "Why."),
        ({"message": "Why.", "code": None}, None, "Why."),
        ({"message": None}, None, None),
    ],
)
def test_errors(*, status: int, kind: type, body: Any, code: str | None, message: str | None) -> None:
    """Every documented status becomes an exception with the message and the code of the source."""
    request = Request("reseller", "PATCH", "u", "/x")
    error = reseller_error(request, Response(status, {"Retry-After": "3"}, orjson.dumps(body)))
    assert type(error) is kind
    assert error.origin.code == code
    assert error.origin.message == (None if status == 401 else message)
    assert error.violations == ()
    assert error.retry_after == (3 if status in {429, 500} else None)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"message":5}', b'{"error":"x"}', b'{"code":"C"}'])
def test_undocumented_error(body: bytes) -> None:
    """A body that does not have the documented form is ignored."""
    error = reseller_error(Request("reseller", "PATCH", "u", "/x"), Response(400, {}, body))
    assert type(error) is SourceInvalidResponse
