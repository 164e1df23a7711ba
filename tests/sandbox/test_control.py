"""The control API, faults, the call log, and starting and stopping a sandbox."""

import asyncio
import gc
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from gateway.sandbox import LANDMARKS, SandboxOptions, SandboxServer

USERS = "/v1/identity/account-users"
ADA = LANDMARKS["account"]["ada"]


async def test_requests_are_logged_as_received(world):
    """The log has raw query, lower-case headers, status and body; requests to the control API are not logged."""
    await world.account("PATCH", f"{USERS}/{ADA}?include[]=user,role", json={"name": "Ä"})
    data = aiohttp.FormData(default_to_multipart=True)
    data.add_field("icon", b"\xff\xfe", filename="a.png", content_type="image/png")
    data.add_field("user", "{}", content_type="application/json")
    await world.softwareone("PUT", "/users/USR-0000-0001", data=data)
    first, second = (await world.control("GET", "/calls")).json
    assert (first["source"], first["method"], first["path"]) == ("account", "PATCH", f"{USERS}/{ADA}")
    assert (first["query"], first["status"]) == ("include[]=user,role", 200)
    assert first["headers"]["openmrp-version"] == "1.0.forge-preview.3"
    assert "Ä" in first["body"].encode().decode("unicode_escape") or "Ä" in first["body"]
    assert second["body"] == [
        {"name": "icon", "filename": "a.png", "contentType": "image/png", "size": 2, "base64": "//4="},
        {"name": "user", "filename": None, "contentType": "application/json", "size": 2, "text": "{}"},
    ]
    assert (await world.control("DELETE", "/calls")).status == 204
    assert (await world.control("GET", "/calls")).json == []


@pytest.mark.parametrize(("source", "shape"), [("account", "error"), ("softwareone", "title"), ("reseller", "message")])
async def test_a_status_fault_has_the_shape_of_its_source(world, source, shape):
    """A planned status is sent once, in the error format of the source, with Retry-After if it was requested."""
    await world.fault(source=source, kind="status", status=503, retryAfter=2)
    client = getattr(world, source)
    target = USERS if source == "account" else "/users"
    response = await client("GET", target)
    assert (response.status, response.headers["Retry-After"]) == (503, "2")
    assert shape in response.json
    assert (await client("GET", target)).status == 200


@pytest.mark.parametrize(("kind", "changed"), [("hangup-before", False), ("hangup-after", True)])
async def test_a_hang_up_is_before_or_after_the_change(world, kind, changed):
    """Both faults close the connection; only with `hangup-after` is the change executed."""
    await world.fault(source="reseller", kind=kind, method="patch", path=f"{LANDMARKS['reseller']['ada']}$")
    target = f"/users/{LANDMARKS['reseller']['ada']}"
    with pytest.raises(aiohttp.ClientConnectionError):
        await world.reseller("PATCH", target, json={"company": "Elsewhere"})
    assert ((await world.reseller("GET", target)).json["company"] == "Elsewhere") is changed
    assert [call["status"] for call in (await world.control("GET", "/calls")).json] == [None, 200]


