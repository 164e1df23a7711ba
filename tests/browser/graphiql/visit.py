"""A visitor of GraphiQL in a real Chromium."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import ConsoleMessage, Locator, Page, Request, Response, WebSocket, expect

__all__ = ["QUERY_EDITOR", "RESULT", "Visit", "is_post"]

QUERY_EDITOR = ".graphiql-query-editor .CodeMirror"
RESULT = ".graphiql-response .CodeMirror"
expect.set_options(timeout=20_000)  # milliseconds: nothing here takes that long
_HEADERS_EDITOR = "[aria-label=Headers] .CodeMirror:visible"


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

    @property
    def tabs(self) -> Locator:
        """The buttons of all tabs."""
        return self.page.locator(".graphiql-tab-button")

    async def type_into(self, editor: str, text: str) -> None:
        """Replace an editor's content by keyboard."""
        await self.page.click(f"{editor} .CodeMirror-lines")
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.press("Delete")
        # insert_text: the editor closes each bracket that is typed singly, and the text closes it too.
        await self.page.keyboard.insert_text(text)

    async def type_headers(self, text: str) -> None:
        """Replace the content of the Headers editor by keyboard."""
        await self.page.click("button[data-name=headers]")
        await self.type_into(_HEADERS_EDITOR, text)

    async def open_example(self, name: str, page: Page | None = None) -> None:
        """Open the tab of an example, with the focus in its editor."""
        page = page or self.page
        await page.click(f".graphiql-tab-button:text-is('{name}')")
        await expect(page.locator(QUERY_EDITOR)).to_contain_text(f" {name}(")
        await page.click(f"{QUERY_EDITOR} .CodeMirror-lines")

    async def focus(self) -> None:
        """Set the focus into the query editor, where Ctrl+Enter runs the operation."""
        await self.page.click(f"{QUERY_EDITOR} .CodeMirror-lines")

    async def stored(self, area: str) -> str:
        """Read all that the page has stored, which GraphiQL does half a second after the last key."""
        await _pass(self.page, 1_000)
        # evaluate, as wait_for_function needs eval, which the page's policy forbids.
        return str(await self.page.evaluate(f"JSON.stringify({{...{area}}})"))

    async def run(self, page: Page | None = None) -> Request:
        """Run the operation by keyboard and return the request that it made."""
        page = page or self.page
        async with page.expect_request(lambda request: request.method == "POST") as made:
            await self.start(page)
        return await made.value

    async def run_to_its_end(self) -> Any:
        """Run the operation by keyboard and return the JSON of the response."""
        response = await (await self.run()).response()
        assert response is not None
        return await response.json()

    async def start(self, page: Page | None = None) -> None:
        """Run the operation by keyboard."""
        page = page or self.page
        # GraphiQL parses the operation's name a tenth of a second after the text: no person is faster.
        await _pass(page, 200)
        await page.keyboard.press("Control+Enter")

    async def until_received(self) -> None:
        """Wait for a message by a WebSocket."""
        async with asyncio.timeout(30):
            while not self.received:  # noqa: ASYNC110 - Playwright calls a function, which sets no event
                await asyncio.sleep(0.02)


async def _pass(page: Page, milliseconds: int) -> None:
    """Wait in the page: what it was to do earlier is done then, however slow it is."""
    await page.evaluate(f"new Promise((done) => setTimeout(done, {milliseconds}))")
