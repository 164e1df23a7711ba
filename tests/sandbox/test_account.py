"""The account system in its current form."""

import base64

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
        ("GET", USERS, {"OpenMRP-Account": None}, (401, "invalid_credentials")),
        ("GET", USERS, {"OpenMRP-Account": "ac_other"}, (403, "insufficient_permissions")),
    ],
)
async def test_checks_come_in_the_order_of_the_real_server(world, method, target, headers, expected):
    """Routing is checked before the key, the key before the version, the version before the account."""
    reply = await world.account(method, target, headers=headers)
    assert (reply.status, reply.json["error"]["code"]) == expected
    assert set(reply.json["error"]) == {
        "code", "type", "message", "param", "doc_url", "is_transient", "quota", "request_log_url",
    }  # fmt: skip
    assert reply.headers["Request-ID"].startswith("rq_")
    assert (reply.headers.get("WWW-Authenticate") == "Bearer") is (reply.status == 401)


async def test_basic_credentials_and_the_old_header_names_work(world):
    """Basic with an empty password and the Augno prefix are as good as Bearer and OpenMRP."""
    basic = base64.b64encode(f"{ACCOUNT_TOKEN}:".encode()).decode()
    reply = await world.account(
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
    assert reply.status == 200
    assert reply.headers["Augno-Version"] == "1.0.forge-preview.2"


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
    """Every spelling expands the same; what is not included is null."""
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
        ("cursor=bm8.bm8", "parameter_invalid", "cursor"),
        ("q=" + "x" * 501, "parameter_invalid", "q"),
    ],
)
async def test_list_refuses_what_it_does_not_know(world, query, code, param):
    """A wrong or unknown query parameter is a 400 that names it."""
    reply = await world.account("GET", f"{USERS}?{query}")
    assert (reply.status, reply.json["error"]["code"], reply.json["error"]["param"]) == (400, code, param)


async def test_pages_can_be_walked_forwards_and_back(world):
    """The page URLs lead through everybody once, newest first, and back again."""
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
    """Search looks at name, e-mail and username; removed people appear only when asked for."""
    found = (await world.account("GET", f"{USERS}?q=LOVELACE")).json["data"]
    assert [user["id"] for user in found] == [ADA]
    scanners = (await world.account("GET", f"{USERS}?role_type=scanner&include=role")).json["data"]
    assert scanners
    assert {user["role"]["type"] for user in scanners} == {"scanner"}
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
    reply = await world.account("POST", USERS, json=body)
    error = reply.json["error"]
    assert (reply.status, error["code"], error["param"]) == (status, code, param)


async def test_create_links_restores_and_makes_scanners(world):
    """Create makes new people, links known ones, restores removed ones and gives scanners their role."""
    new = await world.account("POST", f"{USERS}?include[]=user", json={"email": "new@example.com", "name": "New"})
    assert new.status == 201
    assert new.headers["Location"] == f"{USERS}/{new.json['id']}"
    linked = await world.account("POST", f"{USERS}?include=user", json={"email": "margaret.hamilton@example.com"})
    assert linked.json["user"]["id"] == "us_unlinkeduser"
    assert linked.json["user"]["name"] == "Margaret Hamilton"
    restored = await world.account("POST", USERS, json={"email": "rosalind.franklin@example.com"})
    assert restored.json["id"] == LANDMARKS["account"]["removed"]
    assert restored.json["status"] == "active"
    kept = await world.account("GET", f"{USERS}/{restored.json['id']}?include=role")
    assert kept.json["role"]["id"] == "rl_planner00000"
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
    reply = await world.account("PATCH", f"{USERS}/{ADA}", json=body)
    error = reply.json["error"]
    assert (reply.status, error["code"], error["param"]) == (status, code, param)
    assert (await world.control("GET", f"/state/account/users/{ADA}")).json == before


async def test_update_clears_with_null_and_keeps_what_is_absent(world):
    """Null clears role and department, absent fields stay, and updated_at moves even for an empty body."""
    target = f"{USERS}/{ADA}?include=user,role,department"
    first = (await world.account("PATCH", target, json={"role_id": None})).json
    assert first["role"] is None
    assert first["department"]["name"] == "Assembly"
    assert first["user"]["name"] == "Ada Lovelace"
    second = (await world.account("PATCH", target, json={})).json
    assert second["updated_at"] > first["updated_at"]
    renamed = (await world.account("PATCH", target, json={"name": "Augusta"})).json
    assert renamed["user"]["name"] == "Augusta"
    sales = (await world.account("PATCH", target, json={"role_id": "rl_fieldsales00"})).json
    assert sales["role"]["id"] == "rl_salesrep0000"
    assert sales["is_commission_eligible"] is True


async def test_status_actions(world):
    """Actions are idempotent, answer an empty object, and protect admins and the removed."""
    plain, removed = LANDMARKS["account"]["plain"], LANDMARKS["account"]["removed"]
    for action, status in (
        ("disable", "disabled"),
        ("disable", "disabled"),
        ("activate", "active"),
        ("remove", "removed"),
    ):
        reply = await world.account("PUT", f"{USERS}/{plain}/actions/{action}")
        assert (reply.status, reply.json) == (200, {})
        assert (await world.account("GET", f"{USERS}/{plain}")).json["status"] == status
    for key in (ADA, removed):
        assert (await world.account("PUT", f"{USERS}/{key}/actions/disable")).status == 400
    assert (await world.account("PUT", f"{USERS}/acus_nobody/actions/remove")).status == 404
    assert (await world.account("PUT", f"{USERS}/{plain}/actions/activate?include=role")).status == 400


