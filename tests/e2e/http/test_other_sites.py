"""Requests that a page of another site can send: what is executed, and what the page may read."""

import hashlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, FormData, WSServerHandshakeError

TYPENAME = {"query": "{ __typename }"}
CHANGE = {"query": 'mutation { updateAccountUser(id: "x", input: {}) { id } }'}
PREFLIGHT = ["GraphQL-Require-Preflight", "Apollo-Require-Preflight", "X-Apollo-Operation-Name"]
FRIEND = "https://app.example"
CROSS_SITE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}

EXECUTED: list[dict[str, str]] = [
    *({name: "1"} for name in PREFLIGHT),
    {"Content-Type": "application/json"},
    {"Authorization": "Bearer abc"},
    {"authorization": "bearer abc"},
    {"X-API-Key": "abc"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": FRIEND},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:5173"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example", "GraphQL-Require-Preflight": "1"},
]
REFUSED: list[dict[str, str]] = [
    {},
    dict.fromkeys(PREFLIGHT, ""),
    {"Content-Type": "text/plain"},
    {"Content-Type": "message/http"},  # one of those that a browser sent without a preflight
    {"Authorization": "Basic YTpi"},  # browsers repeat it by themselves
    {"Authorization": "Bearer "},
    {"X-API-Key": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "null"},
    # A proxy in front may add the credential, in exchange for a cookie.
    CROSS_SITE | {"Authorization": "Bearer abc"},
    CROSS_SITE | {"X-API-Key": "abc"},
    {"Origin": "https://evil.example", "Authorization": "Bearer abc"},
]


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    """An HTTP client."""
    async with ClientSession() as session:
        yield session


def _form() -> FormData:
    form = FormData(default_to_multipart=True)
    form.add_field("operations", '{"query": "{ __typename }"}')
    form.add_field("map", "{}")
    return form


async def test_what_is_executed(fresh: Any) -> None:
    """A GET or a form is executed if it carries something that a page of another site cannot send unasked."""
    world = await fresh(cors_origins=(FRIEND, "loopback"))
    for headers in EXECUTED:
        async with world.session.get(f"{world.url}/graphql", params=TYPENAME, headers=headers) as answer:
            assert (await answer.json(), headers) == ({"data": {"__typename": "Query"}}, headers)
        if "Content-Type" not in headers:
            async with world.session.post(f"{world.url}/graphql", data=_form(), headers=headers) as answer:
                assert (await answer.json(), headers) == ({"data": {"__typename": "Query"}}, headers)
    same_origin = {"Origin": world.url}  # which browsers send with every POST
    async with world.session.post(f"{world.url}/graphql", data=_form(), headers=same_origin) as answer:
        assert answer.status == 200


async def test_what_is_refused(fresh: Any) -> None:
    """Any other GET or form is a 400 that names the headers; a change by GET is a 405, whatever it carries."""
    world = await fresh(cors_origins=(FRIEND, "loopback"))
    for headers in REFUSED:
        async with world.session.get(f"{world.url}/graphql", params=TYPENAME, headers=headers) as answer:
            assert (answer.status, headers) == (400, headers)
            message = (await answer.json())["errors"][0]["message"]
            assert all(name in message for name in (*PREFLIGHT, "Authorization", "X-API-Key"))
        if "Content-Type" not in headers:
            async with world.session.post(f"{world.url}/graphql", data=_form(), headers=headers) as answer:
                assert (answer.status, headers) == (400, headers)
    for headers in EXECUTED + REFUSED:
        async with world.session.get(f"{world.url}/graphql", params=CHANGE, headers=headers) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_a_refused_get_stores_nothing(fresh: Any) -> None:
    """A GET that is refused registers no automatic persisted query either."""
    world = await fresh(documents={"automatic": True})
    sha256 = hashlib.sha256(TYPENAME["query"].encode()).hexdigest()
    named = {"extensions": json.dumps({"persistedQuery": {"version": 1, "sha256Hash": sha256}})}
    key = {"X-API-Key": "abc"}
    for headers, status, found in (({}, 400, False), (key, 200, True)):
        async with world.session.get(f"{world.url}/graphql", params=TYPENAME | named, headers=headers) as answer:
            assert answer.status == status
        async with world.session.get(f"{world.url}/graphql", params=named, headers=key) as answer:
            assert ("data" in await answer.json()) is found


async def test_all_origins(fresh: Any) -> None:
    """With `*` a page of any site may send what needs a preflight, and no other GET and no WebSocket."""
    world = await fresh(cors_origins=("*",))
    page = {"Origin": "https://any.example", "Sec-Fetch-Site": "cross-site"}
    async with world.session.post(f"{world.url}/graphql", json=TYPENAME, headers=page) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
    async with world.session.get(f"{world.url}/graphql", params=TYPENAME, headers=page) as answer:
        assert answer.status == 400
    credential = page | {"X-API-Key": "abc"}
    async with world.session.get(f"{world.url}/graphql", params=TYPENAME, headers=credential) as answer:
        assert answer.status == 200
    with pytest.raises(WSServerHandshakeError) as raised:
        await world.session.ws_connect(f"{world.url}/graphql", protocols=["graphql-transport-ws"], headers=page)
    assert raised.value.status == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("app.localhost", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("USERS.example:8000", 200),
        ("evil.example:8000", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.nip.io", 421),
    ],
)
async def test_the_name_of_the_host(fresh: Any, host: str, status: int) -> None:
    """Without authentication on a loopback address, a browser has to reach the gateway by a name of the machine."""
    world = await fresh(public_url="https://users.example/")
    url = f"{world.url}/graphql"
    headers = {"Host": host, "Origin": f"http://{host}"}
    async with world.session.post(url, json=TYPENAME, headers=headers) as answer:
        assert answer.status == status
        assert status == 200 or "GATEWAY_PUBLIC_URL" in await answer.text()
    get = {"Host": host, "GraphQL-Require-Preflight": "1"}
    async with world.session.get(url, params=TYPENAME, headers=get) as answer:
        assert answer.status == status
    async with world.session.post(url, json=TYPENAME, headers={"Host": host}) as answer:
        assert answer.status == 200  # no browser sends a POST without `Origin`


async def test_the_preflight_can_be_switched_off(fresh: Any) -> None:
    """With `preflight` off a query by GET is executed without a header, and a mutation by GET is still refused."""
    world = await fresh(preflight=False)
    async with world.session.get(f"{world.url}/graphql", params=TYPENAME) as answer:
        assert answer.status == 200
    async with world.session.get(f"{world.url}/graphql", params=CHANGE) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_other_sites_are_shut_out(fresh: Any) -> None:
    """Other sites may not read responses unless the settings list them."""
    world = await fresh()
    for origin in ("https://app.example", "http://localhost:5173"):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        async with world.session.options(f"{world.url}/graphql", headers=headers) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers
        async with world.session.post(f"{world.url}/graphql", json=TYPENAME, headers=headers) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_site_that_is_let_in(fresh: Any) -> None:
    """A site that the settings list may send requests and read the responses and their headers; others may not."""
    world = await fresh(cors_origins=(FRIEND,))
    headers = {
        "Origin": FRIEND,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,idempotency-key",
    }
    async with world.session.options(f"{world.url}/graphql", headers=headers) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == FRIEND
        assert answer.headers["Access-Control-Allow-Headers"] == "content-type,idempotency-key"
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    origin = {"Origin": FRIEND}
    async with world.session.post(f"{world.url}/graphql", json=TYPENAME, headers=origin) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == FRIEND
        assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
        assert "Origin" in answer.headers["Vary"].split(", ")
    other = {"Origin": "https://evil.example"}
    async with world.session.post(f"{world.url}/graphql", json=TYPENAME, headers=other) as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers
    async with world.session.get(f"{world.url}/healthz") as answer:  # a cache may keep it for a page
        assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:5173", True),
        ("https://localhost", True),
        ("http://127.0.0.1:3000", True),
        ("http://[::1]:8080", True),
        ("http://localhost.evil.example:5173", False),
        ("http://localhost:5173.evil.example", False),
        ("http://evil.example/localhost", False),
        ("http://localhost@evil.example", False),
        ("http://127.0.0.1.nip.io", False),
        ("http://10.0.0.1", False),
        ("https://app.example", False),
        ("file://", False),
        ("null", False),
    ],
)
async def test_pages_of_this_machine(session: ClientSession, gateway_url: str, origin: str, *, allowed: bool) -> None:
    """`gateway demo` lets in pages of loopback origins, over HTTP and by WebSocket, and no others."""
    headers = {"Origin": origin}
    async with session.post(f"{gateway_url}/graphql", json=TYPENAME, headers=headers) as answer:
        assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    opening = session.ws_connect(f"{gateway_url}/graphql", protocols=["graphql-transport-ws"], headers=headers)
    if allowed:
        await (await opening).close()
    else:
        with pytest.raises(WSServerHandshakeError, match="403"):
            await opening


