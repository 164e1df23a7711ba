"""The EventSource of a browser, which can send no header, in a real Chromium."""

import asyncio
from typing import Any

from chromium import chromium

SUBSCRIPTION = "subscription { userChanged(sources: [ACCOUNT]) { user { name } } }"
FOLLOW = """
  (query) => new Promise((resolve, reject) => {
    window.names = [];
    const source = new EventSource(`/graphql?${new URLSearchParams({query})}`);
    source.addEventListener("next", ({data}) => names.push(JSON.parse(data).data.userChanged.user.name));
    source.addEventListener("complete", () => source.close());
    source.onopen = () => resolve();
    source.onerror = () => reject(new Error("not opened"));
  })
"""
RENAME = "mutation ($name: String!) { updateAccountUser(id: $id, input: {name: $name}) { name } }".replace(
    "$id", '"acus_adalovelace1"'
)


async def test_a_page_of_the_gateways_origin(fresh: Any) -> None:
    """A page of the gateway's origin can subscribe with an EventSource, and receives the changes in order."""
    world = await fresh()
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{world.url}/healthz")
        await page.evaluate(FOLLOW, SUBSCRIPTION)
        while not await page.evaluate("names.length"):  # the subscription begins a little after the response
            await world.data(RENAME, {"name": "begin"})
            await asyncio.sleep(0.05)
        names = [f"Ada {number}" for number in range(5)]
        for name in names:
            await world.data(RENAME, {"name": name})
        await page.wait_for_function("names.at(-1) === 'Ada 4'")
        assert (await page.evaluate("names"))[-5:] == names
