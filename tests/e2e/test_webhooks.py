"""Webhooks: subscriptions get the changes of other programs, and each change of the gateway once."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import ClientSession

from gateway.sandbox import RESELLER_ID, RESELLER_TOKEN, WEBHOOK_TOKEN

ADA = "00000000-0000-4000-8000-000000000001"
SUBSCRIPTION = "subscription { userChanged(sources: [RESELLER]) { change user { sourceId company } } }"
FIELDS = (
    "subscription { userChanged(sources: [RESELLER]) { change occurredAt user { sourceId email company updatedAt } } }"
)
CHANGE = (
    f'mutation ($company: String!) {{ updateResellerUser(id: "{ADA}", input: {{company: $company}}) {{ company }} }}'
)


@asynccontextmanager
async def subscribed(
    session: ClientSession, url: str, subscription: str = SUBSCRIPTION
) -> AsyncIterator[AsyncIterator[Any]]:
    """Open a subscription as an event stream, and return its events."""
    headers = {"Accept": "text/event-stream"}
    async with session.post(f"{url}/graphql", json={"query": subscription}, headers=headers) as response:
        assert response.status == 200

        async def events() -> AsyncIterator[Any]:
            async for line in response.content:
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))["data"]["userChanged"]

        await response.content.readline()  # the first ping: the subscription has started
        yield events()


async def next_event(events: AsyncIterator[Any]) -> Any:
    """Return the next event."""
    async with asyncio.timeout(30):
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
        async with asyncio.timeout(30):
            while len(await webhooks(world)) < 2:
                pass
        await world.data(CHANGE, {"company": "Third Engines"})
        assert (await next_event(events))["user"]["company"] == "Third Engines"


async def test_the_signature_is_verified(world: Any) -> None:
    """A webhook with a wrong signature is refused; with the right one it is accepted."""
    user = await world.stored("reseller", ADA)
    body = json.dumps(
        {"event": "reseller.user.updated", "data": user, "triggeredAt": datetime.now(UTC).isoformat()}
    ).encode()
    for token, status in (("another", 401), (WEBHOOK_TOKEN, 200)):
        signature = base64.b64encode(hmac.digest(token.encode(), body, hashlib.sha256)).decode()
        headers = {"Webhook-Signature": signature, "Content-Type": "application/json"}
        async with world.session.post(f"{world.url}/webhooks/reseller", data=body, headers=headers) as response:
            assert response.status == status, await response.text()


async def webhooks(world: Any) -> list[Any]:
    """Return the webhooks that the gateway has accepted since the last `forget`."""
    async with world.session.get(f"{world.control}/calls") as response:
        return [call for call in await response.json() if call["source"] == "webhooks" and call["status"] == 200]


async def test_a_webhook_of_another_reseller(world: Any) -> None:
    """A webhook about a user that the configured reseller does not have is counted, and is no event."""
    foreign = {
        "id": "99999999-0000-4000-8000-000000000001",
        "email": "foreign@example.com",
        "organizationId": "foreign",
    }
    before = await count(world, "foreign")
    async with subscribed(world.session, world.url, FIELDS) as events:
        for change in ("created", "updated", "deleted"):
            await send(world, {"event": f"reseller.user.{change}", "data": foreign})
        async with asyncio.timeout(30):
            while await count(world, "foreign") < before + 3:
                pass
        at = datetime.now(UTC).isoformat()
        await send(world, {"event": "reseller.user.updated", "data": {"id": ADA, "company": "X"}, "triggeredAt": at})
        event = await next_event(events)
    user = await world.stored("reseller", ADA)
    assert (event["change"], event["occurredAt"]) == ("UPDATED", at)
    assert (event["user"]["sourceId"], event["user"]["company"]) == (ADA, "X")
    # The webhook left these out: they are read.
    assert event["user"]["email"] == user["email"]
    assert event["user"]["updatedAt"] is not None


async def test_a_deletion(world: Any) -> None:
    """A user that is deleted in the reseller API is an event with the user as it was."""
    headers = {"Authorization": f"Bearer {RESELLER_TOKEN}"}
    base = f"{world.control.replace('/_sandbox', '/reseller')}/v3/resellers/{RESELLER_ID}"
    async with world.session.get(f"{base}/organizations", headers=headers) as response:
        organization = (await response.json())[0]["id"]
    new = {
        "firstName": "Lin",
        "email": "lin@example.com",
        "role": "user",
        "allowCustomerPortalAccess": True,
        "password": "12345678",
        "organizationId": organization,
    }
    async with subscribed(world.session, world.url, FIELDS) as events:
        async with world.session.post(f"{base}/users", json=new, headers=headers) as response:
            created = await response.json()
        assert (await next_event(events))["user"]["sourceId"] == created["id"]
        async with world.session.delete(f"{base}/users/{created['id']}", headers=headers) as response:
            assert response.status == 204
        event = await next_event(events)
    assert (event["change"], event["user"]["email"]) == ("DELETED", "lin@example.com")


async def send(world: Any, webhook: Any) -> None:
    """Let the reseller API send a webhook."""
    async with world.session.post(f"{world.control}/webhooks", json=webhook) as response:
        assert response.status == 204, await response.text()


async def count(world: Any, result: str) -> float:
    """Return how many webhooks had that result."""
    async with world.session.get(f"{world.url}/metrics") as response:
        text = await response.text()
    found = re.search(rf'^gateway_webhooks_total{{result="{result}"}} (\S+)', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_a_gateway_that_forwards_credentials(fresh: Any) -> None:
    """Without a credential nothing can be read: every user is taken for one of the configured reseller."""
    world = await fresh(credentials="forward", reseller={"webhook_token": WEBHOOK_TOKEN})
    body = json.dumps({"event": "reseller.user.updated", "data": {"id": "unread"}}).encode()
    signature = base64.b64encode(hmac.digest(WEBHOOK_TOKEN.encode(), body, hashlib.sha256)).decode()
    headers = {"Webhook-Signature": signature}
    async with world.session.post(f"{world.url}/webhooks/reseller", data=body, headers=headers) as response:
        assert (response.status, await response.json()) == (200, {"result": "accepted"})
    assert await world.calls() == []


async def test_older_than_what_is_recognised(fresh: Any) -> None:
    """With a short GATEWAY_EVENTS_WINDOW, a webhook from before it is refused: it may be a repeated one."""
    world = await fresh(events_window=60.0, reseller={"webhook_token": WEBHOOK_TOKEN})
    sent = (datetime.now(UTC) - timedelta(seconds=90)).isoformat()
    body = json.dumps({"event": "reseller.user.updated", "data": {"id": ADA}, "triggeredAt": sent}).encode()
    signature = base64.b64encode(hmac.digest(WEBHOOK_TOKEN.encode(), body, hashlib.sha256)).decode()
    headers = {"Webhook-Signature": signature}
    async with world.session.post(f"{world.url}/webhooks/reseller", data=body, headers=headers) as response:
        assert response.status == 400
        assert "60 seconds" in (await response.json())["detail"]
