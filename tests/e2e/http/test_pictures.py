"""Pictures of users, loaded as a browser loads them: by their URL alone, without a header."""

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientResponse, FormData
from e2e.held_source import HeldSource

from gateway.api.pictures import PictureLinks
from gateway.callers.api_keys import new_api_key
from gateway.principal import scopes
from gateway.users.model import User, UserSource

ACCOUNT = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { imageUrl } }'
MARKETPLACE = '{ user(id: "USR-0000-0001", source: SOFTWAREONE) { imageUrl } }'
UPLOAD = """mutation($id: ID!, $input: UpdateSoftwareOneUserInput!) {
  updateSoftwareOneUser(id: $id, input: $input) { imageUrl }
}"""
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 50
FAILURE = b"The picture cannot be loaded from its source now."


async def url_of(world: Any, query: str = ACCOUNT, **headers: str) -> str:
    """The URL of the picture of one user."""
    return str((await world.data(query, **headers))["user"]["imageUrl"])


async def within_an_hour() -> None:
    """Wait until the next full hour, if it is less than a minute away: the URLs of all pictures change then."""
    left = 3600 - time.time() % 3600
    if left < 60:
        await asyncio.sleep(left + 1)  # a second more: the clock of the event loop is another one


async def load(world: Any, url: str, **headers: str) -> tuple[ClientResponse, bytes]:
    """Load a picture; the session of the test has no credential and no cookie."""
    async with world.session.get(url, headers=headers) as response:
        return response, await response.read()


async def upload(world: Any, content: bytes) -> str:
    """Replace the icon, and return the URL of the new one."""
    form = FormData()
    variables = {"id": "USR-0000-0001", "input": {"icon": None}}
    form.add_field("operations", json.dumps({"query": UPLOAD, "variables": variables}))
    form.add_field("map", json.dumps({"0": ["variables.input.icon"]}))
    form.add_field("0", content, filename="ada.png", content_type="image/png")
    async with world.session.post(
        f"{world.url}/graphql", data=form, headers={"GraphQL-Require-Preflight": "1"}
    ) as response:
        answer = await response.json()
    assert "errors" not in answer
    return str(answer["data"]["updateSoftwareOneUser"]["imageUrl"])


async def test_a_picture(world: Any) -> None:
    """A picture of the account source, which wants a token for it, is served without one, with a fixed type."""
    url = await url_of(world)
    assert url.startswith(f"{world.url}/images/")
    response, content = await load(world, url)
    assert response.status == 200
    assert content.startswith(b"\x89PNG")
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert response.headers["Cache-Control"] == "private, max-age=300"
    assert "Content-Disposition" not in response.headers


async def test_an_svg(world: Any) -> None:
    """The generated icons of the Marketplace are SVGs: an `<img>` shows them, but a browser does not open them."""
    response, content = await load(world, await url_of(world, MARKETPLACE))
    assert content.startswith(b"<svg")
    assert response.headers["Content-Type"] == "image/svg+xml"
    assert response.headers["Content-Disposition"].startswith("attachment")


async def test_all_pictures_of_a_user(world: Any) -> None:
    """The accounts of a user, and those who created and changed it, have pictures too."""
    fields = "accounts { imageUrl } currentAccount { imageUrl } createdBy { imageUrl } updatedBy { imageUrl }"
    user = (await world.data(f'{{ user(id: "USR-0000-0001", source: SOFTWAREONE) {{ {fields} }} }}'))["user"]
    records = [*user["accounts"], user["currentAccount"], user["createdBy"], user["updatedBy"]]
    for url in {record["imageUrl"] for record in records}:
        assert (await load(world, url))[0].status == 200


async def test_it_is_the_same_for_a_while(world: Any) -> None:
    """The URL stays the same, and a browser that has the picture gets 304."""
    await within_an_hour()
    url = await url_of(world)
    assert await url_of(world) == url
    response, _ = await load(world, url)
    tag = response.headers["ETag"]
    for sent in (tag, f'"other", W/{tag}', "*"):
        response, content = await load(world, url, **{"If-None-Match": sent})
        assert (response.status, content, response.headers["ETag"]) == (304, b"", tag)
    assert (await load(world, url, **{"If-None-Match": '"other"'}))[0].status == 200


async def test_head(world: Any) -> None:
    """HEAD has the headers and no body; other methods are refused."""
    url = await url_of(world)
    async with world.session.head(url) as response:
        assert (response.status, response.headers["Content-Type"], await response.read()) == (200, "image/png", b"")
    async with world.session.post(url) as response:
        assert response.status == 405


