"""Media types, methods and statuses."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from aiohttp import ClientSession
from e2e.held_source import HeldSource
from yarl import URL

TYPENAME = {"query": "{ __typename }"}
RESPONSE = "application/graphql-response+json"
PARTIAL = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } role(id: "") { name } }'


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    """An HTTP client."""
    async with ClientSession() as session:
        yield session


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (RESPONSE, RESPONSE),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        (f"{RESPONSE}, application/json;q=0.9", RESPONSE),
        (f"{RESPONSE};q=0.1, application/json", "application/json"),
        (f"text/html, {RESPONSE}", RESPONSE),
        ("application/json;q=0, */*", RESPONSE),
        ("*/*, application/json;q=0.0", RESPONSE),
        ("application/json;q=0, application/*;q=0.1, image/png", RESPONSE),
        ("application/*;q=0, application/json", "application/json"),
    ],
)
async def test_the_media_type_of_the_response(
    session: ClientSession, gateway_url: str, accept: str, media_type: str
) -> None:
    """The response has the media type that the client's Accept prefers."""
    async with session.post(f"{gateway_url}/graphql", json=TYPENAME, headers={"Accept": accept}) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, f"{media_type}; charset=utf-8")
        assert "Accept" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "accept",
    [
        "image/png",
        "multipart/mixed;deferSpec=20200101",
        "application/json;q=0",
        f"application/json;q=0, {RESPONSE};q=0, */*",
        "application/*;q=0, */*",
    ],
)
async def test_media_types_that_are_not_supported(session: ClientSession, gateway_url: str, accept: str) -> None:
    """A client that accepts none of the supported media types gets a 406 that names them."""
    async with session.post(f"{gateway_url}/graphql", json=TYPENAME, headers={"Accept": accept}) as answer:
        assert answer.status == 406
        text = await answer.text()
    formats = ("incrementalSpec=v0.2", "deferSpec=20220824", "subscriptionSpec=1.0")
    assert all(each in text for each in (RESPONSE, *formats))


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_other_methods(session: ClientSession, gateway_url: str, method: str) -> None:
    """A method that is not supported is a 405 that names the supported ones."""
    async with session.request(method, f"{gateway_url}/healthz", json=TYPENAME) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")
    async with session.request("PATCH", f"{gateway_url}/graphql", json=TYPENAME) as answer:
        assert answer.status == 405
        assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/graphql", None])
async def test_other_media_types(session: ClientSession, gateway_url: str, kind: str | None) -> None:
    """A media type that cannot contain a request is a 415, whatever the body is."""
    skip = ["Content-Type"] if kind is None else None
    headers = {} if kind is None else {"Content-Type": kind}
    body = b'{"query": "{ __typename }"}'
    async with session.post(f"{gateway_url}/graphql", data=body, headers=headers, skip_auto_headers=skip) as answer:
        assert answer.status == 415


async def test_another_charset(session: ClientSession, gateway_url: str) -> None:
    """JSON in anything but UTF-8 is a 415."""
    headers = {"Content-Type": "application/json; charset=utf-16"}
    async with session.post(f"{gateway_url}/graphql", data=b"{}", headers=headers) as answer:
        assert answer.status == 415


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upgrade_to_http2(gateway_url: str, method: str) -> None:
    """Requests that ask to upgrade to HTTP/2, as Java's client sends them, get normal responses, on one connection."""
    upgrade = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABk"}
    headers = {"Content-Type": "application/json", "GraphQL-Require-Preflight": "1"}
    target, body = f"/graphql?{urlencode(TYPENAME)}" if method == "GET" else "/graphql", json.dumps(TYPENAME)
    with closing(HTTPConnection(urlsplit(gateway_url).netloc, timeout=30)) as connection:
        connection.connect()
        connection.auto_open = 0  # one that is closed stays closed
        for extra in (upgrade, upgrade, {}):
            connection.request(method, target, None if method == "GET" else body, headers | extra)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b'{"data":{"__typename":"Query"}}')


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_too_many_parameters(session: ClientSession, gateway_url: str, accept: str) -> None:
    """More than a hundred parameters are a 400, also if one of them is the token of an event stream."""
    many = "&".join(f"a{number}=" for number in range(100))
    for method in ("GET", "POST", "DELETE"):
        url = URL(f"{gateway_url}/graphql?token=x&{many}", encoded=True)
        async with session.request(method, url, headers={"Accept": accept}) as answer:
            assert answer.status == 400
            [error] = (await answer.json())["errors"]
        assert (error["extensions"]["code"], "too many" in error["message"]) == ("BAD_USER_INPUT", True)


