"""The status page in a real Chromium without JavaScript, on a phone and on a desktop."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from callers.issuing import AUDIENCE, ISSUER, claims, new_key, signed
from chromium import chromium
from joserfc.jwk import Key, KeySet
from playwright.async_api import Browser, Page, expect

from gateway import Settings
from gateway.app.serving import serving
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, SOFTWAREONE_TOKEN, SandboxOptions, SandboxServer

pytestmark = pytest.mark.asyncio(loop_scope="module")
expect.set_options(timeout=20_000)  # milliseconds: nothing here takes that long

MARKUP = '<b id="injected">reports & co</b>'
USERS = "query Users { users(first: 5) { nodes { id } } }"
WIDTHS = {1280: {"width": 1280, "height": 900}, 390: {"width": 390, "height": 844}}
THEMES = ["light", "dark"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests."""
    async with chromium() as browser:
        yield browser


def key_file(folder: Path, key: Key) -> Path:
    """Write a key set with one key."""
    file = folder / "jwks.json"
    file.write_text(json.dumps(KeySet([key]).as_dict(private=True)))
    return file


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def status_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The status page of a gateway in production, of which one source works and one fails, with a caller's markup."""
    key = new_key("HS256", "status")
    keys = key_file(tmp_path_factory.mktemp("keys"), key)
    auth = {"mode": "jwt", "jwks_file": keys, "issuer": ISSUER, "audience": AUDIENCE, "algorithms": "HS256"}
    token = signed(key, "HS256", claims(sub=MARKUP), kid="status")
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(rate_limits=False)))
        settings: dict[str, Any] = {
            "environment": "production",
            "auth": auth,
            "account": {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID},
            "softwareone": {"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN, "max_attempts": 1},
        }
        addresses = await stack.enter_async_context(
            serving(Settings(http_port=0, grpc_port=None, admin_port=0, **settings))
        )
        session = await stack.enter_async_context(ClientSession(headers={"Authorization": f"Bearer {token}"}))
        fault = {"source": "softwareone", "kind": "html", "times": 50}
        for number in range(6):
            async with session.post(f"{addresses.http}/graphql", json={"query": USERS}) as response:
                assert response.status == 200
            if number == 2:
                async with session.post(f"{sandbox.control_url}/faults", json=fault) as response:
                    assert response.status < 300
        yield f"{addresses.admin}/status"


async def opened(
    browser: Browser, url: str, width: int, theme: Any = "light", *, refresh: bool = False
) -> tuple[Page, list[str]]:
    """Open the page without JavaScript; return it, and what the console reports, for example by the policy.

    With `refresh` it loads itself again every few seconds, perhaps while a test looks at it.
    """
    context = await browser.new_context(viewport=WIDTHS[width], color_scheme=theme, java_script_enabled=False)
    page = await context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("requestfailed", lambda request: problems.append(request.url))
    response = await page.goto(url if refresh else f"{url}?refresh=off")
    assert response is not None
    assert response.status == 200
    return page, problems


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
async def test_everything_is_on_the_screen(browser: Browser, status_url: str, width: int, theme: str) -> None:
    """The page is as wide as the screen, all parts are visible, and nothing violates its policy."""
    page, problems = await opened(browser, status_url, width, theme)
    await expect(page.locator("h1")).to_have_text("User gateway")
    await expect(page.locator("header .state")).to_have_text("ready")
    for id_ in ("requests", "source-account", "source-softwareone", "callers", "operations", "warnings"):
        box = await page.locator(f"#{id_}").bounding_box()
        assert box is not None
        assert box["width"] > width * 0.25
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    for cell in await page.locator("td, dd, code").all():
        box = await cell.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width + 1, await cell.inner_text()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await page.evaluate("[...document.fonts].filter((font) => font.status == 'loaded').length") >= 2
    colour = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(255, 255, 255)") == (theme == "light")
    await page.context.close()
    assert problems == []


@pytest.mark.parametrize("width", WIDTHS)
async def test_plots(browser: Browser, status_url: str, width: int) -> None:
    """Each source has a bar for its calls, one for those that failed, and one for their duration."""
    page, _ = await opened(browser, status_url, width)
    failing = page.locator("#source-softwareone")
    working = page.locator("#source-account")
    for part in (failing, working):
        for kind in ("count", "median", "p95"):
            box = await part.locator(f"rect.{kind}").last.bounding_box()
            assert box is not None
            assert box["width"] > 0.5
            assert box["height"] > 1
    await expect(working.locator("rect.failed")).to_have_count(0)
    label = await working.locator("svg").first.get_attribute("aria-label")
    assert label is not None
    assert re.fullmatch(r"\d+ calls in ten minutes, 0 of them failed", label)
    await page.context.close()


async def test_the_name_of_a_caller_is_text(browser: Browser, status_url: str) -> None:
    """Markup in the name of a caller is shown and not obeyed."""
    page, _ = await opened(browser, status_url, 1280)
    await expect(page.locator("#callers td").first).to_have_text(f"jwt:{ISSUER}|{MARKUP}")
    await expect(page.locator("#injected")).to_have_count(0)
    await page.context.close()


async def test_the_page_loads_itself_again(browser: Browser, status_url: str) -> None:
    """The page has the time of its loading again, which a link ends and another one begins."""
    page, _ = await opened(browser, status_url, 390, refresh=True)
    refresh = page.locator("meta[http-equiv=refresh]")
    await expect(refresh).to_have_count(1)
    stop = page.get_by_role("link", name="stop loading the page again")
    box = await stop.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390
    await stop.click()
    await page.wait_for_url("**/status?refresh=off")
    await expect(refresh).to_have_count(0)
    await page.get_by_role("link", name="load the page again").click()
    await page.wait_for_url("**/status")
    await expect(refresh).to_have_count(1)
    await page.context.close()


async def test_the_links_lead_to_the_rest(browser: Browser, status_url: str) -> None:
    """The page leads to the same as JSON, and to the metrics."""
    page, _ = await opened(browser, status_url, 1280)
    await page.get_by_role("link", name="JSON").click()
    await page.wait_for_url("**/status?format=json")
    await expect(page.locator("body")).to_contain_text('"process"')
    await page.go_back()
    await page.get_by_role("link", name="metrics").click()
    await page.wait_for_url("**/metrics")
    await expect(page.locator("body")).to_contain_text("gateway_circuit_state")
    await page.context.close()
