"""The request attribute `onError` of operations over WebSockets and event streams."""

import json
from typing import Any

import pytest
from api.graphql.live.conftest import LiveServer
from api.graphql.live.test_streams import STREAM, event

from gateway.sandbox import RESELLER_ID
from gateway.users.model import Organization, User, UserChange, UserSource

TOO_MANY = f"{{ __typename nodes(ids: {json.dumps(['raw'] * 101)}) {{ id }} }}"
EVENTS = "subscription { userChanged { user { name organization { name } } } }"


def publish(server: LiveServer, name: str) -> None:
    """Publish an event of a user whose organization has to be looked up."""
    organization = Organization(RESELLER_ID, f"org-{name}")
    user = User(UserSource.RESELLER, "user", RESELLER_ID, name=name, organization=organization)
    server.event_log.publish(UserChange.UPDATED, user)


async def fail_once(server: LiveServer) -> None:
    """Let the next call to the reseller source fail."""
    fault = {"source": "reseller", "kind": "status", "status": 403, "times": 1}
    async with server.session.post(f"{server.sandbox.control_url}/faults", json=fault) as answer:
        assert answer.status < 300


async def test_a_query_on_a_websocket(server: Any) -> None:
    """The payload of `subscribe` has it."""
    async with server.socket() as socket:
        await socket.subscribe("1", TOO_MANY, onError="NULL")
        assert (await socket.receive())["payload"]["data"] == {"__typename": "Query", "nodes": None}


async def test_an_unknown_behavior_on_a_websocket(server: Any) -> None:
    """It is the error of its operation; the others on the connection go on."""
    async with server.socket() as socket:
        await socket.subscribe("1", TOO_MANY, onError="IGNORE")
        [error] = await socket.errors()
        assert error["message"] == "onError must be NULL, PROPAGATE or HALT."
        await socket.subscribe("2", "{ __typename }")
        assert await socket.next_data() == {"__typename": "Query"}


async def test_on_an_event_stream(server: Any) -> None:
    """The body of the request has it."""
    body = {"query": TOO_MANY, "onError": "NULL"}
    async with server.session.post(server.url, json=body, headers=STREAM) as stream:
        assert await stream.content.readline() == b":\n"
        name, payload = await event(stream)
    assert (name, payload["data"]) == ("next", {"__typename": "Query", "nodes": None})


@pytest.mark.parametrize("halting", [False, True])
async def test_an_event_with_an_error(server: Any, *, halting: bool) -> None:
    """With `HALT` an event with an error has no data, and the subscription goes on with the next event."""
    async with server.socket() as socket:
        await socket.subscribe("1", EVENTS, onError="HALT" if halting else "NULL")
        await server.wait_for_subscribers()
        await fail_once(server)
        publish(server, "first")
        failed = (await socket.receive())["payload"]
        publish(server, "second")
        assert (await socket.next_data())["userChanged"]["user"]["name"] == "second"
    user = {"name": "first", "organization": None}
    assert failed["data"] == (None if halting else {"userChanged": {"user": user}})
    assert [error["path"] for error in failed["errors"]] == [["userChanged", "user", "organization"]]


async def test_subscriptions_of_different_behaviors(server: Any) -> None:
    """Equal subscriptions of different behaviors get responses of their behavior, each."""
    async with server.socket() as one, server.socket() as other:
        await one.subscribe("1", EVENTS, onError="HALT")
        await server.wait_for_subscribers(1)
        await other.subscribe("1", EVENTS)
        await server.wait_for_subscribers(2)
        for _ in range(2):
            await fail_once(server)
        publish(server, "first")
        halted, propagated = (await one.receive())["payload"], (await other.receive())["payload"]
    assert halted["data"] is None
    assert propagated["data"] == {"userChanged": {"user": {"name": "first", "organization": None}}}
