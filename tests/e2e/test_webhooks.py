"""What another program changes at the reseller's reaches those who follow the gateway; so does our own, once."""

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
FOLLOW = "subscription { userChanged(sources: [RESELLER]) { change user { sourceId company } } }"
CHANGE = (
    f'mutation ($company: String!) {{ updateResellerUser(id: "{ADA}", input: {{company: $company}}) {{ company }} }}'
)


@asynccontextmanager
async def following(session: ClientSession, url: str) -> AsyncIterator[AsyncIterator[Any]]:
    """The events of a stream, from now on."""
    headers = {"Accept": "text/event-stream"}
    async with session.post(f"{url}/graphql", json={"query": FOLLOW}, headers=headers) as answer:
        assert answer.status == 200

        async def events() -> AsyncIterator[Any]:
            async for line in answer.content:
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))["data"]["userChanged"]

        await answer.content.readline()  # the first sign of life: it is followed from here on
        yield events()


async def told(events: AsyncIterator[Any]) -> Any:
    """The next event."""
    async with asyncio.timeout(10):
        return await anext(events)


async def test_a_change_made_elsewhere(world: Any) -> None:
    """A user that another program changes at the reseller's is told of to those who follow."""
    reseller = world.control.replace("/_sandbox", "/reseller")
    async with following(world.session, world.url) as events:
        headers = {"Authorization": f"Bearer {RESELLER_TOKEN}"}
        change = {"company": "Difference Engines"}
        url = f"{reseller}/v3/resellers/{RESELLER_ID}/users/{ADA}"
        async with world.session.patch(url, json=change, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
        assert await told(events) == {
            "change": "UPDATED",
            "user": {"sourceId": ADA, "company": "Difference Engines"},
        }


async def test_a_change_of_our_own_is_told_once(world: Any) -> None:
    """A change through the gateway is told of once, although the reseller sends a webhook about it too."""
    async with following(world.session, world.url) as events:
        for company in ("First Engines", "Second Engines"):
            await world.data(CHANGE, {"company": company})
        assert [(await told(events))["user"]["company"] for _ in range(2)] == ["First Engines", "Second Engines"]
        # Now let both webhooks come: nothing more is told of them.
        async with asyncio.timeout(10):
            while len(await webhooks(world)) < 2:
                pass
        await world.data(CHANGE, {"company": "Third Engines"})
        assert (await told(events))["user"]["company"] == "Third Engines"


async def test_a_stranger_cannot_send_one(world: Any) -> None:
    """A webhook with another signature is refused, and nobody hears of it; with the right one it is taken."""
    user = await world.stored("reseller", ADA)
    body = json.dumps({"event": "reseller.user.updated", "data": user, "triggeredAt": "2026-11-22T00:00:00Z"}).encode()
    for token, status in (("another", 401), (WEBHOOK_TOKEN, 200)):
        signature = base64.b64encode(hmac.digest(token.encode(), body, hashlib.sha256)).decode()
        headers = {"Webhook-Signature": signature, "Content-Type": "application/json"}
        async with world.session.post(f"{world.url}/webhooks/reseller", data=body, headers=headers) as answer:
            assert answer.status == status, await answer.text()


async def webhooks(world: Any) -> list[Any]:
    """The deliveries that the gateway has answered since the last `forget`."""
    async with world.session.get(f"{world.control}/calls") as answer:
        return [call for call in await answer.json() if call["source"] == "webhooks" and call["status"] == 200]
