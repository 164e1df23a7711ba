"""Pages of other origins in a real Chromium: whatever they try, the gateway executes nothing for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, web
from chromium import chromium
from playwright.async_api import Browser, Page
from web_app import running

from gateway import Gateway, Settings
from gateway.auth import Connection, Principal
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, SandboxOptions, SandboxServer

QUERY = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
CHANGE = 'mutation { updateAccountUser(id: "acus_adalovelace1", input: {name: "Eve"}) { name } }'

# Each way in which a page can send a request, as a function of the URL and a document that ends with the request.
ATTEMPTS = """
  const url = (text) => `${api}?query=${encodeURIComponent(text)}`;
  const json = (text) => JSON.stringify({query: text});
  const until = (target, ...events) => new Promise((resolve) => {
    for (const event of events) target.addEventListener(event, () => resolve(event), {once: true});
  });
  const element = async (name, attributes) => {
    const added = Object.assign(document.createElement(name), attributes);
    const ended = until(added, "load", "error", "loadstart");
    document.body.append(added);
    return ended;
  };
  const settled = (promise) => promise.then(() => "fulfilled", () => "rejected");
  const form = (method, enctype, fields) => {
    const frame = document.createElement("iframe");
    frame.name = `frame${Math.random()}`;
    document.body.append(frame);
    const ended = until(frame, "load");
    const sent = Object.assign(document.createElement("form"), {action: api, method, enctype, target: frame.name});
    for (const [name, value] of Object.entries(fields)) {
      sent.append(Object.assign(document.createElement("textarea"), {name, value}));
    }
    document.body.append(sent);
    sent.submit();
    return ended;
  };
  const socket = (text) => new Promise((resolve) => {
    const opened = new WebSocket(api.replace("http", "ws"), "graphql-transport-ws");
    opened.onopen = () => {
      opened.send(JSON.stringify({type: "connection_init"}));
      opened.send(JSON.stringify({type: "subscribe", id: "1", payload: {query: text}}));
    };
    opened.onmessage = ({data}) => JSON.parse(data).type === "complete" && resolve("executed");
    opened.onclose = () => resolve("closed");
  });
  const attempts = {
    image: (text) => element("img", {src: url(text)}),
    "image with CORS": (text) => element("img", {crossOrigin: "anonymous", src: url(text)}),
    script: (text) => element("script", {src: url(text)}),
    module: (text) => settled(import(url(text))),
    "style sheet": (text) => element("link", {rel: "stylesheet", href: url(text)}),
    prefetch: (text) => element("link", {rel: "prefetch", href: url(text)}),
    video: (text) => element("video", {src: url(text)}),
    object: (text) => element("object", {data: url(text)}),
    frame: (text) => element("iframe", {src: url(text)}),
    "form by GET": (text) => form("GET", "application/x-www-form-urlencoded", {query: text}),
    form: (text) => form("POST", "application/x-www-form-urlencoded", {query: text}),
    "form of text": (text) => form("POST", "text/plain", {[`{"query": ${JSON.stringify(text)}, "a": "`]: '"}'}),
    "form with parts": (text) => form("POST", "multipart/form-data", {operations: json(text), map: "{}"}),
    fetch: (text) => settled(fetch(url(text), {credentials: "include"})),
    "fetch without CORS": (text) => settled(fetch(url(text), {mode: "no-cors", credentials: "include"})),
    "fetch of text": (text) => settled(fetch(api, {method: "POST", mode: "no-cors", body: json(text)})),
    "fetch of JSON": (text) => settled(
      fetch(api, {method: "POST", headers: {"Content-Type": "application/json"}, body: json(text)})),
    "fetch with a key": (text) => settled(fetch(url(text), {headers: {"X-API-Key": "abc"}})),
    "fetch with a token": (text) => settled(fetch(url(text), {headers: {Authorization: "Bearer abc"}})),
    "fetch with the header": (text) => settled(fetch(url(text), {headers: {"GraphQL-Require-Preflight": "1"}})),
    "fetch of an event stream": (text) => settled(fetch(url(text), {headers: {Accept: "text/event-stream"}})),
    beacon: async (text) => navigator.sendBeacon(api, new Blob([json(text)], {type: "text/plain"})),
    "beacon of JSON": async (text) => navigator.sendBeacon(api, new Blob([json(text)], {type: "application/json"})),
    EventSource: (text) => {
      const source = new EventSource(url(text), {withCredentials: true});
      return until(source, "next", "error").finally(() => source.close());
    },
    WebSocket: socket,
  };
"""
ALL = f"""async ([api, texts]) => {{ {ATTEMPTS}
  const ends = {{}};
  for (const [name, attempt] of Object.entries(attempts)) {{
    ends[name] = [];
    for (const text of texts) ends[name].push(await attempt(text));
  }}
  return ends;
}}"""
ONE = f"async ([api, text, name]) => {{ {ATTEMPTS} return await attempts[name](text); }}"


@asynccontextmanager
async def _foreign_site() -> AsyncIterator[str]:
    """Serve a site with an empty page; return its port."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>foreign</title><body>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    async with running(app) as url:
        yield str(urlsplit(url).port)


async def _page(browser: Browser, url: str) -> Page:
    page = await browser.new_page()
    await page.goto(url)
    return page