async def test_head(session: ClientSession, gateway_url: str) -> None:
    """The response to HEAD is that to GET without the body."""
    async with session.head(f"{gateway_url}/healthz") as answer:
        assert (answer.status, await answer.read()) == (200, b"")


DRAFT = [
    ({"query": "{ __typename"}, 400),
    ({"query": "{ nothing }"}, 422),
    ({"query": "query ($a: Int!) { __typename }", "variables": {"a": "x"}}, 422),
    ({"query": "query A { __typename } query B { __typename }"}, 422),
    ({"query": 1}, 422),
    ({}, 422),
    ({"query": "{ __typename }"}, 200),
]


@pytest.mark.parametrize(("sent", "status"), DRAFT)
async def test_the_drafts_statuses(fresh: Any, sent: Any, status: int) -> None:
    """In the profile `draft` a request that can be parsed and is invalid is a 422, for both media types."""
    world = await fresh(status_profile="draft")
    for media_type in (RESPONSE, "application/json"):
        async with world.session.post(f"{world.url}/graphql", json=sent, headers={"Accept": media_type}) as answer:
            assert answer.status == status


async def test_the_drafts_status_of_partial_data(fresh: Any) -> None:
    """In the profile `draft` data with errors is a 294 for GraphQL's media type, and a 200 for JSON."""
    world = await fresh(status_profile="draft")
    for media_type, status in ((RESPONSE, 294), ("application/json", 200)):
        sent = {"query": PARTIAL}
        async with world.session.post(f"{world.url}/graphql", json=sent, headers={"Accept": media_type}) as answer:
            body = await answer.json(content_type=None)
            assert body["data"]["user"]
            assert body["errors"]
            assert answer.status == status


FORMATS = [
    ("multipart/mixed", "incrementalSpec=v0.2"),
    ('multipart/mixed; boundary="-", application/json;q=0.5', "incrementalSpec=v0.2"),
    ("multipart/mixed;incrementalSpec=v0.2, application/json;q=0.9", "incrementalSpec=v0.2"),
    ("application/graphql-response+json, application/json, text/event-stream, multipart/mixed", "incrementalSpec=v0.2"),
    ("multipart/mixed;deferSpec=20220824, application/graphql-response+json", "deferSpec=20220824"),
    ('multipart/mixed; boundary="graphql"; deferSpec="20220824", application/json', "deferSpec=20220824"),
    ('multipart/mixed; boundary="a,b;c"; deferSpec=20220824, application/json', "deferSpec=20220824"),
    ("; , multipart/mixed;deferSpec=20220824;q=0.1, multipart/mixed;incrementalSpec=v0.2", "incrementalSpec=v0.2"),
    ("multipart/mixed;deferSpec=20990101, application/json", None),
    ("multipart/mixed;incrementalSpec=v9, application/json", None),
    ("multipart/mixed;boundary=graphql;subscriptionSpec=1.0, application/json", None),
    ("multipart/mixed;q=0, application/json", None),
]


@pytest.mark.parametrize(("accept", "named"), FORMATS)
async def test_deferred_parts(world: Any, accept: str, named: str | None) -> None:
    """Deferred fields are in a later part, in the format that the client names, which the response names too.

    A client that accepts no format of the gateway gets all fields in one response.
    """
    query = """
        {
            users(first: 2, filter: {sources: [ACCOUNT]}) {
                nodes { name ... @defer(label: "roles") { role { permissions } } }
            }
        }
    """
    whole = await world.data(query)
    async with world.session.post(f"{world.url}/graphql", json={"query": query}, headers={"Accept": accept}) as answer:
        if named is None:
            assert answer.content_type == "application/json"
            assert await answer.json(content_type=None) == {"data": whole}
            return
        assert answer.headers["Content-Type"] == f'multipart/mixed; boundary="-"; {named}'
        assert answer.headers["Incremental"] == "?1"
        body = await answer.text()
    assert body.startswith("\r\n---\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{")
    assert body.endswith("\r\n-----\r\n")
    first, *others = [json.loads(line) for line in body.splitlines() if line.startswith("{")]
    assert first["data"] == {"users": {"nodes": [{"name": user["name"]} for user in whole["users"]["nodes"]]}}
    assert [part["hasNext"] for part in (first, *others)] == [True] * len(others) + [False]
    entries = [entry for part in others for entry in part.get("incremental", ())]
    if named == "deferSpec=20220824":
        keys = {"path", "data", "label"}
        paths = [entry["path"] for entry in entries]
        assert all("pending" not in part and "completed" not in part for part in (first, *others))
        assert {entry["label"] for entry in entries} == {"roles"}
    else:
        keys = {"id", "data"}
        announced = {entry["id"]: entry["path"] for entry in first["pending"]}
        paths = [announced[entry["id"]] for entry in entries]
    assert {frozenset(entry) for entry in entries} == {frozenset(keys)}
    deferred = {path[2]: entry["data"] for path, entry in zip(paths, entries, strict=True)}
    assert [deferred[number] for number in range(2)] == [{"role": user["role"]} for user in whole["users"]["nodes"]]