async def test_few_calls(fresh: Any) -> None:
    """A picture that several load at once is fetched once, and then kept; a new URL takes no call."""
    world = await fresh()
    url = await url_of(world)
    await world.forget()
    loaded = await asyncio.gather(*(load(world, url) for _ in range(5)))
    assert len({content for _, content in loaded}) == 1
    await load(world, url)
    [call] = await world.calls()
    assert (call["path"], call["headers"]["accept"]) == ("/v1/files/us_adalovelace1.png", "image/*")


async def test_a_slow_picture(fresh: Any) -> None:
    """A picture that its source sends slowly does not keep others waiting, however often it is requested."""
    held = HeldSource("/users/USR-0000-0001/icon")
    world = await fresh(held={"softwareone": held}, timeout=60)
    slow = await url_of(world, MARKETPLACE)
    other = await url_of(world, MARKETPLACE.replace("0001", "0002"))
    await world.forget()
    loads = [asyncio.create_task(load(world, slow)) for _ in range(20)]
    while not await world.calls("softwareone"):  # noqa: ASYNC110 - the sandbox is asked over HTTP
        await asyncio.sleep(0.01)
    assert (await load(world, other))[0].status == 200
    assert not any(task.done() for task in loads)
    held.release()
    assert {response.status for response, _ in await asyncio.gather(*loads)} == {200}


async def test_after_an_upload(fresh: Any) -> None:
    """After an icon was uploaded its URL is another one, which shows the new icon; so does that of a later read."""
    world = await fresh()
    await within_an_hour()
    before = await url_of(world, MARKETPLACE)
    assert (await load(world, before))[1].startswith(b"<svg")
    after = await upload(world, PNG)
    assert after != before
    response, content = await load(world, after)
    assert (response.headers["Content-Type"], content) == ("image/png", PNG)
    assert await url_of(world, MARKETPLACE) == after
    second = await upload(world, PNG + b"2")
    assert (await load(world, second))[1] == PNG + b"2"


@pytest.mark.parametrize("path", ["/images/", "/images/x", "/images/a/b", "/images/..%2f..%2fgraphql", "/images/%00"])
async def test_no_url_of_the_gateway(world: Any, path: str) -> None:
    """A path that the gateway has not made is 404, without a call to a source."""
    await world.forget()
    response, content = await load(world, world.url + path)
    assert response.status == 404
    assert "image" not in response.headers["Content-Type"]
    assert b"users" not in content
    assert await world.calls() == []


async def test_an_altered_url(world: Any) -> None:
    """A URL in which one character was altered is 404, without a call to a source."""
    url = await url_of(world)
    await world.forget()
    for position in (-1, -20, -60):
        letter = "A" if url[position] != "A" else "B"
        altered = url[:position] + letter + (url[position + 1 :] if position != -1 else "")
        response, content = await load(world, altered)
        assert (response.status, response.headers["Cache-Control"]) == (404, "no-store")
        assert content == b"There is no such picture: the URL was not made by this gateway."
    assert await world.calls() == []


async def test_an_expired_url(fresh: Any) -> None:
    """An expired URL is 403 and states what to do, without a call to a source."""
    secret = "a secret of the replicas"
    world = await fresh(pictures={"secret": secret})
    store: Any = SimpleNamespace(locate=lambda address: address)
    ada = User(UserSource.ACCOUNT, "acus_adalovelace1", image_url="v1/files/us_adalovelace1.png")

    def path(age: float) -> str | None:
        stores = {UserSource.ACCOUNT: store}
        return PictureLinks(secret.encode(), stores, lifetime=7200, clock=lambda: time.time() - age).url(ada)

    assert (await load(world, f"{world.url}{path(0)}"))[0].status == 200
    await world.forget()
    response, content = await load(world, f"{world.url}{path(7200)}")
    assert (response.status, response.headers["Cache-Control"]) == (403, "no-store")
    assert b"Read the user again" in content
    assert await world.calls() == []


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"kind": "status", "status": 503, "retryAfter": 3}, 503),
        ({"kind": "status", "status": 429, "retryAfter": 3}, 503),
        ({"kind": "status", "status": 401}, 502),
        ({"kind": "html"}, 502),
        ({"kind": "garbage"}, 502),
        ({"kind": "hangup-before"}, 503),
        ({"kind": "half-body"}, 503),
    ],
)
async def test_a_failing_source(fresh: Any, fault: dict[str, Any], status: int) -> None:
    """A failure of the source has a status and no details; a page that is no picture is not passed on."""
    world = await fresh(max_attempts=1)
    url = await url_of(world)
    await world.fault(source="account", path="/v1/files/us_adalovelace1.png", times=5, **fault)
    response, content = await load(world, url)
    assert (response.status, content) == (status, FAILURE)
    assert response.headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in response.headers) == ("retryAfter" in fault)
    await world.forget()
    assert (await load(world, url))[0].status == 200  # nothing of it was kept


