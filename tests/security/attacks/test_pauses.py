"""Nothing that a caller may send delays the others."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from security.attacks.conftest import scaled
from security.attacks.frames import send_to_sockets, websocket_frame
from security.attacks.measuring import assert_no_pause
from security.outside import Caller, Keys, RecordedProcess


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize("kind", ["ping frames", "ping messages", "one message"])
async def test_frames_before_the_connection_init(target: RecordedProcess, kind: str, count: int) -> None:
    """Whatever sockets send before `connection_init`, other clients are served meanwhile."""
    data = {
        "ping frames": websocket_frame(9, b"") * 40_000,
        "ping messages": websocket_frame(1, b'{"type":"ping"}') * 12_000,
        "one message": websocket_frame(1, json.dumps({"type": "ping", "payload": {"a": [{}] * 250_000}}).encode()),
    }[kind]
    await assert_no_pause(target, lambda: send_to_sockets(target, data, count))


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(
            {"query": "subscription ($i: [ID!]) { userChanged(ids: $i) { id } }", "variables": {"i": ["1"] * 200_000}},
            id="a list of ids",
        ),
        pytest.param(
            {
                "query": "query ($f: UserFilter) { users(first: 1, filter: $f) { nodes { id } } }",
                "variables": {"f": {"sources": ["ACCOUNT"] * 90_000}},
            },
            id="a list in an input",
        ),
        pytest.param(
            {
                "query": "query ($f: UserFilter) { users(first: 1, filter: $f) { nodes { id } } }",
                "variables": {"f": {f"field{number}": 1 for number in range(60_000)}},
            },
            id="unknown fields of an input",
        ),
        pytest.param(
            {
                "query": "{ __typename "
                + " ".join(f"...F{number}" for number in range(499))
                + " }"
                + "".join(f"fragment F{number} on Query {{ __typename }}" for number in range(499))
            },
            id="fragments side by side",
        ),
        pytest.param(
            {
                "query": "{ __typename }"
                + "".join(f"fragment F{number} on Query {{ __typename }}" for number in range(550))
            },
            id="unused fragments",
        ),
    ],
)
async def test_an_expensive_operation(
    target: RecordedProcess, caller_of: Callable[..., Caller], payload: dict[str, Any]
) -> None:
    """An operation within all limits is validated and executed without a pause for others."""
    caller = caller_of(target, "reader")
    number = 0

    async def send() -> None:
        nonlocal number
        number += 1
        await caller.send(payload | {"query": f"{payload['query']} #{number}"})  # each is another document

    await assert_no_pause(target, send)


async def test_an_expensive_header(target: RecordedProcess) -> None:
    """A long `Accept` of commas without a credential is no work."""

    async def send() -> None:
        async with ClientSession() as session:
            for _ in range(20):
                async with session.post(
                    target.address("GraphQL"), json={}, headers={"Accept": "," * 7_000}
                ) as response:
                    await response.read()

    await assert_no_pause(target, send)


async def test_many_subscriptions_of_one_caller(target: RecordedProcess, keys: Keys) -> None:
    """Thousands of subscriptions of one caller that only look different are bounded, and an event delays nobody."""
    url = target.address("GraphQL")
    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        sockets = []
        for number in range(scaled(20)):
            socket = await session.ws_connect(url, protocols=["graphql-transport-ws"])
            await socket.send_json({"type": "connection_init", "payload": {"x-api-key": keys.by_name["reader"]}})
            assert (await socket.receive_json(timeout=5))["type"] == "connection_ack"
            for operation in range(100):
                payload = {
                    "query": "subscription { userChanged { user { id name } } }",
                    "variables": {"x": f"{number} {operation}"},
                }
                await socket.send_json({"type": "subscribe", "id": str(operation), "payload": payload})
            sockets.append(socket)
        await asyncio.sleep(2)
        change = {
            "query": 'mutation { updateResellerUser(id: "00000000-0000-4000-8000-000000000001", '
            'input: {company: "Engines"}) { id } }'
        }

        async def execute() -> None:
            async with session.post(url, json=change, headers={"X-API-Key": keys.by_name["all"]}) as response:
                assert "errors" not in await response.json()
            await asyncio.sleep(1)

        await assert_no_pause(target, execute)
        for socket in sockets:
            await socket.close()
