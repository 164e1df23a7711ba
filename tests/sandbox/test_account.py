"""The account API in its current form, and in the form of April."""

import base64
from datetime import datetime

import pytest

from gateway.sandbox import ACCOUNT_TOKEN, LANDMARKS

USERS = "/v1/identity/account-users"
ADA = LANDMARKS["account"]["ada"]
PASSWORD = "Str0ng-enough"


@pytest.mark.parametrize(
    ("method", "target", "headers", "expected"),
    [
        ("GET", "/v1/nowhere", {"Authorization": None}, (404, "resource_not_found")),
        ("DELETE", USERS, {"Authorization": None}, (405, "method_not_allowed")),
        ("GET", USERS, {"Authorization": None, "OpenMRP-Version": None}, (401, "invalid_credentials")),
        ("GET", USERS, {"Authorization": "Bearer wrong"}, (401, "invalid_credentials")),
        ("GET", USERS, {"Cookie": "a=b"}, (401, "invalid_credentials")),
        ("GET", USERS, {"OpenMRP-Version": None, "OpenMRP-Account": None}, (400, "api_version_required")),
        ("GET", USERS, {"OpenMRP-Version": "2.0"}, (400, "api_version_invalid")),
        ("GET", USERS, {"OpenMRP-Version": "1.0.forge"}, (400, "api_version_invalid")),
        ("GET", USERS, {"OpenMRP-Account": None}, (401, "invalid_credentials")),
        ("GET", USERS, {"OpenMRP-Account": "ac_other"}, (403, "insufficient_permissions")),
    ],
)
async def test_checks_come_in_the_order_of_the_real_server(world, method, target, headers, expected):
    """Routing is checked before the API key, the key before the version, the version before the account."""
    response = await world.account(method, target, headers=headers)
    assert (response.status, response.json["error"]["code"]) == expected
    assert set(response.json["error"]) == {
        "code", "type", "message", "param", "doc_url", "is_transient", "quota", "request_log_url",
    }  # fmt: skip
    assert response.headers["Request-ID"].startswith("rq_")
    assert (response.headers.get("WWW-Authenticate") == "Bearer") is (response.status == 401)


async def test_basic_credentials_and_the_old_header_names_work(world):
    """Basic with an empty password and the prefix Augno work like Bearer and OpenMRP."""
    basic = base64.b64encode(f"{ACCOUNT_TOKEN}:".encode()).decode()
    response = await world.account(
        "GET",
        USERS,
        headers={
            "Authorization": f"Basic {basic}",
            "OpenMRP-Version": None,
            "OpenMRP-Account": None,
            "Augno-Version": "1.0.forge-preview.2",
            "Augno-Account": world.sandbox.ACCOUNT_ID,
        },
    )
    assert response.status == 200
    assert response.headers["Augno-Version"] == "1.0.forge-preview.2"


@pytest.mark.parametrize(
    "spelling",
    [
        "include[]=user&include[]=role",
        "include=user,role",
        "include[]=user,role",
        "include%5B%5D=user&include=role",
    ],
)
async def test_includes_have_four_spellings(world, spelling):
    """All spellings have the same effect; fields that are not included are null."""
    document = (await world.account("GET", f"{USERS}/{ADA}?{spelling}")).json
    assert document["user"]["email"] == "ada.lovelace@example.com"
    assert document["role"]["type"] == "admin"
    assert document["role"]["owner"] is document["department"] is None


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("include[]=role.owner", "parameter_invalid", "include[]"),
        ("ids=1", "parameter_unknown", "ids"),
        ("limit=0", "parameter_invalid", "limit"),
        ("limit=1001", "parameter_invalid", "limit"),
        ("limit=x", "parameter_invalid", "limit"),
        ("role_type=boss", "parameter_invalid", "role_type"),
        ("removed_scope=all", "parameter_invalid", "removed_scope"),
        ("include_removed=true", "parameter_unknown", "include_removed"),
        ("cursor=bm8.bm8", "validation_failed", "cursor"),
        ("q=" + "x" * 501, "parameter_invalid", "q"),
    ],
)
async def test_list_refuses_invalid_parameters(world, query, code, param):
    """An invalid or unknown query parameter is a 400 with its name."""
    response = await world.account("GET", f"{USERS}?{query}")
    assert (response.status, response.json["error"]["code"], response.json["error"]["param"]) == (400, code, param)


