"""The reseller API."""

import re

import pytest

from gateway.sandbox import LANDMARKS, RESELLER_ID

ADA = LANDMARKS["reseller"]["ada"]
NEW = {
    "firstName": "Lin",
    "email": "lin@example.com",
    "role": "user",
    "allowCustomerPortalAccess": True,
    "password": "12345678",
}


async def test_list_pages_sorts_and_ends(world):
    """Pages are arrays without an envelope, oldest first by default, and a page past the end is empty."""
    first = (await world.reseller("GET", "/users?limit=30")).json
    second = (await world.reseller("GET", "/users?limit=30&page=2")).json
    assert (len(first), len(second)) == (30, 10)
    assert (await world.reseller("GET", "/users?limit=30&page=3")).json == []
    dates = [user["createdAt"] for user in first + second]
    assert dates == sorted(dates)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", dates[0])
    newest = (await world.reseller("GET", "/users?limit=1&sort=-createdAt")).json
    assert newest[0]["id"] == second[-1]["id"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("email[eq]=ada.lovelace@example.com", 1),
        ("email=ada.lovelace@example.com", 1),
        ("email%5Beq%5D=ADA.lovelace%40example.com", 1),
        ("name[sw]=Ada", 1),
        ("name[ew]=Lamarr", 1),
        ("name[cn]=perlma", 1),
        ("search=lovelace", 1),
        (f"id[in]={ADA},{LANDMARKS['reseller']['organizationAdmin']}", 2),
        (f"id[nin]={ADA}", 39),
        ("email[ne]=ada.lovelace@example.com", 39),
        ("createdAt[lt]=2026-01-01", 0),
        ("createdAt[gt]=2026-01-01T00:00:00.0000000Z", 40),
        ("unknown=1", 40),
        ("email[in]=ADA.lovelace@example.com,hedy.lamarr@example.com", 2),
        ("email[in][]=ada.lovelace@example.com&email[in][]=hedy.lamarr@example.com", 2),
        ("email[in][0]=ada.lovelace@example.com&email[in][1]=hedy.lamarr@example.com", 2),
        ("email[in]=ada.lovelace@example.com&email[in]=hedy.lamarr@example.com", 2),
        ("email[nin]=ada.lovelace@example.com,hedy.lamarr@example.com", 38),
        ("createdAt[ne]=2026-01-01T00:00:00Z", 40),
    ],
)
async def test_filters(world, query, count):
    """Each operator of each kind of field selects the right users."""
    response = await world.reseller("GET", f"/users?limit=100&{query}")
    assert (response.status, len(response.json)) == (200, count)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "page=0", "page=x", "sort=nothing", "email[gt]=a", "createdAt[gt]=soon"]
)
async def test_bad_queries(world, query):
    """An invalid parameter is a 400 with message and code."""
    response = await world.reseller("GET", f"/users?{query}")
    assert (response.status, set(response.json)) == (400, {"message", "code"})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"firstName": ""}, 400),
        ({"firstName": "x" * 257}, 400),
        ({"firstName": None}, 400),
        ({"email": "no"}, 400),
        ({"role": ""}, 400),
        ({"allowCustomerPortalAccess": "yes"}, 400),
        ({"organizationId": "nowhere"}, 400),
        ({"email": "hedy.lamarr@example.com"}, 400),
        ({"lastName": "", "company": "", "organizationId": ""}, 200),
        ({"nonsense": 1}, 200),
    ],
)
async def test_update_rules(world, body, status):
    """The documented rules of each field apply; null is refused; unknown fields are ignored."""
    assert (await world.reseller("PATCH", f"/users/{ADA}", json=body)).status == status


async def test_a_body_of_another_type(world):
    """A body that is not JSON by its type is refused."""
    for method, path in (("PATCH", f"/users/{ADA}"), ("POST", "/users")):
        response = await world.reseller(method, path, data=b"{}", headers={"Content-Type": "text/plain"})
        assert (response.status, set(response.json)) == (415, {"message", "code"})


async def test_update_leaves_the_rest_and_hides_portal_access(world):
    """Absent fields stay, the name is derived, and only the control API returns portal access."""
    before = (await world.reseller("GET", f"/users/{ADA}")).json
    assert before["organization"]["id"] == before["organizationId"]
    after = (
        await world.reseller("PATCH", f"/users/{ADA}", json={"firstName": "A", "allowCustomerPortalAccess": False})
    ).json
    assert after["name"] == "A Lovelace"
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"firstName", "name", "updatedAt"}
    state = (await world.control("GET", f"/state/reseller/users/{ADA}")).json
    assert state["allow_customer_portal_access"] == 0


async def test_create_and_delete(world):
    """Create needs every required field and an unused e-mail address; delete is permanent."""
    created = await world.reseller("POST", "/users", json=NEW)
    assert (created.status, created.json["name"], created.json["organization"]) == (201, "Lin", None)
    assert (await world.reseller("POST", "/users", json=NEW)).status == 409
    for name in NEW:
        assert (await world.reseller("POST", "/users", json={k: v for k, v in NEW.items() if k != name})).status == 400
    assert (await world.reseller("DELETE", f"/users/{created.json['id']}")).status == 204
    assert (await world.reseller("DELETE", f"/users/{created.json['id']}")).status == 404


async def test_organizations_and_refusals(world):
    """Organizations have two paths; another reseller is a 404, and a missing token a 401."""
    organizations = (await world.reseller("GET", "/organizations")).json
    organization = (await world.reseller("GET", f"/organizations/{organizations[0]['id']}")).json
    assert organization == organizations[0]
    world.reseller.base = f"{world.sandbox.reseller_url}/v3"
    assert (await world.reseller("GET", "/organizations")).json == organizations
    for reseller, found in ((RESELLER_ID, organizations), ("another", [])):
        assert (await world.reseller("GET", f"/organizations?resellerId[eq]={reseller}")).json == found
    assert (await world.reseller("GET", "/resellers/other/users")).status == 404
    assert (await world.reseller("GET", "/organizations", headers={"Authorization": None})).status == 401


async def test_the_51st_request_is_refused(strict_world):
    """50 requests are allowed in five seconds; then a 429 has Retry-After with the end of the window."""
    for remaining in range(49, -1, -1):
        response = await strict_world.reseller("GET", f"/users/{ADA}")
        assert (response.status, response.headers["X-Rate-Limit-Limit"]) == (200, "5s")
        assert response.headers["X-Rate-Limit-Remaining"] == str(remaining)
    response = await strict_world.reseller("GET", f"/users/{ADA}")
    assert (response.status, set(response.json)) == (429, {"message", "code"})
    assert 1 <= int(response.headers["Retry-After"]) <= 5
