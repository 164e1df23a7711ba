"""GraphiQL in a real Chromium against a running gateway."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession
from chromium import chromium
from playwright.async_api import ConsoleMessage, Page, Request, Response, WebSocket, expect
from yarl import URL

EXAMPLES = ["OneUser", "ChangeDepartment", "RenameInMarketplace", "FollowUsers", "ResellerCompany"]
SUBSCRIPTION = "FollowUsers"
QUERY_EDITOR = ".graphiql-query-editor .CodeMirror"
RESULT = ".graphiql-response .CodeMirror"
REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => console.error("CSP:", event.violatedDirective));
"""


def is_post(response: Response) -> bool:
    """Return whether a response is one of the API, not an asset."""
    return response.request.method == "POST"


@dataclass
class Visit:
    """One visitor's browser: the open page, the URLs of its requests, and errors and warnings."""

    page: Page
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Record the URLs of the page's WebSockets, and the messages that they receive."""

        def opened(socket: WebSocket) -> None:
            self.requests.append(socket.url)
            socket.on("framereceived", lambda text: self.received.append(json.loads(text)))

        page.on("websocket", opened)

    def note(self, message: ConsoleMessage) -> None:
        """Record an error or a warning of the console."""
        if message.type in {"error", "warning"}:
            self.problems.append(message.text)

    async def type_into(self, editor: str, text: str) -> None:
        """Replace an editor's content by keyboard."""
        await self.page.click(f"{editor} .CodeMirror-lines")
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.press("Delete")
        # insert_text: the editor closes each bracket that is typed singly, and the text closes it too.
        await self.page.keyboard.insert_text(text)

    async def open_example(self, name: str, page: Page | None = None) -> None:
        """Open the tab of an example, with the focus in its editor."""
        page = page or self.page
        await page.click(f".graphiql-tab-button:text-is('{name}')")
        await expect(page.locator(QUERY_EDITOR)).to_contain_text(f" {name}(")
        await page.click(f"{QUERY_EDITOR} .CodeMirror-lines")

    async def stored(self, area: str) -> str:
        """Read all that the page has stored, which GraphiQL does half a second after the last key."""
        await asyncio.sleep(1)
        # evaluate, as wait_for_function needs eval, which the page's policy forbids.
        return str(await self.page.evaluate(f"JSON.stringify({{...{area}}})"))

    async def run(self, page: Page | None = None) -> Request:
        """Run the operation by keyboard and return the request that it made."""
        page = page or self.page
        async with page.expect_request(lambda request: request.method == "POST") as made:
            await self.start(page)
        return await made.value

    async def start(self, page: Page) -> None:
        """Run the operation by keyboard."""
        # GraphiQL parses the operation's name a tenth of a second after the text: no person is faster.
        await asyncio.sleep(0.2)
        await page.keyboard.press("Control+Enter")


@pytest.fixture
async def visit(gateway_url: str) -> AsyncIterator[Visit]:
    """Open GraphiQL with empty storage; afterwards check that there were no requests to other origins and no errors."""
    async with chromium() as browser:
        # Handlers of the context, not of the page: they get the events of all pages of this visitor.
        context = await browser.new_context()
        visit = Visit(await context.new_page())
        visit.watch(visit.page)
        context.on("page", visit.watch)
        context.on("request", lambda request: visit.requests.append(request.url))
        context.on("console", visit.note)
        context.on("weberror", lambda error: visit.problems.append(str(error.error)))
        await context.add_init_script(REPORT_VIOLATIONS)
        # Wait for the schema, the last that the page loads by itself.
        async with visit.page.expect_response(is_post):
            await visit.page.goto(f"{gateway_url}/graphql")
        await visit.page.wait_for_selector(QUERY_EDITOR)
        yield visit
    origin = gateway_url.removeprefix("http")
    expected = (f"http{origin}/", f"ws{origin}/", "data:")
    foreign = [url for url in visit.requests if not url.startswith(expected)]
    assert (foreign, visit.problems) == ([], [])


async def test_first_visit_shows_the_examples(visit: Visit) -> None:
    """On the first visit there is a tab for each example, the first one with its variables."""
    tabs = visit.page.locator(".graphiql-tab-button")
    await expect(tabs).to_have_text(EXAMPLES)
    await expect(visit.page).to_have_title("User gateway")
    await expect(visit.page.locator(QUERY_EDITOR)).to_contain_text("query OneUser")
    await expect(visit.page.locator("[aria-label=Variables]")).to_contain_text("ACCOUNT")


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != SUBSCRIPTION])
async def test_examples_fit_the_schema(visit: Visit, name: str) -> None:
    """Each example is valid against the served schema, and its variables are sent."""
    await visit.open_example(name)
    request = await visit.run()
    sent = json.loads(request.post_data or "")
    assert sent["operationName"] == name
    assert sent["variables"]["id"]
    response = await request.response()
    assert response is not None
    assert "GRAPHQL_VALIDATION_FAILED" not in await response.text()
    await expect(visit.page.locator(RESULT)).to_contain_text('"data"')
    assert await visit.page.locator(".CodeMirror-lint-mark-error").count() == 0


