"""GraphiQL can be used on a phone and beside the docs."""

from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from browser.graphiql.visit import QUERY_EDITOR, RESULT, Visit
from playwright.async_api import Locator, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest_asyncio.fixture(loop_scope="session")
async def phone(open_page: Callable[..., Awaitable[Visit]], gateway_url: str) -> Visit:
    """A new visitor with a phone."""
    return await open_page(f"{gateway_url}/graphql", **PHONE)


async def box(locator: Locator) -> Any:
    """Return the rectangle of an element."""
    found = await locator.first.bounding_box()
    assert found is not None
    return found


async def test_one_column_on_a_phone(phone: Visit) -> None:
    """Docs, editors, response and calls are below each other, as wide as the screen, which scrolls only downwards."""
    page = phone.page
    await page.tap(".graphiql-execute-button")
    await expect(page.locator(RESULT)).to_contain_text('"nodes"')
    await page.tap("button[aria-label='Show Documentation Explorer']")
    await expect(page.locator(".graphiql-doc-explorer")).to_contain_text("Query")
    parts = [".graphiql-plugin", ".graphiql-query-editor", "[aria-label=Variables]", RESULT, ".calls"]
    boxes = [await box(page.locator(part)) for part in parts]
    assert min(each["width"] for each in boxes) > 340
    assert min(each["height"] for each in boxes) > 60
    for upper, lower in pairwise(boxes):
        assert lower["y"] >= upper["y"] + upper["height"] - 1
    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["viewport"]["width"]
    for row in await page.locator(".calls li").all():
        each = await box(row)
        assert each["x"] + each["width"] <= 390


async def test_everything_can_be_reached_on_a_phone(phone: Visit) -> None:
    """An operation can be typed, run and read by touch."""
    page = phone.page
    await page.tap(f"{QUERY_EDITOR} .CodeMirror-lines")
    await page.keyboard.press("Control+A")
    await page.keyboard.insert_text("query Typed { __typename }")
    await expect(phone.tabs.first).to_have_text("Typed")
    await page.tap(".graphiql-execute-button")
    await expect(page.locator(RESULT)).to_contain_text('"__typename": "Query"')
    await page.locator(".calls summary").scroll_into_view_if_needed()
    await page.tap(".calls summary")
    for name in ("Headers", "Variables"):
        await page.tap(f"button[data-name={name.lower()}]")
        await expect(page.locator(f"[aria-label={name}]")).to_be_in_viewport()
    await page.tap("button[aria-label='Open settings dialog']")
    await expect(page.locator(".graphiql-dialog")).to_be_in_viewport(ratio=1)
    await expect(page.locator(".graphiql-dialog button[data-theme=dark]")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("width", [1280, 390])
async def test_the_title_has_one_line(open_page: Callable[..., Awaitable[Visit]], gateway_url: str, width: int) -> None:
    """With the docs open too, the title is on one line and beside the tabs and buttons."""
    visit = await open_page(f"{gateway_url}/graphql", viewport={"width": width, "height": 800})
    await visit.page.click("button[aria-label='Show Documentation Explorer']")
    title = await box(visit.page.locator(".graphiql-logo"))
    assert title["height"] < 30
    assert title["x"] + title["width"] <= width
    for other in (".graphiql-tab-add", "button[aria-label='Open settings dialog']"):
        button = await box(visit.page.locator(other))
        assert (
            button["x"] + button["width"] <= title["x"]
            or button["y"] >= title["y"] + title["height"]
            or button["y"] + button["height"] <= title["y"]
        )
