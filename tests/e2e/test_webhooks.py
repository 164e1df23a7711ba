"""Webhooks: subscriptions get the changes of other programs, and each change of the gateway once."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession

from gateway.sandbox import RESELLER_ID, RESELLER_TOKEN, WEBHOOK_TOKEN

ADA = "00000000-0000-4000-8000-000000000001"
SUBSCRIPTION = "subscription { userChanged(sources: [RESELLER]) { change user { sourceId company } } }"
CHANGE = (
    f'mutation ($company: String!) {{ updateResellerUser(id: "{ADA}", input: {{company: $company}}) {{ company }} }}'
)


@asynccontextmanager
async def subscribed(session: ClientSession, url: str) -> AsyncIterator[AsyncIterator[Any]]:
    """Open a subscription as an event stream, and return its events."""
    headers = {"Accept": "text/event-stream"}
    async with session.post(f"{url}/graphql", json={"query": SUBSCRIPTION}, headers=headers) as response:
        assert response.status == 200

        async def events() -> AsyncIterator[Any]:
            async for line in response.content:
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))["data"]["userChanged"]

        await response.content.readline()  # the first ping: the subscription has started
        yield events()


async def next_event(events: AsyncIterator[Any]) -> Any:
    """Return the next event."""
    async with asyncio.timeout(10):
        return await anext(events)


async def test_a_change_made_elsewhere(world: Any) -> None:
    """A change that another program made at the reseller API is an event."""
    reseller = world.control.replace("/_sandbox", "/reseller")
    async with subscribed(world.session, world.url) as events:
        headers = {"Authorization": f"Bearer {RESELLER_TOKEN}"}
        change = {"company": "Difference Engines"}
        url = f"{reseller}/v3/resellers/{RESELLER_ID}/users/{ADA}"
        async with world.session.patch(url, json=change, headers=headers) as response:
            assert response.status == 200, await response.text()
        assert await next_event(events) == {
            "change": "UPDATED",
            "user": {"sourceId": ADA, "company": "Difference Engines"},
        }


async def test_a_change_of_the_gateway_is_one_event(world: Any) -> None:
    """A change through the gateway is one event, although the reseller API also sends a webhook."""
    async with subscribed(world.session, world.url) as events:
        for company in ("First Engines", "Second Engines"):
            await world.data(CHANGE, {"company": company})
        assert [(await next_event(events))["user"]["company"] for _ in range(2)] == ["First Engines", "Second Engines"]
        # Both webhooks arrive and cause no further events.
        async with asyncio.timeout(10):
            while len(await webhooks(world)) < 2:
                pass
        await world.data(CHANGE, {"company": "Third Engines"})
        assert (await next_event(events))["user"]["company"] == "Third Engines"


async def test_the_signature_is_verified(world: Any) -> None:
    """A webhook with a wrong signature is refused; with the right one it is accepted."""
    user = await world.stored("reseller", ADA)
    body = json.dumps({"event": "reseller.user.updated", "data": user, "triggeredAt": "2026-11-22T00:00:00Z"}).encode()
    for token, status in (("another", 401), (WEBHOOK_TOKEN, 200)):
        signature = base64.b64encode(hmac.digest(token.encode(), body, hashlib.sha256)).decode()
        headers = {"Webhook-Signature": signature, "Content-Type": "application/json"}
        async with world.session.post(f"{world.url}/webhooks/reseller", data=body, headers=headers) as response:
            assert response.status == status, await response.text()


async def webhooks(world: Any) -> list[Any]:
    """Return the webhooks that the gateway has accepted since the last `forget`."""
    async with world.session.get(f"{world.control}/calls") as response:
        return [call for call in await response.json() if call["source"] == "webhooks" and call["status"] == 200]
