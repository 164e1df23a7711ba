"""Pictures in a page of another origin, in a real Chromium."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession, FormData, web
from chromium import chromium
from playwright.async_api import Error, Page
from web_app import running

from gateway import Settings
from gateway.app.serving import serving
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, SOFTWAREONE_TOKEN, SandboxServer

UPLOAD = """mutation ($icon: Upload) {
  updateSoftwareOneUser(id: "USR-0000-0001", input: {icon: $icon}) { imageUrl }
}"""
QUERY = """{
  account: user(id: "acus_adalovelace1", source: ACCOUNT) { imageUrl }
  marketplace: user(id: "USR-0000-0001", source: SOFTWAREONE) { imageUrl accounts { imageUrl } }
}"""
LOADED = "Promise.all([...document.images].map((image) => image.decode().then(() => image.naturalWidth, () => 0)))"


@dataclass
class Site:
    """A page of another origin than the gateway: its HTML, its URL, and which other paths were requested there."""

    page: Page
    gateway: str
    url: str = ""
    html: str = ""
    media_type: str = "text/html"
    requested: list[str] = field(default_factory=list)

    async def respond(self, request: web.Request) -> web.Response:
        if request.path != "/":
            self.requested.append(request.path)
        return web.Response(text=self.html, content_type=self.media_type, headers={"Access-Control-Allow-Origin": "*"})

    async def show(self, html: str) -> list[int]:
        """Show this HTML, and return the widths of its pictures, 0 for one that could not be loaded."""
        self.html = html
        await self.page.goto(self.url)
        widths: list[int] = await self.page.evaluate(LOADED)
        return widths

    async def graphql(self, session: ClientSession, **sent: Any) -> Any:
        """Execute an operation, and return its data."""
        headers = {"GraphQL-Require-Preflight": "1"}
        async with session.post(f"{self.gateway}/graphql", headers=headers, **sent) as response:
            return (await response.json())["data"]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A page at `localhost`, and a gateway at 127.0.0.1 that admits it; to a browser these are different sites."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(SandboxServer())
        browser = await stack.enter_async_context(chromium())
        site = Site(await browser.new_page(), "")
        app = web.Application()
        app.router.add_get("/{path:.*}", site.respond)
        site.url = (await stack.enter_async_context(running(app))).replace("127.0.0.1", "localhost")
        account: Any = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
        softwareone: Any = {"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN}
        settings = Settings(
            http_port=0, grpc_port=None, cors_origins=(site.url,), account=account, softwareone=softwareone
        )
        site.gateway = (await stack.enter_async_context(serving(settings))).http
        yield site


async def test_a_page_shows_pictures(site: Site) -> None:
    """An `<img>` of a page of another origin shows the pictures of both sources, without a header."""
    async with ClientSession() as session:
        data = await site.graphql(session, json={"query": QUERY})
    urls = [data["account"]["imageUrl"], data["marketplace"]["imageUrl"]]
    urls += [account["imageUrl"] for account in data["marketplace"]["accounts"]]
    for attribute in ("", "crossorigin"):  # the second one after the first, which a browser has cached
        widths = await site.show("".join(f'<img {attribute} src="{url}">' for url in urls))
        assert len(widths) == 4
        assert 0 not in widths


async def test_an_svg_runs_no_script(site: Site) -> None:
    """A script in an uploaded SVG is not executed: neither in an `<img>`, nor in a frame, nor when it is opened."""
    script = f'<script href="{site.url}/src"></script><script>fetch("{site.url}/inline")</script>'
    events = f'<rect width="9" height="9" fill="red"/><image href="x" onerror="fetch(\'{site.url}/event\')"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{script}{events}</svg>'
    form = FormData()
    form.add_field("operations", json.dumps({"query": UPLOAD, "variables": {"icon": None}}))
    form.add_field("map", json.dumps({"0": ["variables.icon"]}))
    form.add_field("0", svg.encode(), filename="a.svg", content_type="image/svg+xml")
    async with ClientSession() as session:
        url = (await site.graphql(session, data=form))["updateSoftwareOneUser"]["imageUrl"]
    embedded = f'<iframe src="{url}"></iframe><object data="{url}"></object><embed src="{url}">'
    assert await site.show(f'<img src="{url}">{embedded}') == [9]
    with pytest.raises(Error, match="Download"):
        await site.page.goto(url)
    assert await site.show('<img src="/last">') == [0]
    assert [path for path in site.requested if path != "/favicon.ico"] == ["/last"]


async def test_an_svg_without_the_headers_would(site: Site) -> None:
    """The same SVG runs its script where another server sends it plainly: the test above can fail."""
    site.media_type = "image/svg+xml"
    site.html = f'<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("{site.url}/inline")</script></svg>'
    async with site.page.expect_request("**/inline"):
        await site.page.goto(site.url)
