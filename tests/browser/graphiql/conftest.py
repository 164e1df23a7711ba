"""GraphiQL in a real Chromium against a running gateway."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest_asyncio
from browser.graphiql.visit import QUERY_EDITOR, Visit, is_post
from chromium import chromium
from playwright.async_api import Browser

REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => console.error("CSP:", event.violatedDirective));
"""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests; each visitor has a context of its own, with empty storage."""
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser) -> AsyncIterator[Callable[..., Awaitable[Visit]]]:
    """Opens a URL for a new visitor; afterwards checks that there were no requests to other origins and no errors.

    Options are those of a browser context, for example its viewport.
    """
    visits: list[tuple[str, Visit]] = []

    async def opened(url: str, **options: Any) -> Visit:
        # Handlers of the context, not of the page: they get the events of all pages of this visitor.
        context = await browser.new_context(**options)
        visit = Visit(await context.new_page())
        visits.append((urlsplit(url).netloc, visit))
        visit.watch(visit.page)
        context.on("page", visit.watch)
        context.on("request", lambda request: visit.requests.append(request.url))
        context.on("console", visit.note)
        context.on("weberror", lambda error: visit.problems.append(str(error.error)))
        await context.add_init_script(REPORT_VIOLATIONS)
        # Wait for the schema, the last that the page loads by itself.
        async with visit.page.expect_response(is_post):
            await visit.page.goto(url)
        await visit.page.wait_for_selector(QUERY_EDITOR)
        return visit

    yield opened
    for origin, visit in visits:
        await visit.page.context.close()
        expected = (f"http://{origin}/", f"ws://{origin}/", "data:")
        foreign = [url for url in visit.requests if not url.startswith(expected)]
        assert (foreign, visit.problems) == ([], [])


@pytest_asyncio.fixture(loop_scope="session")
async def visit(open_page: Callable[..., Awaitable[Visit]], gateway_url: str) -> Visit:
    """A new visitor of the shared `gateway demo`."""
    return await open_page(f"{gateway_url}/graphql")