async def test_failing_pictures_do_not_affect_users(fresh: Any) -> None:
    """However many pictures fail, the circuit of the source stays closed for its users."""
    world = await fresh()
    await within_an_hour()
    url = await url_of(world)
    await world.fault(source="account", path="/v1/files/us_adalovelace1.png", kind="status", status=500, times=1000)
    for _ in range(30):
        assert (await load(world, url))[0].status == 503
    assert await url_of(world) == url


async def test_no_picture(fresh: Any) -> None:
    """A user without a picture has no URL, and a picture that is gone is 404."""
    world = await fresh()
    query = '{ user(id: "acus_gracehopper1", source: ACCOUNT) { imageUrl } }'
    assert (await world.data(query))["user"]["imageUrl"] is None
    url = await url_of(world, MARKETPLACE)
    await world.fault(
        source="softwareone", path="/public/v1/accounts/users/USR-0000-0001/icon", kind="status", status=404
    )
    response, content = await load(world, url)
    assert (response.status, content) == (404, b"The user has no picture any more.")


async def test_a_large_picture(fresh: Any) -> None:
    """A picture above the limit is not served."""
    world = await fresh(pictures={"max_bytes": 1024})
    url = await upload(world, PNG + b"x" * 1024)
    response, content = await load(world, url)
    assert (response.status, content) == (502, FAILURE)


@pytest.mark.parametrize(
    ("headers", "begin"),
    [
        ({"Host": "users.example:8443"}, "http://users.example:8443/images/"),
        ({"Host": "users.example", "X-Forwarded-Proto": "https"}, "https://users.example/images/"),
        ({"Host": "users.example", "X-Forwarded-Proto": "https, http"}, "https://users.example/images/"),
        ({"Host": "users.example", "X-Forwarded-Proto": "javascript"}, "http://users.example/images/"),
        ({"Host": 'evil.example/"><script>'}, "/images/"),
        ({"Host": "user:password@evil.example"}, "/images/"),
    ],
)
async def test_the_base_of_the_url(world: Any, headers: dict[str, str], begin: str) -> None:
    """The URL begins with the address that the client uses, if that is a host and perhaps a port; else it is a path."""
    assert (await url_of(world, **headers)).startswith(begin)


async def test_a_public_url(fresh: Any) -> None:
    """A configured public URL is used, whatever the client states."""
    world = await fresh(public_url="https://api.example/users/")
    url = await url_of(world, Host="evil.example")
    assert url.startswith("https://api.example/users/images/")
    assert (await load(world, world.url + urlsplit(url).path.removeprefix("/users")))[0].status == 200


async def test_pages_of_other_sites(fresh: Any) -> None:
    """Pages of other sites may show pictures, also with `crossorigin`, if any origin is allowed."""
    closed = await fresh()
    response, _ = await load(closed, await url_of(closed))
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-site"
    world = await fresh(cors_origins=("https://app.example",))
    response, _ = await load(world, await url_of(world), Origin="https://app.example")
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Origin" in response.headers["Vary"]


async def test_whoever_may_read_the_user(fresh: Any, tmp_path: Any) -> None:
    """Only a caller that may read a user gets the URL of its picture; the URL then needs no credential."""
    key, entry = new_api_key("reader", {"users:read:account"}, scopes(UserSource))
    (tmp_path / "keys.toml").write_text(entry.to_toml())
    world = await fresh(auth={"mode": "api_key", "keys_file": tmp_path / "keys.toml"})
    refused = await world.graphql(MARKETPLACE, **{"X-API-Key": key})
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert "images" not in json.dumps(refused)
    assert (await load(world, await url_of(world, **{"X-API-Key": key})))[0].status == 200


async def test_forwarded_credentials(fresh: Any) -> None:
    """Where a source is called with the caller's credential, its pictures are too: an `<img>` cannot load them."""
    token = {"X-Source": "Bearer mrp_sk_test_sandbox0sandbox0sandbox0"}
    world = await fresh(credentials="forward", forward_headers="x-source=authorization")
    url = await url_of(world, **token)
    response, content = await load(world, url)
    assert (response.status, response.headers["Cache-Control"]) == (401, "no-store")
    assert b"x-source" in content
    assert (await load(world, url, **{"X-Source": "Bearer wrong"}))[0].status == 502
    response, content = await load(world, url, **token)
    assert (response.status, response.headers["Cache-Control"]) == (200, "no-store")
    assert (await load(world, url))[0].status == 401  # what one caller has loaded is not shown to another one