async def test_two_windows_follow_each_other(visit: Visit, gateway_url: str) -> None:
    """A change in one window appears in a subscription of another one, once, although a webhook reports it too."""
    async with ClientSession(gateway_url) as session:
        subscribers, repeated = (
            "gateway_event_subscribers",
            'gateway_events_total{detail="reseller",happening="repeated"}',
        )
        before = await metrics(session)
        await visit.open_example(SUBSCRIPTION)
        await visit.start(visit.page)
        await reached(session, subscribers, before.get(subscribers, 0) + 1)
        other = await visit.page.context.new_page()
        await other.goto(visit.page.url)
        await visit.open_example("ResellerCompany", other)
        response = await (await visit.run(other)).response()
        assert response is not None
        changed = (await response.json())["data"]["updateResellerUser"]
        await expect(visit.page.locator(RESULT)).to_contain_text('"change": "UPDATED"')
        await expect(visit.page.locator(RESULT)).to_contain_text(changed["id"])
        await reached(session, repeated, before.get(repeated, 0) + 1)
        events = [message for message in visit.received if message["type"] == "next"]
        assert [event["payload"]["data"]["userChanged"]["user"]["id"] for event in events] == [changed["id"]]
        await visit.page.click("button[aria-label='Stop query (Ctrl-Enter)']")
        await reached(session, subscribers, before.get(subscribers, 0))


async def metrics(session: ClientSession) -> dict[str, float]:
    """Return the gateway's metrics, by series."""
    async with session.get("/metrics") as response:
        lines = [line for line in (await response.text()).splitlines() if not line.startswith("#")]
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}


async def reached(session: ClientSession, series: str, value: float) -> None:
    """Wait until a series has a value."""
    async with asyncio.timeout(10):
        while (await metrics(session)).get(series, 0) != value:  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.05)


async def test_typed_query_is_answered(visit: Visit) -> None:
    """A query typed into the editor and run by Ctrl+Enter shows its response in the result pane."""
    await visit.type_into(QUERY_EDITOR, "query Typed { __typename }")
    await expect(visit.page.locator(".graphiql-tab-button >> nth=0")).to_have_text("Typed")
    request = await visit.run()
    assert json.loads(request.post_data or "")["query"] == "query Typed { __typename }"
    await expect(visit.page.locator(RESULT)).to_contain_text('"__typename": "Query"')


async def test_typed_header_is_sent_and_kept_only_in_its_tab(visit: Visit) -> None:
    """A header typed into the Headers tab is sent, survives a reload, and never reaches localStorage."""
    page = visit.page
    await page.click("button[data-name=headers]")
    await visit.type_into("[aria-label=Headers] .CodeMirror:visible", '{"X-Request-ID": "typed-by-hand"}')
    request = await visit.run()
    assert (await request.all_headers())["x-request-id"] == "typed-by-hand"
    assert "typed-by-hand" in await visit.stored("sessionStorage")
    async with page.expect_response(is_post):
        await page.reload()
    await page.click("button[data-name=headers]")
    await expect(page.locator("[aria-label=Headers]")).to_contain_text("typed-by-hand")
    assert "typed-by-hand" not in await visit.stored("localStorage")


async def test_returning_visitor_keeps_the_tabs(visit: Visit) -> None:
    """On a later visit the tabs are as they were left, without the examples again."""
    await visit.page.click(".graphiql-tab-button >> nth=1")
    await visit.page.click("button[aria-label='Close Tab'] >> nth=1")
    await visit.page.click(".graphiql-tab-button >> nth=0")
    await visit.type_into(QUERY_EDITOR, "query Mine { __typename }")
    left = ["Mine", *EXAMPLES[2:]]
    await expect(visit.page.locator(".graphiql-tab-button")).to_have_text(left)
    assert "query Mine" in await visit.stored("localStorage")
    # A page of the same context is the same visitor in a new browser tab.
    again = await visit.page.context.new_page()
    await again.goto(visit.page.url)
    await expect(again.locator(".graphiql-tab-button")).to_have_text(left)
    await expect(again.locator(QUERY_EDITOR)).to_contain_text("query Mine")


async def test_docs_and_dialogs_open(visit: Visit) -> None:
    """The documentation explorer and the settings dialog open within the Content-Security-Policy."""
    await visit.page.click("button[aria-label='Show Documentation Explorer']")
    await visit.page.click(".graphiql-doc-explorer a:text-is('Query')")
    await expect(visit.page.locator(".graphiql-doc-explorer")).to_contain_text("user(")
    await visit.page.click("button[aria-label='Open settings dialog']")
    await expect(visit.page.locator(".graphiql-dialog")).to_contain_text("Theme")


async def test_page_has_a_strict_policy_and_immutable_assets(gateway_url: str) -> None:
    """The page allows no inline script and no eval, and its assets may be cached for ever."""
    async with ClientSession(gateway_url) as session:
        async with session.get("/graphql", headers={"Accept": "text/html"}) as response:
            html = await response.text()
            policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "<script>" not in html
        assets = re.findall(r'(?:src|href)="([^"]+)"', html)
        assert len(assets) == 3
        for asset in assets:
            assert not asset.startswith(("/", "http"))
            async with session.get(f"/{asset}") as response:
                assert response.status == 200
                assert "immutable" in response.headers["Cache-Control"]
                assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name",
    [
        "../page.py",
        "..%2fpage.py",
        "%2e%2e/page.py",
        "..%5cpage.py",
        "%2fetc%2fpasswd",
        "manifest.json",
        "stamp",
        "no.js",
    ],
)
async def test_nothing_but_assets_is_served(gateway_url: str, name: str) -> None:
    """No spelling of a path returns a file that is not an asset."""
    async with (
        ClientSession() as session,
        session.get(URL(f"{gateway_url}/graphiql/{name}", encoded=True)) as response,
    ):
        assert response.status == 404