async def test_pages_can_be_followed_forwards_and_back(world):
    """The page URLs lead to every user once, newest first, and back again."""
    target = f"{USERS}?limit=7&removed_scope=included"
    seen, pages = [], []
    while target:
        page = (await world.account("GET", target)).json
        pages.append([user["id"] for user in page["data"]])
        seen += [(user["created_at"], user["id"]) for user in page["data"]]
        target, back = page["page_info"]["next_page_url"], page["page_info"]["previous_page_url"]
        assert page["page_info"]["has_next_page"] is (target is not None)
    assert len(seen) == 40
    assert [at for at, _ in seen] == sorted((at for at, _ in seen), reverse=True)
    previous = (await world.account("GET", back)).json
    assert [user["id"] for user in previous["data"]] == pages[-2]


async def test_list_filters(world):
    """Users are filtered by text and by role type; removed users are listed only if requested."""
    found = (await world.account("GET", f"{USERS}?q=LOVELACE")).json["data"]
    assert [user["id"] for user in found] == [ADA]
    scanners = (await world.account("GET", f"{USERS}?role_type=scanner&include=role")).json["data"]
    assert scanners
    assert {user["role"]["type"] for user in scanners} == {"scanner"}
    for text, count in (("ovelac", 1), ("love", 1), ("a_a", 0), ("lan", 1)):
        # names by the beginnings of words, addresses and user names by any part, without wildcards
        assert len((await world.account("GET", f"{USERS}?q={text}&limit=1")).json["data"]) == count, text
    removed = LANDMARKS["account"]["removed"]
    default = (await world.account("GET", USERS)).json["data"]
    everybody = (await world.account("GET", f"{USERS}?removed_scope=included")).json["data"]
    assert removed not in {user["id"] for user in default}
    assert removed in {user["id"] for user in everybody}


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({}, 400, "validation_failed", None),
        ({"email": "no"}, 400, "invalid_format", "email"),
        ({"email": "no", "username": "?"}, 400, "validation_failed", "email"),
        ({"email": 7}, 400, "invalid_format", "email"),
        ({"emial": "a@b.cd"}, 400, "parameter_unknown", "emial"),
        ({"username": "line-9"}, 400, "validation_failed", None),
        ({"username": "line-9", "password": "weak"}, 400, "invalid_format", "password"),
        ({"email": "a@b.cd", "password": PASSWORD}, 400, "validation_failed", None),
        ({"email": "a@b.cd", "role_id": "rl_none"}, 404, "resource_not_found", "role_id"),
        ({"email": "a@b.cd", "department_id": "dp_none"}, 404, "resource_not_found", "department_id"),
        ({"email": "ADA.lovelace@example.com"}, 409, "resource_conflict", None),
        ({"email": "a@b.cd", "username": "ada"}, 409, "resource_conflict", "username"),
        ({"email": "a@b.cd", "preferences": [{"enabled": True}]}, 400, "missing_field",
         "preferences[0].notification_type"),
    ],
)  # fmt: skip
async def test_create_refuses(world, body, status, code, param):
    """Each rule of create has its status, code and parameter."""
    response = await world.account("POST", USERS, json=body)
    error = response.json["error"]
    assert (response.status, error["code"], error["param"]) == (status, code, param)


async def test_a_picture(world):
    """The path in `image_url` has a picture, for those who have the credential; no other path has one."""
    ada = (await world.account("GET", f"{USERS}/{LANDMARKS['account']['ada']}?include=user")).json
    path = ada["user"]["image_url"]
    response = await world.account("GET", path)
    assert (response.status, response.headers["Content-Type"]) == (200, "image/png")
    assert (await world.account("GET", path, headers={"Authorization": "Bearer no"})).status == 401
    assert (await world.account("GET", "/v1/files/us_nobody.png")).status == 404


