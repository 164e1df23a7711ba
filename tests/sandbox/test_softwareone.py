"""The softwareone API."""

import aiohttp
import pytest

from gateway.sandbox import LANDMARKS

ADA = f"/users/{LANDMARKS['softwareone']['ada']}"
INVITED = f"/users/{LANDMARKS['softwareone']['invited']}"


@pytest.mark.parametrize(
    ("rql", "names"),
    [
        ("eq(id,'USR-0000-0001')", {"Ada"}),
        ("eq(id,%22USR-0000-0001%22)", {"Ada"}),
        ("eq(id,%27USR-0000-0001%27)", {"Ada"}),
        ("id=USR-0000-0001", {"Ada"}),
        ("email=ada.lovelace@example.com", {"Ada"}),
        ("eq(email,'ada.lovelace%40example.com')", {"Ada"}),
        ("in(id,(USR-0000-0001,'USR-0000-0002'))", {"Ada", "Grace"}),
        ("like(lastName,'Lovel*')", {"Ada"}),
        ("like(lastName,'*lovel*')", set()),
        ("ilike(lastName,'*LOVEL*')", {"Ada"}),
        ("like(lastName,'Lovel')", set()),
        ("like(lastName,*velace)&status=Active", {"Ada"}),
        ("or(eq(firstName,Ada),eq(firstName,Grace))", {"Ada", "Grace"}),
        ("(firstName=Ada|firstName=Grace),status=Active", {"Ada", "Grace"}),
        ("and(like(id,USR-0000-*),not(in(firstName,(Ada,Grace))),ne(phone.number,null()))", {"Alan"}),
        ("like(id,USR-0000-*)&eq(currentAccount.id,null())", {"Katherine", "Barbara"}),
        ("like(id,USR-0000-*)&eq(phone.number,empty())", {"Katherine", "Barbara"}),
        ("like(id,USR-0000-*)&out(firstName,(Ada,Grace,Alan))", {"Katherine", "Barbara"}),
        ("like(id,USR-0000-*)&gt(firstName,B)&le(firstName,Barbara)", {"Barbara"}),
        ("select=audit&lt(audit.created.at,2026-01-01T09:00:00.000Z)", set()),
        ("and(firstName=Ada;lastName=Hopper)", set()),
        ("firstName=Barbara|firstName=Ada&status=Active", {"Ada", "Barbara"}),
        ("status=Blocked&status=Active&like(id,USR-0000-000*)", {"Alan"}),
        ("like(lastName,'*o*e*a*')", set()),
        ("like(lastName,'\\*ovelace')", set()),
        ("like(lastName,'Lovelace\\*')", set()),
        ("ilike(lastName,*)&id=USR-0000-0001", {"Ada"}),
    ],
)
async def test_rql(world, rql, names):
    """Each operator selects the right users, with every kind of quotation marks."""
    response = await world.softwareone("GET", f"/users?limit=100&{rql}")
    assert response.status == 200, response.text
    assert {user["firstName"] for user in response.json["data"]} == names


@pytest.mark.parametrize(
    "query",
    [
        "rql=eq(id,x)",
        "bad(id,x)",
        "eq(nothing,x)",
        "eq(id,'x)",
        "eq(id,'x%27y')",
        "eq(id,'x\\'y')",
        "eq(%20name,x)",
        "name=",
        "eq(id,x",
        "order=-audit.created.at",
        "gt(audit.created.at,2026-01-01)",
        "select=audit&gt(audit.created.at,soon)",
        "select=nothing",
        "eq(revision,99999999999999999999)",
        "limit=-1",
        "offset=x",
        "&".join(["not(" * 200]),
    ],
)
async def test_bad_queries_are_problems(world, query):
    """An invalid query is a 400 with a problem details document."""
    response = await world.softwareone("GET", f"/users?{query}")
    assert response.status == 400
    assert {"type", "title", "status", "detail", "instance", "traceId"} <= set(response.json)


async def test_pages_orders_and_omissions(world):
    """`limit` is capped and returned, and `$meta.omitted` names what was left out, by default or by `select`."""
    first = (await world.softwareone("GET", "/users")).json
    assert first["$meta"] == {"pagination": {"offset": 0, "limit": 10, "total": 40}, "omitted": ["accounts", "audit"]}
    assert len(first["data"]) == 10
    assert (await world.softwareone("GET", "/users?limit=500")).json["$meta"]["pagination"]["limit"] == 100
    assert (await world.softwareone("GET", "/users?limit=0")).json["data"] == []
    page = (await world.softwareone("GET", "/users?order=-audit.created.at&select=-name,+audit&limit=100")).json
    dates = [user["audit"]["created"]["at"] for user in page["data"]]
    assert dates == sorted(dates, reverse=True)
    assert page["$meta"]["omitted"] == ["name", "accounts"]
    assert "name" not in page["data"][0]
    selected = (await world.softwareone("GET", "/users?select=-*,id,name&limit=1")).json["data"][0]
    assert set(selected) == {"id", "name"}