@pytest.mark.parametrize(
    ("settings", "hosts"),
    [
        # The page of the first host is of the same site as the gateway (see "site" in HTML), the other one is not.
        ({}, ("127.0.0.1", "localhost")),
        ({"graphiql": False, "cors_origins": ("loopback",)}, ("evil.example", "localhost.evil.example")),
    ],
)
async def test_nothing_is_executed(fresh: Any, settings: dict[str, Any], hosts: tuple[str, ...]) -> None:
    """A page of another origin, of the same site or not, causes no call to a source, whatever it sends."""
    world = await fresh(**settings)
    api = f"{world.url}/graphql"
    async with _foreign_site() as port, chromium("--host-resolver-rules=MAP *.example 127.0.0.1") as browser:
        for host in hosts:
            page = await _page(browser, f"http://{host}:{port}/")
            ends = await page.evaluate(ALL, [api, [QUERY, CHANGE]])
            assert ends["WebSocket"] == ["closed", "closed"]
            assert ends["fetch"] == ends["fetch with a key"] == ["rejected", "rejected"]
            assert ends["EventSource"] == ["error", "error"]
            for text in (QUERY, CHANGE):  # a link, or a window that the page opens
                async with page.expect_popup() as opened:
                    await page.evaluate(
                        "([api, text]) => { open(`${api}?${new URLSearchParams({query: text})}`) }", [api, text]
                    )
                popup = await opened.value
                await popup.wait_for_load_state("networkidle")
                assert popup.url.startswith(api)
        assert await world.calls() == []
        # What counts the calls, counts them: the same requests of the gateway's page, and of one without a browser.
        same_origin = await _page(browser, f"{world.url}/healthz")
        for name in ("fetch", "image", "EventSource", "WebSocket"):
            await same_origin.evaluate(ONE, [api, QUERY, name])
        await world.data(QUERY)
        assert len(await world.calls()) == 5


@asynccontextmanager
async def _host(sandbox: SandboxServer, origins: set[str]) -> AsyncIterator[str]:
    """Serve a host whose pages use the gateway as the user of a session; its cookie is valid for all ports.

    `origins` gets those of the requests that came with the cookie.
    """

    async def authenticate(connection: Connection) -> Principal | None:
        if connection.cookies:
            origins.add(connection.headers.get("origin", ""))
        is_user = connection.cookies.get("session") == "ada"
        return Principal("ada", frozenset({"users:read", "users:write"})) if is_user else None

    async def log_in(_request: web.Request) -> web.Response:
        response = web.Response(text="<!doctype html><title>host</title><body>", content_type="text/html")
        response.set_cookie("session", "ada", httponly=True, samesite="Lax")
        return response

    settings = Settings.model_validate(
        {
            "account": {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID},
            "environment": "production",
        }
    )
    async with Gateway(settings, authenticate=authenticate) as gateway:
        app = web.Application()
        app.router.add_get("/", log_in)
        app.add_subapp("/users", gateway.aiohttp_app())
        async with running(app) as url:
            yield url


async def test_a_session_cookie() -> None:
    """A page of the same site, whose requests have the cookie of the session, causes no call; the host's pages do."""
    options, origins = SandboxOptions(rate_limits=False), set[str]()
    async with (
        SandboxServer(options) as sandbox,
        _host(sandbox, origins) as url,
        _foreign_site() as port,
        ClientSession() as client,
    ):

        async def calls() -> int:
            async with client.get(f"{sandbox.control_url}/calls") as response:
                return len(await response.json())

        async with chromium() as browser:
            context = await browser.new_context()
            home = await context.new_page()
            await home.goto(url)
            foreign = await context.new_page()
            await foreign.goto(f"http://127.0.0.1:{port}/")
            assert await foreign.evaluate("document.cookie") == ""  # for scripts; the requests have it
            ends = await foreign.evaluate(ALL, [f"{url}/users/graphql", [QUERY, CHANGE]])
            assert ends["WebSocket"] == ["closed", "closed"]
            assert ends["fetch of JSON"] == ends["fetch"] == ["rejected", "rejected"]
            assert await calls() == 0
            assert f"http://127.0.0.1:{port}" in origins
            executed = ("fetch of JSON", "fetch", "image", "form with parts", "EventSource", "WebSocket")
            for name in executed:
                await home.evaluate(ONE, [f"{url}/users/graphql", QUERY, name])
            assert await calls() == len(executed)
            assert await home.evaluate(ONE, [f"{url}/users/graphql", CHANGE, "WebSocket"]) == "executed"
            assert await calls() == len(executed) + 1


async def test_dns_rebinding(fresh: Any) -> None:
    """A page whose site lets its name resolve to the gateway's address is of one origin with it, and causes no call."""
    world = await fresh(cors_origins=("loopback",))
    rebound = world.url.replace("127.0.0.1", "evil.example")
    async with chromium("--host-resolver-rules=MAP *.example 127.0.0.1") as browser:
        page = await _page(browser, f"{rebound}/healthz")
        ends = await page.evaluate(ALL, [f"{rebound}/graphql", [QUERY, CHANGE]])
    assert ends["fetch of JSON"] == ["fulfilled", "fulfilled"]  # with a refusal
    assert ends["WebSocket"] == ["closed", "closed"]
    assert await world.calls() == []


async def test_a_page_that_is_let_in(fresh: Any) -> None:
    """A page of an origin that the settings list may send queries by GET without a header, as urql does."""
    world = await fresh(cors_origins=("loopback",))
    async with _foreign_site() as port, chromium() as browser:
        for host in ("127.0.0.1", "localhost"):
            page = await _page(browser, f"http://{host}:{port}/")
            for name in ("fetch without CORS", "image", "frame", "form by GET"):  # without `Origin`: from any page
                await page.evaluate(ONE, [f"{world.url}/graphql", QUERY, name])
        assert await world.calls() == []
        await page.evaluate("async ([url]) => (await fetch(url)).json()", [f"{world.url}/graphql?query={QUERY}"])
        assert await page.evaluate(ONE, [f"{world.url}/graphql", QUERY, "WebSocket"]) == "executed"
        assert len(await world.calls()) == 2