async def test_create_links_restores_and_makes_scanners(world):
    """Create adds new users, links existing ones, restores removed ones and gives scanners their role."""
    created = await world.account("POST", f"{USERS}?include[]=user", json={"email": "new@example.com", "name": "New"})
    assert created.status == 201
    assert created.headers["Location"] == f"{USERS}/{created.json['id']}"
    linked = await world.account("POST", f"{USERS}?include=user", json={"email": "margaret.hamilton@example.com"})
    assert linked.json["user"]["id"] == "us_unlinkeduser"
    assert linked.json["user"]["name"] == "Margaret Hamilton"
    restored = await world.account("POST", USERS, json={"email": "rosalind.franklin@example.com"})
    assert restored.json["id"] == LANDMARKS["account"]["removed"]
    assert restored.json["status"] == "active"
    kept = await world.account("GET", f"{USERS}/{restored.json['id']}?include=role")
    assert kept.json["role"] is None  # the request named none
    scanner = await world.account(
        "POST",
        f"{USERS}?include=role",
        json={"username": "line-9", "password": PASSWORD, "role_id": "rl_none"},
    )
    assert scanner.json["role"]["type"] == "scanner"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"name": None}, 400, "invalid_format", "name"),
        ({"name": "  "}, 400, "invalid_format", "name"),
        ({"password": PASSWORD}, 400, "parameter_unknown", "password"),
        ({"email": "grace.hopper@example.com"}, 409, "resource_conflict", "email"),
        ({"username": "packing-line-1"}, 409, "resource_conflict", "username"),
        ({"role_id": "rl_none"}, 404, "resource_not_found", "role_id"),
        (
            {"preferences": [{"notification_type": "invoice", "enabled": True}]},
            400,
            "validation_failed",
            None,
        ),
    ],
)
async def test_update_refuses(world, body, status, code, param):
    """Each rule of update has its status, code and parameter, and nothing is changed."""
    before = (await world.control("GET", f"/state/account/users/{ADA}")).json
    response = await world.account("PATCH", f"{USERS}/{ADA}", json=body)
    error = response.json["error"]
    assert (response.status, error["code"], error["param"]) == (status, code, param)
    assert (await world.control("GET", f"/state/account/users/{ADA}")).json == before


async def test_update_clears_with_null_and_keeps_what_is_absent(world):
    """Null clears the role, absent fields stay, and updated_at is set even for an empty body."""
    target = f"{USERS}/{ADA}?include=user,role,department"
    first = (await world.account("PATCH", target, json={"role_id": None})).json
    assert first["role"] is None
    assert first["department"]["name"] == "Assembly"
    assert first["user"]["name"] == "Ada Lovelace"
    second = (await world.account("PATCH", target, json={})).json
    times = [datetime.fromisoformat(user["updated_at"]) for user in (first, second)]
    assert times[0] < times[1]
    renamed = (await world.account("PATCH", target, json={"name": "Augusta"})).json
    assert renamed["user"]["name"] == "Augusta"
    sales = (await world.account("PATCH", target, json={"role_id": "rl_fieldsales00"})).json
    assert sales["role"]["id"] == "rl_salesrep0000"
    assert sales["is_commission_eligible"] is True


async def test_status_actions(world):
    """Actions are idempotent and return an empty object; admins and removed users cannot be disabled."""
    plain, removed = LANDMARKS["account"]["plain"], LANDMARKS["account"]["removed"]
    for action, status in (
        ("disable", "disabled"),
        ("disable", "disabled"),
        ("activate", "active"),
        ("remove", "removed"),
    ):
        response = await world.account("PUT", f"{USERS}/{plain}/actions/{action}")
        assert (response.status, response.json) == (200, {})
        assert (await world.account("GET", f"{USERS}/{plain}")).json["status"] == status
    for key in (ADA, removed):
        assert (await world.account("PUT", f"{USERS}/{key}/actions/disable")).status == 400
    assert (await world.account("PUT", f"{USERS}/acus_nobody/actions/remove")).status == 404
    assert (await world.account("PUT", f"{USERS}/{plain}/actions/activate?include=role")).status == 400


async def test_roles_and_departments(world):
    """Both are listed with their includes; a role without permissions has null."""
    roles = (await world.account("GET", "/v1/identity/roles?include=owner.account,permissions")).json["data"]
    assert len(roles) >= 8
    by_name = {role["name"]: role for role in roles}
    assert by_name["Newcomer"]["permissions"] is None
    assert by_name["Newcomer"]["owner"]["account"]["default_billing_address"] is None
    assert by_name["Admin"]["owner"] == {"object": "owner", "type": "system", "account": None}
    filtered = (await world.account("GET", "/v1/identity/roles?types[]=scanner,agent")).json["data"]
    assert {role["type"] for role in filtered} == {"scanner", "agent"}
    departments = (
        await world.account("GET", "/v1/operations/departments?include=location,machines,scanning_stations")
    ).json["data"]
    assert len(departments) >= 12
    station = next(item for d in departments for item in d["scanning_stations"]["data"])
    assert station["operator_requirement"] in {"none", "material_check"}
    assert station["production_steps"] is station["department"] is None
    assert departments[0]["location"]["parent"] is departments[0]["location"]["children"] is None