async def test_get_leaves_nulls_out(world):
    """A null field is absent and not listed as omitted; `select` can be percent-encoded."""
    document = (await world.softwareone("GET", f"{INVITED}?select=%2Baudit")).json
    assert "phone" not in document
    assert "lastLoginAt" not in document
    assert document["$meta"] == {"omitted": ["accounts"]}
    assert "$meta" not in (await world.softwareone("GET", f"{INVITED}?select=audit,accounts")).json
    assert document["audit"]["created"]["by"]["id"] == "TKN-0000-0001"
    assert (await world.softwareone("GET", ADA)).json["$meta"] == {"omitted": ["accounts", "audit"]}
    minimal = (await world.softwareone("GET", "/users/ada.lovelace@example.com")).json
    assert set(minimal) == {"id", "email", "status", "audit"}
    missing = await world.softwareone("GET", "/users/USR-0000-0000")
    assert (missing.status, missing.json["title"]) == (404, "Not Found")
    assert (await world.softwareone("GET", ADA, headers={"Authorization": "Bearer no"})).status == 401


def form(user: str | None = None, icon: bytes | None = None, **names: str) -> aiohttp.FormData:
    """Return a body as the client of the vendor makes it: first the icon, then JSON without a file name."""
    data = aiohttp.FormData(default_to_multipart=True)
    if icon is not None:
        data.add_field("icon", icon, filename="logo.png", content_type="image/png")
    if user is not None:
        data.add_field("user", user, content_type="application/json")
    for name, value in names.items():
        data.add_field(name, value)
    return data


async def test_put_is_a_delta(world):
    """Only the fields that are sent change; read-only ones are ignored; nested objects are merged; null clears."""
    changes = '{"FirstName":"Augusta","email":"x@y.zz","status":"Invited","phone":{"prefix":"+44"},"other":1}'
    icon = b"\x89PNG\r\n\x1a\n\r\n--not a boundary\r\n\x00"
    response = await world.softwareone("PUT", ADA, data=form(changes, icon))
    assert response.status == 200, response.text
    document = response.json
    assert (document["name"], document["email"], document["status"]) == (
        "Augusta Lovelace", "ada.lovelace@example.com", "Active",
    )  # fmt: skip
    assert document["phone"] == {"prefix": "+44", "number": "2079460000"}
    assert document["revision"] == 2
    state = (await world.control("GET", "/state/softwareone/users/USR-0000-0001")).json
    assert state["uploaded_icon"] == {"content_type": "image/png", "size": len(icon)}
    cleared = (await world.softwareone("PUT", ADA, json={"phone": None})).json
    assert "phone" not in cleared
    redirect = await world.softwareone("GET", f"{ADA}/icon")
    assert redirect.status == 307
    assert redirect.headers["Location"].startswith("/softwareone/")


@pytest.mark.parametrize(
    ("content", "content_type"), [(b"no picture", "image/png"), (b"GIF89a", "text/plain"), (b"GIF89a", "image/png")]
)
async def test_a_file_that_is_no_picture(world, content, content_type):
    """A file that is not of the type that it states, or whose type is no picture, is refused; nothing is stored."""
    data = aiohttp.FormData()
    data.add_field("icon", content, filename="logo.png", content_type=content_type)
    response = await world.softwareone("PUT", ADA, data=data)
    assert (response.status, list(response.json["errors"])) == (400, ["icon"])
    state = (await world.control("GET", "/state/softwareone/users/USR-0000-0001")).json
    assert state.get("uploaded_icon") is None


async def test_icons(world):
    """Accounts and API tokens have icons at the path of their `icon`, which need the token."""
    user = (await world.softwareone("GET", f"{ADA}?select=audit,accounts")).json
    records = [*user["accounts"], user["audit"]["created"]["by"]]
    assert records[-1]["id"].startswith("TKN-")
    for path in [record["icon"].removeprefix("/v1/accounts") for record in records]:
        response = await world.softwareone("GET", path)
        assert (response.status, response.headers["Content-Type"]) == (200, "image/png")
        assert (await world.softwareone("GET", path, headers={"Authorization": ""})).status == 401


