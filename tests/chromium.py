"""Starts the Chromium of the machine, for tests with a real browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

__all__ = ["chromium"]

_EXECUTABLE = "/usr/bin/chromium"
_START = 120  # seconds: a browser that has not started by then hangs
_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@asynccontextmanager
async def chromium(*arguments: str) -> AsyncIterator[Browser]:
    """Run a browser until the block ends; `arguments` are added to its command line."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=_EXECUTABLE, args=[*_ARGUMENTS, *arguments], timeout=_START * 1000
        )
        try:
            yield browser
        finally:
            await browser.close()