async def test_roles_can_be_created_changed_and_deleted(world):
    """A new role has the type user; system roles and roles in use cannot be deleted; a deleted role is a 410."""
    created = await world.account("POST", "/v1/identity/roles", json={"name": "Tester", "permissions": []})
    assert (created.status, created.json["type"]) == (201, "user")
    target = f"/v1/identity/roles/{created.json['id']}"
    changed = await world.account("PATCH", f"{target}?include=permissions", json={"permissions": ["x:read"]})
    assert changed.json["permissions"] == ["x:read"]
    assert (await world.account("POST", "/v1/identity/roles", json={"name": "Tester"})).status == 409
    assert (await world.account("PATCH", target, json={"permissions": ["x:fly"]})).status == 400
    assert (await world.account("DELETE", "/v1/identity/roles/rl_admin0000000")).status == 400
    assert (await world.account("DELETE", "/v1/identity/roles/rl_newcomer0000")).status == 409
    assert (await world.account("DELETE", target)).json == {}
    assert (await world.account("DELETE", target)).status == 410


async def test_the_server_of_april(april_world):
    """The server of April 2026 has flat profiles and cursors; PATCH and list include everything unasked."""
    page = (await april_world.account("GET", f"{USERS}?limit=40&include_removed=true")).json
    assert set(page["page_info"]) == {"next_cursor", "prev_cursor", "has_next_page", "has_prev_page"}
    ada = next(user for user in page["data"] if user["id"] == ADA)
    assert ada["email"] == "ada.lovelace@example.com"
    assert "user" not in ada
    assert ada["role"]["owner"]["type"] == "system"
    assert ada["department"]["location"]["parent"]
    changed = (await april_world.account("PATCH", f"{USERS}/{ADA}", json={"role_id": "rl_planner00000"})).json
    assert changed["role"]["owner"]["account"]["default_billing_address"]["is_drop_ship"] is False
    stations = changed["department"]["scanning_stations"]
    assert isinstance(stations["data"][0]["production_steps"]["data"][0]["consumptions"], list)
    for method, target, body in (("GET", USERS, None), ("PATCH", f"{USERS}/{ADA}", {})):
        response = await april_world.account(method, f"{target}?include[]=role", json=body)
        assert response.json["error"]["message"] == "This endpoint does not support the include parameter."
    assert (await april_world.account("GET", f"{USERS}/{ADA}")).json["role"] is None
    assert (await april_world.account("GET", f"{USERS}/{ADA}?include[]=user")).status == 400
    assert (await april_world.account("GET", f"{USERS}?removed_scope=included")).status == 400
    assert (await april_world.account("GET", "/v1/identity/roles?role_types[]=admin")).status == 200
    preference = {"email": "a@b.cd", "preferences": [{"notification_type_code": "invoice", "enabled": True}]}
    assert (await april_world.account("POST", USERS, json=preference)).status == 201
    assert (await april_world.account("PUT", f"{USERS}/{ADA}/status", json={"status": "removed"})).json == {}
    assert (await april_world.account("PUT", f"{USERS}/{ADA}/status", json={"status": "gone"})).status == 400
    assert (await april_world.account("PUT", f"{USERS}/{ADA}/actions/activate")).status == 404
    current = await april_world.account("GET", USERS, headers={"OpenMRP-Version": "1.0.forge-preview.3"})
    assert current.json["error"]["code"] == "api_version_invalid"