@pytest.mark.parametrize(
    "body",
    [
        {"data": form('{"User.Data.FirstName":"A"}')},
        {"data": form('{"firstName":"A"}', surname="B")},
        {"data": form("no json")},
        {"data": form(" ")},
        {"data": form('{"firstName":""}')},
        {"data": form('{"lastName":null}')},
        {"data": form('{"settings":{"cultureCode":"too-long"}}')},
        {"data": form('{"currentAccount":{"id":"ACC-0000-0003"}}')},
        {"data": b"--x", "headers": {"Content-Type": "multipart/form-data"}},
        {"data": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"json": [1]},
        {"json": {"firstName": 5}},
    ],
)
async def test_put_refuses(world, body):
    """An invalid body is a 400 and changes nothing."""
    response = await world.softwareone("PUT", ADA, **body)
    assert (response.status, response.json["status"]) == (400, 400)
    assert (await world.softwareone("GET", ADA)).json["revision"] == 1


async def test_put_of_other_media_is_415_and_accounts_can_be_switched(world):
    """PUT refuses plain text; an account with a membership can become the current account."""
    assert (await world.softwareone("PUT", ADA, data="x", headers={"Content-Type": "text/plain"})).status == 415
    response = await world.softwareone("PUT", ADA, json={"currentAccount": {"id": "ACC-0000-0002"}})
    assert response.json["currentAccount"]["name"] == "Nordic Yarn"


async def test_put_leaves_out_what_is_omitted_by_default(world):
    """The response to a change has no `audit` and no `accounts`, and says so; `select` has no effect."""
    response = await world.softwareone("PUT", f"{ADA}?select=audit,accounts", json={"firstName": "A"})
    assert response.json["$meta"] == {"omitted": ["accounts", "audit"]}
    assert not {"accounts", "audit"} & response.json.keys()


async def test_a_raw_plus_is_a_space(world):
    """As in any form, a raw plus in the query is a space; an encoded one is a plus."""
    for encoded, count in (("Ada+Lovelace", 1), ("Ada%20Lovelace", 1), ("Ada%2BLovelace", 0)):
        response = await world.softwareone("GET", f"/users?eq(name,'{encoded}')&like(id,USR-0000-000*)")
        assert len(response.json["data"]) == count


async def test_passwords_and_sign_on(world):
    """A password must not be empty; the check of the sign-on has an empty object."""
    assert (await world.softwareone("POST", f"{ADA}/set-password", json={"password": "x"})).json["firstName"] == "Ada"
    for body in ({}, {"password": ""}, {"password": None}, []):
        assert (await world.softwareone("POST", f"{ADA}/set-password", json=body)).status == 400
    for method in ("GET", "POST"):
        assert (await world.softwareone(method, f"{ADA}/sso-check")).json == {}
        assert (await world.softwareone(method, "/users/USR-0000-0000/sso-check")).status == 404


async def test_block_unblock_delete(world):
    """Unblock restores the status from the memberships; only a disabled user can be deleted."""
    assert (await world.softwareone("POST", f"{ADA}/block")).json["status"] == "Blocked"
    assert (await world.softwareone("POST", f"{ADA}/block")).status == 400
    assert (await world.softwareone("POST", f"{ADA}/unblock")).json["status"] == "Active"
    assert (await world.softwareone("POST", f"{ADA}/unblock")).status == 400
    assert (await world.softwareone("DELETE", ADA)).status == 400
    gone = f"/users/{LANDMARKS['softwareone']['disabled']}"
    assert (await world.softwareone("DELETE", gone)).status == 204
    assert (await world.softwareone("GET", gone)).json["status"] == "Deleted"
    assert (await world.softwareone("PATCH", ADA)).status == 405


async def test_users_can_be_ordered_by_their_last_change(world):
    """Users can be ordered and filtered by the time of their last change, as polling needs it."""
    newest = (await world.softwareone("GET", "/users?select=audit&order=-audit.updated.at&limit=1")).json["data"][0]
    since = newest["audit"]["updated"]["at"]
    for user in (INVITED, ADA):
        await world.softwareone("PUT", user, json={"phone": None})
    query = f"select=audit&order=-audit.updated.at&gt(audit.updated.at,{since})"
    changed = (await world.softwareone("GET", f"/users?{query}")).json["data"]
    assert [f"/users/{user['id']}" for user in changed] == [ADA, INVITED]