async def test_roles_and_departments(world):
    """Both are listed newest first and expand what they allow; a role without permissions says null."""
    roles = (await world.account("GET", "/v1/identity/roles?include=owner.account,permissions")).json["data"]
    assert len(roles) >= 8
    by_name = {role["name"]: role for role in roles}
    assert by_name["Newcomer"]["permissions"] is None
    assert by_name["Newcomer"]["owner"]["account"]["default_billing_address"]["type"] == "standard"
    assert by_name["Admin"]["owner"] == {"object": "owner", "type": "system", "account": None}
    only = (await world.account("GET", "/v1/identity/roles?types[]=scanner,agent")).json["data"]
    assert {role["type"] for role in only} == {"scanner", "agent"}
    departments = (
        await world.account("GET", "/v1/operations/departments?include=location,machines,scanning_stations")
    ).json["data"]
    assert len(departments) >= 12
    station = next(item for d in departments for item in d["scanning_stations"]["data"])
    assert station["operator_requirement"] in {"none", "material_check"}
    assert station["production_steps"]["data"][0]["consumptions"]["object"] == "list"
    assert departments[0]["location"]["parent"]["type"] == "building"
    assert departments[0]["location"]["children"]["data"]


async def test_roles_can_be_made_changed_and_deleted(world):
    """A created role is of type user; system roles and roles in use stay; a deleted one is gone."""
    made = await world.account("POST", "/v1/identity/roles", json={"name": "Tester", "permissions": []})
    assert (made.status, made.json["type"]) == (201, "user")
    target = f"/v1/identity/roles/{made.json['id']}"
    changed = await world.account("PATCH", f"{target}?include=permissions", json={"permissions": ["x:read"]})
    assert changed.json["permissions"] == ["x:read"]
    assert (await world.account("POST", "/v1/identity/roles", json={"name": "Tester"})).status == 409
    assert (await world.account("PATCH", target, json={"permissions": ["x:fly"]})).status == 400
    assert (await world.account("DELETE", "/v1/identity/roles/rl_admin0000000")).status == 400
    assert (await world.account("DELETE", "/v1/identity/roles/rl_newcomer0000")).status == 409
    assert (await world.account("DELETE", target)).json == {}
    assert (await world.account("DELETE", target)).status == 410


async def test_april_speaks_its_own_form(world):
    """Preview.1 has flat profiles, plain cursors, and PATCH and list that expand by themselves."""
    page = (await world.april("GET", f"{USERS}?limit=40&include_removed=true")).json
    assert set(page["page_info"]) == {"next_cursor", "prev_cursor", "has_next_page", "has_prev_page"}
    ada = next(user for user in page["data"] if user["id"] == ADA)
    assert ada["email"] == "ada.lovelace@example.com"
    assert "user" not in ada
    assert ada["role"]["owner"]["type"] == "system"
    assert ada["department"]["location"]["parent"]
    changed = (await world.april("PATCH", f"{USERS}/{ADA}", json={"role_id": "rl_planner00000"})).json
    assert changed["role"]["owner"]["account"]["default_billing_address"]["is_drop_ship"] is False
    stations = changed["department"]["scanning_stations"]
    assert isinstance(stations["data"][0]["production_steps"]["data"][0]["consumptions"], list)
    for method, target, body in (("GET", USERS, None), ("PATCH", f"{USERS}/{ADA}", {})):
        reply = await world.april(method, f"{target}?include[]=role", json=body)
        assert reply.json["error"]["message"] == "This endpoint does not support the include parameter."
    assert (await world.april("GET", f"{USERS}/{ADA}")).json["role"] is None
    assert (await world.april("GET", f"{USERS}/{ADA}?include[]=user")).status == 400
    assert (await world.april("GET", f"{USERS}?removed_scope=included")).status == 400
    assert (await world.april("GET", "/v1/identity/roles?role_types[]=admin")).status == 200
    preference = {"email": "a@b.cd", "preferences": [{"notification_type_code": "invoice", "enabled": True}]}
    assert (await world.april("POST", USERS, json=preference)).status == 201
    assert (await world.april("PUT", f"{USERS}/{ADA}/status", json={"status": "removed"})).json == {}
    assert (await world.april("PUT", f"{USERS}/{ADA}/status", json={"status": "gone"})).status == 400


async def test_the_rate_limit_lengthens_the_wait(strict_world):
    """The 21st call in a second is refused before its credentials are looked at, longer each time."""
    for left in range(19, -1, -1):
        reply = await strict_world.account("GET", f"{USERS}/{ADA}")
        assert (reply.status, reply.headers["RateLimit-Limit"]) == (200, "20")
        assert int(reply.headers["RateLimit-Remaining"]) >= left
    waits = []
    for _ in range(4):
        reply = await strict_world.account("GET", USERS, headers={"Authorization": None})
        assert (reply.status, reply.json["error"]["code"]) == (429, "rate_limit_exceeded")
        assert reply.json["error"]["is_transient"] is True
        waits.append(reply.headers["Retry-After"])
    assert waits == ["1", "2", "3", "5"]


async def test_curl_gets_indented_json(world):
    """A user agent that starts with curl/ gets JSON for reading."""
    reply = await world.account("GET", f"{USERS}/{ADA}", headers={"User-Agent": "curl/8.0"})
    assert reply.text.startswith('{\n  "')