async def test_the_first_preview_on_a_current_server(world):
    """A current server moves the profile for preview.1, and converts nothing else: old names are refused."""
    headers = {"OpenMRP-Version": "1.0.forge-preview.1"}
    page = (await world.account("GET", f"{USERS}?limit=1&include[]=role", headers=headers)).json
    [user] = page["data"]
    assert user["user"] == {
        "id": user["user"]["id"],
        "object": "entity",
        "type": "user",
        "name": user["name"],
        "handle": user["email"],
    }
    assert "next_page_url" in page["page_info"]
    assert (await world.account("GET", f"{USERS}?include_removed=true", headers=headers)).status == 400
    body = {"preferences": [{"notification_type_code": "invoice", "enabled": True}]}
    refused = await world.account("PATCH", f"{USERS}/{ADA}", json=body, headers=headers)
    assert refused.status == 400
    assert (await world.account("PATCH", f"{USERS}/{ADA}", json={"name": "A"}, headers=headers)).json["role"] is None
    assert (await world.account("PUT", f"{USERS}/{ADA}/status", json={}, headers=headers)).status == 404


async def test_inner_records(world):
    """What departments leave out is in the endpoints of locations, stations, machines and steps, if included."""
    base = "/v1/operations"
    department = (await world.account("GET", f"{base}/departments/dp_assembly0000?include=location,machines")).json
    [machine, *_] = department["machines"]["data"]
    section = department["location"]
    assert machine["department"] is section["parent"] is section["children"] is None
    found = (await world.account("GET", f"{base}/locations/{section['id']}?include=parent,children")).json
    assert (found["parent"]["type"], found["parent"]["created_at"]) == ("building", "0001-01-01T00:00:00Z")
    assert [child["type"] for child in found["children"]["data"]] == ["aisle", "aisle"]
    building = (await world.account("GET", f"{base}/locations/{found['parent']['id']}?include=children")).json
    assert section["id"] in {child["id"] for child in building["children"]["data"]}
    whole = (await world.account("GET", f"{base}/machines/{machine['id']}?include=department")).json
    assert whole["department"]["name"] == "Assembly"
    stations = (await world.account("GET", f"{base}/scanning-stations?include=department,production_steps")).json
    short = next(station for station in stations["data"])["production_steps"]["data"][0]
    assert short["labor_rate"] is short["in_steps"] is short["consumptions"] is None
    includes = "production.produced_item,consumptions,machines,scanning_station,in_steps,out_steps,department"
    step = (await world.account("GET", f"{base}/production-steps/{short['id']}?include={includes}")).json
    assert step["production"]["produced_item"]["object"] == "item"
    assert step["consumptions"]["data"][0]["consumed_item"] is None
    assert step["department"]["name"]
    for path in ("locations", "machines", "scanning-stations", "production-steps"):
        assert (await world.account("GET", f"{base}/{path}/xx_nothing")).status == 404
        assert (await world.account("GET", f"{base}/{path}?include=owner")).json["error"]["param"] == "include[]"
        assert (await world.account("GET", f"{base}/{path}?ids=1")).json["error"]["code"] == "parameter_unknown"


async def test_only_the_account_of_the_key_can_be_read(world):
    """The account has addresses, branding and portal where they are included; another one is refused."""
    account = world.sandbox.ACCOUNT_ID
    found = (await world.account("GET", f"/v1/identity/accounts/{account}?include=portal,default_billing_address")).json
    assert (found["portal"]["slug"], found["branding"]) == ("lovelace-looms", None)
    assert found["default_billing_address"]["type"] == "standard"
    assert (await world.account("GET", "/v1/identity/accounts/ac_other")).status == 403


async def test_the_rate_limit_lengthens_the_wait(strict_world):
    """The 21st request in a second is refused before authentication, with a longer wait each time."""
    for remaining in range(19, -1, -1):
        response = await strict_world.account("GET", f"{USERS}/{ADA}")
        assert (response.status, response.headers["RateLimit-Limit"]) == (200, "20")
        assert response.headers["RateLimit-Remaining"] == str(remaining)
    waits = []
    for _ in range(4):
        response = await strict_world.account("GET", USERS, headers={"Authorization": None})
        assert (response.status, response.json["error"]["code"]) == (429, "rate_limit_exceeded")
        assert response.json["error"]["is_transient"] is True
        waits.append(response.headers["Retry-After"])
    assert waits == ["1", "2", "3", "5"]


async def test_curl_gets_indented_json(world):
    """A user agent that starts with curl/ gets indented JSON."""
    response = await world.account("GET", f"{USERS}/{ADA}", headers={"User-Agent": "curl/8.0"})
    assert response.text.startswith('{\n  "')