@pytest.mark.parametrize("accept", ["multipart/mixed", "multipart/mixed;deferSpec=20220824"])
async def test_a_part_is_complete_when_it_is_sent(fresh: Any, accept: str) -> None:
    """A part is followed by its delimiter at once, so that a client can use it before the next part is computed."""
    query = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name ... @defer { role { permissions } } } }'
    world = await fresh(reference_ttl=0)
    await world.fault(source="account", path="roles", kind="slow", delay=60, times=1)
    async with world.session.post(f"{world.url}/graphql", json={"query": query}, headers={"Accept": accept}) as answer:
        async with asyncio.timeout(30):
            received = await answer.content.readuntil(b"}\r\n---")
    assert b"Ada Lovelace" in received
    assert b"permissions" not in received


async def _parts(world: Any, query: str, **headers: str) -> list[Any]:
    """Return the parts of a response, read to its end."""
    headers = {"Accept": "multipart/mixed, application/json"} | headers
    async with world.session.post(f"{world.url}/graphql", json={"query": query}, headers=headers) as answer:
        assert answer.headers["Content-Type"] == 'multipart/mixed; boundary="-"; incrementalSpec=v0.2'
        return [json.loads(line) for line in (await answer.text()).splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    ("definition", "count", "variables"),
    [
        ("", "-1", {}),
        ("", "null", {}),
        ("($n: Int)", "$n", {"n": -1}),
        ("($n: Int)", "$n", {"n": None}),
        ("($n: Int = -1)", "$n", {}),
    ],
)
async def test_a_negative_initial_count(
    session: ClientSession, gateway_url: str, definition: str, count: str, variables: dict[str, Any]
) -> None:
    """`@stream` with a negative number or null is refused as wrong input, whatever the client accepts."""
    text = f"query {definition} {{ users(first: 1) {{ nodes @stream(initialCount: {count}) {{ id }} }} }}"
    body = {"query": text, "variables": variables}
    headers = {"Accept": "multipart/mixed, application/graphql-response+json"}
    async with session.post(f"{gateway_url}/graphql", json=body, headers=headers) as answer:
        [error] = (await answer.json(content_type=None))["errors"]
        code = "BAD_USER_INPUT" if definition else "GRAPHQL_VALIDATION_FAILED"
        assert (answer.status, error["extensions"]["code"]) == (400, code)
        assert "`initialCount` of `@stream` must be 0 or more" in error["message"]


async def test_deferred_parts_pass_the_gate(fresh: Any) -> None:
    """An operation holds its slot until its last part is computed; without a slot, the response is one error."""
    query = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name ... @defer { role { permissions } } } }'
    held = HeldSource("/roles")
    gate = {"at_once": 1, "queue": 0, "patience": 2}
    world = await fresh(held={"account": held}, gate=gate, reference_ttl=0, timeout=60)
    first = asyncio.ensure_future(_parts(world, query))
    async with asyncio.timeout(30):
        while not any("roles" in call["path"] for call in await world.calls()):  # noqa: ASYNC110 - the other side of a socket sets no event
            await asyncio.sleep(0.01)
    before = await world.calls()
    [refused] = await _parts(world, query)
    assert await world.calls() == before
    assert [error["extensions"]["code"] for error in refused["errors"]] == ["SOURCE_UNAVAILABLE"]
    assert refused["errors"][0]["extensions"]["retryAfter"] == 2
    assert not first.done()
    held.release()
    assert len(await first) > 1
    assert len(await _parts(world, query)) > 1


async def test_the_replay_of_a_deferred_change(fresh: Any) -> None:
    """A replayed change whose response has several parts is marked as a replay in the first part."""
    query = """
        mutation { createAccountUser(input: {email: "parts@example.com"}) { id ... @defer { role { permissions } } } }
    """
    world = await fresh()
    first, again = [(await _parts(world, query, **{"Idempotency-Key": "parts-1"}))[0] for _ in range(2)]
    assert first["data"] == again["data"]
    assert "extensions" not in first
    assert again["extensions"] == {"idempotency": {"replayed": ["createAccountUser"]}}
