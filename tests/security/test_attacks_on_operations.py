"""Attacks by operations within all limits: however expensive they are to check or to execute, others are served."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from security.attacker import scaled, unstalled
from security.outside import Caller, Keys, RecordedProcess, Serve

_LIST = "query ($f: UserFilter) { users(first: 1, filter: $f) { nodes { id } } }"
_FOLLOW = "subscription ($i: [ID!]) { userChanged(ids: $i) { id } }"
OPERATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "a list of ids": (_FOLLOW, {"i": ["1"] * 200_000}),
    "a list in an input": (_LIST, {"f": {"sources": ["ACCOUNT"] * 90_000}}),
    "unknown fields of an input": (_LIST, {"f": {f"field{number}": 1 for number in range(60_000)}}),
    "fragments side by side": (
        "{ __typename "
        + " ".join(f"...F{number}" for number in range(499))
        + " }"
        + "".join(f"fragment F{number} on Query {{ __typename }}" for number in range(499)),
        {},
    ),
    "unused fragments": (
        "{ __typename }" + "".join(f"fragment F{number} on Query {{ __typename }}" for number in range(550)),
        {},
    ),
    "wrong entities": ("query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }", {"r": [{}] * 1_000}),
    "fields of one name": ('{ person(email: "a@b.example") { ' + "email " * 140 + "} }", {}),
}


@pytest.fixture(scope="module", params=["aiohttp", "lean"])
def attacked(
    request: pytest.FixtureRequest, serve: Serve, production_settings: dict[str, str]
) -> Iterator[RecordedProcess]:
    """A gateway with the settings of production, as a subgraph, on each of the servers."""
    with serve(**production_settings, GATEWAY_FEDERATION="on", GATEWAY_HTTP_SERVER=request.param) as running:
        yield running


@pytest.mark.parametrize("kind", OPERATIONS)
async def test_an_expensive_operation(attacked: RecordedProcess, caller_of: Callable[..., Caller], kind: str) -> None:
    """A document or its variables, up to the largest request, are checked without stopping the event loop."""
    query, variables = OPERATIONS[kind]
    numbers = count()

    async def attack() -> None:
        for _ in range(scaled(3)):
            payload = {"query": f"{query} # {next(numbers)}", "variables": variables}  # each is another document
            await caller_of(attacked, "reader").send(payload)

    await unstalled(attacked, attack)


async def test_many_subscriptions_of_one_caller(attacked: RecordedProcess, keys: Keys) -> None:
    """Two thousand subscriptions of one caller that only look different are executed as one for an event."""
    url = attacked.address("GraphQL")
    query = "subscription { userChanged { user { id name } } }"
    user = "00000000-0000-4000-8000-000000000001"
    change = f'mutation {{ updateResellerUser(id: "{user}", input: {{company: "Engines"}}) {{ id }} }}'
    key = {"X-API-Key": keys.by_name["all"]}
    async with ClientSession(connector=TCPConnector(limit=0)) as session, AsyncExitStack() as stack:
        for number in range(scaled(20)):
            socket = await stack.enter_async_context(session.ws_connect(url, protocols=["graphql-transport-ws"]))
            await socket.send_json({"type": "connection_init", "payload": {"x-api-key": keys.by_name["reader"]}})
            assert (await socket.receive_json(timeout=20))["type"] == "connection_ack"
            for operation in range(100):
                payload = {"query": query, "variables": {"x": f"{number} {operation}"}}
                await socket.send_json({"type": "subscribe", "id": str(operation), "payload": payload})

        async def attack() -> None:
            async with session.post(url, json={"query": change}, headers=key) as response:
                assert "errors" not in await response.json()
            await asyncio.sleep(1)

        await unstalled(attacked, attack, 3)
