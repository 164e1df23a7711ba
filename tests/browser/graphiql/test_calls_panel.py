"""The panel below the response shows the calls to the sources and the price."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from browser.graphiql.visit import QUERY_EDITOR, RESULT, Visit
from conftest import Running
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

PANEL = ".calls"
ROWS = f"{PANEL} li:not(.axis)"
SENT = {"call", "batched", "retry", "hedge"}


@pytest_asyncio.fixture(loop_scope="session")
async def session() -> AsyncIterator[ClientSession]:
    """A client for the sandbox's control API and the gateway."""
    async with ClientSession() as session:
        yield session


async def rows(visit: Visit) -> list[dict[str, str]]:
    """Return the rows of the panel: the text of each cell by its class, and the kind of the call as `row`."""
    script = """rows => rows.map((row) => Object.fromEntries([
        ["row", row.className],
        ...[...row.children].map((cell) => [cell.className, cell.textContent]),
    ]))"""
    found: list[dict[str, str]] = await visit.page.locator(ROWS).evaluate_all(script)
    return found


async def test_rows_are_the_calls_in_the_sandboxes_log(visit: Visit, demo: Running, session: ClientSession) -> None:
    """The requests in the panel are those that the sandbox received, with source, method, path and status."""
    log = demo.address("sandbox")
    for tab in ("OnePerson", "AllUsers", "ChangeDepartment", "RenameInMarketplace", "ResellerCompany"):
        await visit.open_example(tab)
        await (await session.delete(log)).read()
        await visit.run_to_its_end()
        await expect(visit.page.locator(PANEL)).to_be_visible()
        shown = [row for row in await rows(visit) if row["row"].split()[0] in SENT]
        async with session.get(log) as response:
            received = [call for call in await response.json() if call["source"] != "webhooks"]
        assert len(shown) == len(received) > 0, tab
        for call in received:
            row = next(row for row in shown if is_row_of(call, row))
            shown.remove(row)


def is_row_of(call: dict[str, Any], row: dict[str, str]) -> bool:
    """Return whether a row of the panel is the one of a call in the sandbox's log."""
    method, _, template = row["request"].partition(" ")
    path = re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(template))
    return (
        row["source"] == call["source"].upper()
        and method == call["method"]
        and re.fullmatch(path, call["path"]) is not None
        and row["status"] == str(call["status"])
    )


async def test_bars_have_one_time_axis(visit: Visit) -> None:
    """Each bar is inside its track, and the one that ends last ends where the axis ends."""
    await visit.open_example("OnePerson")
    await visit.run_to_its_end()
    await expect(visit.page.locator(PANEL)).to_be_visible()
    script = "bars => bars.map((bar) => [bar, bar.parentElement].map((e) => e.getBoundingClientRect().toJSON()))"
    boxes = await visit.page.locator(f"{ROWS} .bar").evaluate_all(script)
    assert len(boxes) >= 3
    for bar, track in boxes:
        assert bar["left"] >= track["left"]
        assert bar["width"] >= 2
        assert bar["right"] <= track["right"] + 2  # a bar is at least 2 pixels wide
    assert max(bar["right"] for bar, _ in boxes) == pytest.approx(boxes[0][1]["right"], abs=2)
    assert max(track["left"] for _, track in boxes) == min(track["left"] for _, track in boxes)


async def test_panel_belongs_to_its_tab(visit: Visit) -> None:
    """A tab that was not run has no panel, and one that was has its panel again; the response has no reports."""
    panel = visit.page.locator(PANEL)
    await visit.focus()
    await visit.run_to_its_end()
    await expect(panel).to_contain_text("cost")
    await expect(visit.page.locator(RESULT)).not_to_contain_text("extensions")
    text = await panel.inner_text()
    await visit.open_example("OnePerson")
    await expect(panel).to_have_count(0)
    await visit.open_example("AllUsers")
    await expect(panel).to_have_text(text, use_inner_text=True)
    await visit.type_into(QUERY_EDITOR, "{ unknown }")
    await visit.start()
    await expect(panel).to_have_count(0)  # nothing was executed, so there is nothing to report


async def test_no_panel_without_a_response(visit: Visit) -> None:
    """The panel of an earlier run does not stay beside an error of the network."""
    await visit.focus()
    await visit.run_to_its_end()
    await expect(visit.page.locator(PANEL)).to_be_visible()
    await visit.page.context.set_offline(offline=True)
    await visit.start()
    await expect(visit.page.locator(RESULT)).to_contain_text("Failed to fetch")
    await expect(visit.page.locator(PANEL)).to_have_count(0)
    assert all("ERR_INTERNET_DISCONNECTED" in problem for problem in visit.problems)
    visit.problems.clear()


async def test_calls_of_a_response_in_parts(visit: Visit) -> None:
    """Where fields are deferred, the panel shows the calls of all parts."""
    query = """{ user(id: "acus_gracehopper1", source: ACCOUNT) {
      name ... @defer { department { machines { nodes { name department { location { name } } } } } } } }"""
    await visit.type_into(QUERY_EDITOR, query)
    await visit.start()
    await expect(visit.page.locator(RESULT)).to_contain_text('"machines"')
    await expect(visit.page.locator(PANEL)).to_be_visible()
    shown = await rows(visit)
    assert shown[0]["request"] == "GET /v1/identity/account-users/{id}"
    assert len(shown) > 1
    assert "hasNext" not in await visit.page.locator(RESULT).inner_text()


async def test_calls_for_an_event(visit: Visit, gateway_url: str, session: ClientSession) -> None:
    """Of a subscription, the panel shows the calls for the last event."""
    query = "subscription { userChanged(sources: ACCOUNT) { user { name role { permissions } } } }"
    await visit.type_into(QUERY_EDITOR, query)
    await visit.start()
    stop = visit.page.locator("button[aria-label='Stop query (Ctrl-Enter)']")
    await expect(stop).to_be_visible()
    change = """mutation { updateAccountUser(id: "acus_plainperson1", input: {name: "Edsger Dijkstra"}) { id } }"""
    async with asyncio.timeout(30):
        while not await visit.page.locator(PANEL).count():  # the subscription may begin after the first change
            async with session.post(f"{gateway_url}/graphql", json={"query": change}) as response:
                assert "errors" not in await response.json()
            await asyncio.sleep(0.2)
    await expect(visit.page.locator(PANEL)).to_contain_text("calls")
    await stop.click()