def _logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "gateway.http.cors"]


async def test_a_refused_origin_is_logged(fresh: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The log has each refused origin once, with the setting that lets it in; the gateway's is not refused."""
    world = await fresh()
    url = f"{world.url}/graphql"
    for origin in (
        "http://localhost:5173",
        "https://app.example",
        world.url,
        "null",
        "http://a\tb",
        f"http://{300 * 'a'}",
    ):
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        for _ in range(2):
            async with world.session.options(url, headers=preflight):
                pass
            async with world.session.post(url, json=TYPENAME, headers={"Origin": origin}):
                pass
    with pytest.raises(WSServerHandshakeError):
        await world.session.ws_connect(
            url, protocols=["graphql-transport-ws"], headers={"Origin": "https://socket.example"}
        )
    logged = _logged(caplog)
    assert len(logged) == 3
    for origin, line in zip(
        ("http://localhost:5173", "https://app.example", "https://socket.example"), logged, strict=True
    ):
        assert f"add {origin} to GATEWAY_CORS_ORIGINS" in line
        assert origin in [getattr(record, "origin", "") for record in caplog.records]
    assert "WebSocket" in logged[-1]


async def test_few_origins_are_logged(fresh: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A client that sends ever new origins cannot fill the log."""
    world = await fresh()
    for number in range(150):
        async with world.session.get(f"{world.url}/healthz", headers={"Origin": f"https://{number}.example"}):
            pass
    assert len(_logged(caplog)) == 100


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("text/html, application/json;q=0.9", True),
        ("application/json", False),
        ("application/graphql-response+json, application/json;q=0.9", False),
        ("application/json, text/html;q=0.9", False),
        ("application/json, text/html", False),
        ("text/html;q=0, */*", False),
        ("*/*", False),
        ("text/event-stream", False),
    ],
)
async def test_a_query_in_the_address_bar(session: ClientSession, gateway_url: str, accept: str, *, page: bool) -> None:
    """A browser that opens a URL gets GraphiQL, also with a query in it; a client that prefers a response gets that."""
    headers = {"Accept": accept, "Sec-Fetch-Site": "none"}
    async with session.get(f"{gateway_url}/graphql", params=TYPENAME, headers=headers) as answer:
        assert (answer.status, answer.content_type == "text/html") == (200, page)
        assert ("__typename" in await answer.text()) is not page


async def test_the_root(session: ClientSession, gateway_url: str, fresh: Any) -> None:
    """In development the root leads to GraphiQL; elsewhere it is a 404 that names the path of the API."""
    async with session.get(f"{gateway_url}/", headers={"Accept": BROWSER}) as answer:
        assert (answer.status, answer.url.path, answer.content_type) == (200, "/graphql", "text/html")
    async with session.get(f"{gateway_url}/favicon.ico") as answer:
        assert (answer.status, answer.content_type) == (200, "image/svg+xml")
    world = await fresh(graphiql=False)
    async with world.session.get(f"{world.url}/", headers={"Accept": BROWSER}) as answer:
        assert (answer.status, answer.content_type) == (404, "text/plain")
        assert re.search(r"\bgraphql\b", await answer.text())
    async with world.session.get(f"{world.url}/favicon.ico") as answer:
        assert answer.status == 204
