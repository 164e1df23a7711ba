"""A failover of Redis behind one address: everything goes on within seconds."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from faults.conftest import FaultyWorld, eventually
from state.server import RedisPair

UPDATE = 'mutation ($n: String!) { updateAccountUser(id: "acus_adalovelace1", input: {name: $n}) { name } }'
TOKEN = "failover-token"
SUBSCRIPTION = {"query": "subscription { userChanged { user { source sourceId name } } }"}


async def test_a_failover(faulty_world: Callable[..., Any], redis_pair: RedisPair) -> None:
    """Changes with and without a key, webhooks and subscriptions of two replicas continue after two failovers."""
    url = redis_pair.url
    first = await faulty_world(redis_url=url, reseller={"webhook_token": TOKEN})
    second = await faulty_world(redis_url=url, behind=first, reseller={"webhook_token": TOKEN})
    names: list[str] = []
    following = asyncio.ensure_future(_follow(second, names))
    await eventually(lambda: _has_subscriber(second))
    for number in range(3):
        with_key, without_key = f"key-{number}", f"none-{number}"
        await eventually(lambda name=with_key: _changed(first, name, **{"Idempotency-Key": name}))
        await eventually(lambda name=without_key: _changed(second, name))
        await eventually(lambda number=number: _webhook_accepted(first, number))
        expected = [with_key, without_key, _user_id(number)]
        await eventually(lambda expected=expected: names[-3:] == expected)
        await redis_pair.fail_over()
    assert len(names) == 9
    following.cancel()
    assert await first.metric("gateway_redis_total", event="lost") == 0  # a new connection was enough


async def _changed(world: FaultyWorld, name: str, **headers: str) -> bool:
    return "errors" not in await world.graphql(UPDATE, {"n": name}, **headers)


async def _has_subscriber(world: FaultyWorld) -> bool:
    _, text = await world.text("/metrics")
    return "gateway_event_subscribers 1.0" in text


async def _webhook_accepted(world: FaultyWorld, number: int) -> bool:
    user = {
        "id": _user_id(number),
        "firstName": "Webhook",
        "lastName": "W",
        "email": "w@faults.example",
        "updatedAt": f"2026-01-01T00:00:0{number}.000Z",
    }
    body = json.dumps({"event": "reseller.user.updated", "data": user}).encode()
    signature = base64.b64encode(hmac.digest(TOKEN.encode(), body, hashlib.sha256)).decode()
    headers = {"Webhook-Signature": signature}
    async with world.session.post(f"{world.url}/webhooks/reseller", data=body, headers=headers) as response:
        return response.status == 200


def _user_id(number: int) -> str:
    """Return the id of a user of the reseller source."""
    return f"00000000-0000-4000-8000-00000000000{number + 1}"


async def _follow(world: FaultyWorld, names: list[str]) -> None:
    headers = {"Accept": "text/event-stream"}
    async with world.session.post(f"{world.url}/graphql", json=SUBSCRIPTION, headers=headers) as response:
        async for line in response.content:
            if line.startswith(b"data: {"):
                user = json.loads(line[6:])["data"]["userChanged"]["user"]
                names.append(user["sourceId"] if user["source"] == "RESELLER" else user["name"])
