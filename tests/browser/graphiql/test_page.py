"""GraphiQL in a real Chromium against a running gateway."""

import asyncio
import json
import re
from typing import Any

import pytest
from aiohttp import ClientSession
from browser.graphiql.visit import QUERY_EDITOR, RESULT, Visit, is_post
from playwright.async_api import expect
from yarl import URL

from gateway.sandbox import LANDMARKS

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXAMPLES = ["AllUsers", "OnePerson", "ChangeDepartment", "RenameInMarketplace", "FollowUsers", "ResellerCompany"]
SUBSCRIPTION = "FollowUsers"
CHANGES = {
    "ChangeDepartment": ("account", "grace", "department { id }"),
    "RenameInMarketplace": ("softwareone", "grace", "firstName lastName"),
    "ResellerCompany": ("reseller", "ada", "company"),
}
"""For each tab with a change: the source, the nickname of its user in the sandbox, and what it changes."""


async def test_first_visit_shows_the_examples(visit: Visit) -> None:
    """On the first visit there is a tab for each example, the first one with its variables."""
    await expect(visit.tabs).to_have_text(EXAMPLES)
    await expect(visit.page).to_have_title("User gateway")
    await expect(visit.page.locator(QUERY_EDITOR)).to_contain_text("query AllUsers")
    await expect(visit.page.locator("[aria-label=Variables]")).to_contain_text('"first": 10')


@pytest.mark.parametrize("name", ["AllUsers", "OnePerson"])
async def test_first_tabs_show_all_sources(visit: Visit, name: str) -> None:
    """The first two tabs return users of the three sources."""
    await visit.open_example(name)
    result = await visit.run_to_its_end()
    [users] = result["data"].values()
    assert {user["source"] for user in users.get("nodes") or users["users"]} == {"ACCOUNT", "SOFTWAREONE", "RESELLER"}
    assert "errors" not in result
    await expect(visit.page.locator(RESULT)).to_contain_text('"source"')
    assert await visit.page.locator(".CodeMirror-lint-mark-error").count() == 0


@pytest.mark.parametrize("name", CHANGES)
async def test_changes_leave_the_data_as_it_was(visit: Visit, gateway_url: str, name: str) -> None:
    """Each tab with a change executes it, and then has changed the user back, also if it is run twice."""
    source, nickname, changed = CHANGES[name]
    user_id = LANDMARKS[source][nickname]

    async def stored() -> Any:
        query = f'{{ user(id: "{user_id}", source: {source.upper()}) {{ {changed} }} }}'
        async with ClientSession() as session, session.post(f"{gateway_url}/graphql", json={"query": query}) as answer:
            return (await answer.json())["data"]["user"]

    await visit.open_example(name)
    before = await stored()
    for _ in range(2):
        result = await visit.run_to_its_end()
        assert "errors" not in result
        first, last = result["data"].values()
        assert first != last
        assert await stored() == before
    await expect(visit.page.locator(RESULT)).to_contain_text('"data"')
    assert await visit.page.locator(".CodeMirror-lint-mark-error").count() == 0


async def test_two_windows_follow_each_other(visit: Visit, gateway_url: str) -> None:
    """Each change in one window appears in a subscription of another one once, although a webhook reports it too."""
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
        changes = list((await response.json())["data"].values())
        await expect(visit.page.locator(RESULT)).to_contain_text('"change": "UPDATED"')
        await expect(visit.page.locator(RESULT)).to_contain_text(changes[-1]["id"])
        await reached(session, repeated, before.get(repeated, 0) + 2)
        events = [message["payload"]["data"] for message in visit.received if message["type"] == "next"]
        shown = [(event["userChanged"]["user"]["id"], event["userChanged"]["user"]["company"]) for event in events]
        assert shown == [(change["id"], change["company"]) for change in changes]
        await visit.page.click("button[aria-label='Stop query (Ctrl-Enter)']")
        await reached(session, subscribers, before.get(subscribers, 0))


async def metrics(session: ClientSession) -> dict[str, float]:
    """Return the gateway's metrics, by series."""
    async with session.get("/metrics") as response:
        lines = [line for line in (await response.text()).splitlines() if not line.startswith("#")]
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}


async def reached(session: ClientSession, series: str, value: float) -> None:
    """Wait until a series has a value."""
    async with asyncio.timeout(30):
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
    await visit.type_headers('{"X-Request-ID": "typed-by-hand"}')
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
    """The documentation explorer, which describes the product first, and the settings dialog open within the policy."""
    await visit.page.click("button[aria-label='Show Documentation Explorer']")
    docs = visit.page.locator(".graphiql-doc-explorer-content")
    await expect(docs).to_have_text(re.compile("^One API over the three places that hold users"))
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