async def test_unreadable_responses(world):
    """HTML, broken JSON and half a body are sent as often as planned."""
    await world.fault(source="softwareone", kind="html", times=2)
    for _ in range(2):
        response = await world.softwareone("GET", "/users")
        assert (response.status, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    await world.fault(source="softwareone", kind="garbage")
    with pytest.raises(ValueError, match="Unterminated"):
        await world.softwareone("GET", "/users")
    await world.fault(source="softwareone", kind="half-body")
    with pytest.raises(aiohttp.ClientPayloadError):
        await world.softwareone("GET", "/users")
    assert (await world.softwareone("GET", "/users")).status == 200


async def test_responses_of_something_else(world):
    """A page has a planned status, another API responds with its JSON, and a redirect leads where it was planned."""
    await world.fault(source="account", kind="html", status=502)
    response = await world.account("GET", USERS)
    assert (response.status, response.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    await world.fault(source="account", kind="other-api")
    assert (await world.account("GET", USERS)).json["service"] == "inventory"
    await world.fault(source="account", kind="redirect", location="https://elsewhere.example/")
    response = await world.account("GET", USERS)
    assert (response.status, response.headers["Location"]) == (301, "https://elsewhere.example/")


@pytest.mark.parametrize("seconds", [600, -600])
async def test_a_clock_that_is_off(world, seconds):
    """The response is that of the API, with a `Date` that is ahead or behind."""
    await world.fault(source="account", kind="clock", delay=seconds)
    response = await world.account("GET", USERS)
    assert response.status == 200
    dated = parsedate_to_datetime(response.headers["Date"]).timestamp()
    assert abs(dated - time.time() - seconds) < 60


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [("GET", "/v1/identity/roles", "roles:read"), ("PATCH", f"{USERS}/{ADA}", "team:update")],
)
async def test_a_missing_permission(world, method, path, permission):
    """A planned 403 of the account API names the permission of the endpoint, as the real one does."""
    await world.fault(source="account", kind="status", status=403)
    response = await world.account(method, path, json={} if method == "PATCH" else None)
    assert response.json["error"]["message"] == f"This API Key does not have permission to {permission}"


async def test_a_slow_request_does_not_delay_others(world, moved_time):
    """A slow request succeeds after its delay; other requests do not wait for it."""
    await world.fault(source="account", kind="slow", delay=100, path=ADA)
    slow = asyncio.create_task(world.account("GET", f"{USERS}/{ADA}"))
    await world.received(1)
    assert (await world.account("GET", f"{USERS}/{ADA}")).status == 200
    assert not slow.done()
    moved_time.move(100)
    assert (await slow).status == 200


@pytest.mark.parametrize(
    "fault",
    [
        [],
        {},
        {"source": "account"},
        {"source": "account", "kind": "slow", "path": "("},
        {"source": "account", "kind": "slow", "times": 0},
        {"source": "account", "kind": "status", "status": 200},
        {"source": "account", "kind": "slow", "delay": -1},
        {"source": "account", "kind": "slow", "wait": 1},
    ],
)
async def test_invalid_faults_are_refused(world, fault):
    """An invalid fault is a 400 with an explanation, and is not planned."""
    response = await world.control("POST", "/faults", json=fault)
    assert response.status == 400
    assert response.json["error"].endswith(".")
    assert (await world.account("GET", USERS)).status == 200


async def test_faults_can_be_removed_and_people_listed(world):
    """Deleted faults have no effect; landmarks are listed; an unknown user is a 404."""
    await world.fault(source="account", kind="hangup-before", times=9)
    assert (await world.control("DELETE", "/faults")).status == 204
    assert (await world.account("GET", USERS)).status == 200
    assert (await world.control("GET", "/people")).json == LANDMARKS
    for target, status in (("/state/account/users/none", 404), ("/state/none/users/x", 404), ("/x", 404)):
        assert (await world.control("GET", target)).status == status
    assert (await world.control("PUT", "/calls")).status == 405


async def test_apis_alternate_in_time_and_have_common_people(world):
    """Newest first, the users of the three APIs alternate, and some people are in all three."""
    page = (await world.account("GET", f"{USERS}?include=user&removed_scope=included")).json["data"]
    account = {(user["created_at"][:19], "account"): user["user"]["email"] for user in page}
    rows = (await world.softwareone("GET", "/users?limit=100&select=audit")).json["data"]
    softwareone = {(user["audit"]["created"]["at"][:19], "softwareone"): user["email"] for user in rows}
    users = (await world.reseller("GET", "/users?limit=100")).json
    reseller = {(user["createdAt"][:19], "reseller"): user["email"] for user in users}
    newest = sorted(account | softwareone | reseller, reverse=True)[:6]
    assert {source for _, source in newest[:3]} == {"account", "softwareone", "reseller"}
    assert {source for _, source in newest[3:]} == {"account", "softwareone", "reseller"}
    in_all = set(account.values()) & set(softwareone.values()) & set(reseller.values())
    assert "ada.lovelace@example.com" in in_all
    assert len(in_all) >= 3


async def test_a_file_keeps_its_people_and_their_keys(tmp_path):
    """With a data file, changes and idempotency records survive a restart."""
    options = SandboxOptions(data=tmp_path / "sandbox.db")
    headers = {
        "Authorization": f"Bearer {SandboxServer.ACCOUNT_TOKEN}",
        "OpenMRP-Version": "1.0.forge-preview.3",
        "OpenMRP-Account": SandboxServer.ACCOUNT_ID,
        "Idempotency-Key": "k",
    }
    bodies = []
    for _ in range(2):
        async with SandboxServer(options) as sandbox, aiohttp.ClientSession(headers=headers) as session:
            url = f"{sandbox.account_url}{USERS}"
            async with session.post(url, json={"email": "kept@example.com"}) as response:
                assert response.status == 201
                bodies.append(await response.text())
    assert bodies[0] == bodies[1]


async def test_a_file_of_an_earlier_release(tmp_path):
    """A file without the records inside departments gets them at the next start."""
    options = SandboxOptions(data=tmp_path / "sandbox.db")
    async with SandboxServer(options):
        pass
    with closing(sqlite3.connect(tmp_path / "sandbox.db")) as connection, connection:
        connection.execute("DROP TABLE inner_records")
    headers = {
        "Authorization": f"Bearer {SandboxServer.ACCOUNT_TOKEN}",
        "OpenMRP-Version": "1.0.forge-preview.3",
        "OpenMRP-Account": SandboxServer.ACCOUNT_ID,
    }
    async with (
        SandboxServer(options) as sandbox,
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{sandbox.account_url}/v1/operations/locations") as response,
    ):
        assert (await response.json())["data"]


@pytest.mark.parametrize(("users", "seconds"), [(40, 0.5), (10_000, 5)])
async def test_starts_quickly(users, seconds):
    """A sandbox with 40 users starts within half a second of CPU, one with 10,000 within five."""
    gc.collect()  # otherwise what other tests have left may be looked through in this time
    started = time.thread_time()
    async with SandboxServer(SandboxOptions(users=users)):
        assert time.thread_time() - started < seconds


async def test_a_stopped_sandbox_has_no_url():
    """The URLs of a sandbox that is not running raise an error."""
    with pytest.raises(RuntimeError, match="not running"):
        _ = SandboxServer().account_url


async def test_adds_records(world):
    """A record in its JSON form is stored, and has the id that the response names; a wrong one is refused."""
    added = await world.control("POST", "/records", json={"kind": "account_user", "name": "Eve", "role": "Viewer"})
    assert added.status == 201
    stored = await world.account("GET", f"{USERS}/{added.json['id']}?include[]=user")
    assert stored.json["user"]["name"] == "Eve"
    for wrong in (
        {"kind": "account_user", "nmae": "Eve"},
        {"kind": "person"},
        {},
        [],
        {"kind": "account_user", "id": 1},
    ):
        refused = await world.control("POST", "/records", json=wrong)
        assert refused.status == 400
        assert refused.json["error"].startswith("This is no record for the sandbox: ")


async def test_accepts_and_refuses_tokens(world):
    """A token is accepted from then on, or refused."""
    token = {"source": "account", "token": "mrp_sk_test_of_another_caller"}
    as_caller = {"Authorization": f"Bearer {token['token']}"}
    for change, status in (({}, 200), ({"accepted": False}, 401), ({"accepted": True}, 200)):
        assert (await world.control("POST", "/tokens", json=token | change)).status == 204
        assert (await world.account("GET", USERS, headers=as_caller)).status == status
    for wrong in ({"source": "account"}, token | {"source": "webhooks"}, []):
        assert (await world.control("POST", "/tokens", json=wrong)).status == 400


async def test_advances_the_time(world):
    """What is stored from then on has the advanced time, and so has the header `Date`."""
    await world.control("POST", "/clock", json={"advance": 365 * 86_400})
    added = await world.control("POST", "/records", json={"kind": "account_role"})
    role = await world.account("GET", f"/v1/identity/roles/{added.json['id']}")
    assert datetime.fromisoformat(role.json["created_at"]) > datetime.now(UTC) + timedelta(days=364)
    assert parsedate_to_datetime(role.headers["Date"]) > datetime.now(UTC) + timedelta(days=364)
    for wrong in ({"advance": -1}, {"advance": "long"}, {}, [], {"advance": 1e308}, {"advance": 1e12}):
        assert (await world.control("POST", "/clock", json=wrong)).status == 400
    assert (await world.account("GET", USERS)).status == 200
