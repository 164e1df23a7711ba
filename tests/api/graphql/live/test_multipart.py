"""Subscriptions in parts (`multipart/mixed;subscriptionSpec=1.0`), read as bytes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientResponse

from gateway.principal import Action, Principal

NAMES = "subscription { userChanged { user { name } } }"
APOLLO = (
    "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9"
)
DELIMITER = b"\r\n--graphql"
HEAD = b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
CLOSED = b"--\r\n"


async def part(stream: ClientResponse) -> Any:
    """Return the next part that is no heartbeat; "complete" after the closing delimiter, "end" after none."""
    while True:
        async with asyncio.timeout(20):
            head = await stream.content.read(2)
            if not head:
                return "end"
            if head == CLOSED[:2]:
                assert await stream.content.read() == CLOSED[2:]
                return "complete"
            received = head + await stream.content.readuntil(DELIMITER)
        assert received.startswith(HEAD)
        if (content := json.loads(received.removeprefix(HEAD).removesuffix(DELIMITER))) != {}:
            return content


@asynccontextmanager
async def streaming(server: Any, query: str = NAMES, accept: str = APOLLO) -> AsyncIterator[ClientResponse]:
    """Send a subscription by POST and open its stream."""
    async with server.session.post(server.url, json={"query": query}, headers={"Accept": accept}) as answer:
        assert answer.headers["Content-Type"] == 'multipart/mixed; boundary="graphql"; subscriptionSpec=1.0'
        assert answer.headers["Incremental"] == "?1"
        assert await answer.content.readuntil(DELIMITER) == DELIMITER
        yield answer


ACCEPTED = [
    APOLLO,
    "multipart/mixed;subscriptionSpec=1.0",
    "multipart/mixed",
    "multipart/mixed;deferSpec=20220824,multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json",
    "application/json, multipart/mixed;subscriptionSpec=1.0, text/event-stream",
]


@pytest.mark.parametrize("accept", ACCEPTED)
async def test_a_subscription(server: Any, accept: str) -> None:
    """Each event is the payload of a part; when the client disconnects, the subscription ends."""
    async with streaming(server, accept=accept) as stream:
        await server.wait_for_subscribers()
        await server.publish("a", "b")
        for name in "ab":
            assert await part(stream) == {"payload": {"data": {"userChanged": {"user": {"name": name}}}}}
        assert ("opened", "parts") in server.live_events
        stream.connection.transport.abort()  # type: ignore[union-attr]  # it is connected
    await server.wait_for_subscribers(0)
    await server.wait_until(lambda: server.live.traffic.connections == 0)


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "multipart/mixed;deferSpec=20220824, application/json",
        "multipart/mixed;incrementalSpec=v0.2",
    ],
)
async def test_no_format_for_subscriptions(server: Any, accept: str) -> None:
    """A subscription of a client that accepts no stream is refused, with the formats that it can accept."""
    async with server.session.post(server.url, json={"query": NAMES}, headers={"Accept": accept}) as answer:
        assert answer.status == 400
        [error] = (await answer.json())["errors"]
    assert "accept text/event-stream or multipart/mixed;subscriptionSpec=1.0" in error["message"]


async def test_an_event_stream_that_is_accepted_too(server: Any) -> None:
    """A subscription gets an event stream if the client accepts one, also if it prefers JSON; a query gets JSON."""
    accept = {"Accept": "application/json, text/event-stream;q=0.5"}
    async with server.session.post(server.url, json={"query": NAMES}, headers=accept) as answer:
        assert answer.content_type == "text/event-stream"
        assert answer.headers["Incremental"] == "?1"
    async with server.session.post(server.url, json={"query": "{ __typename }"}, headers=accept) as answer:
        assert await answer.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("query", ["{ __typename }", "{ __typename ... @defer { __typename } }"])
async def test_a_query(server: Any, query: str) -> None:
    """A query gets one response, by POST and by GET."""
    headers = {"Accept": APOLLO, "GraphQL-Require-Preflight": "1"}
    async with server.session.post(server.url, json={"query": query}, headers=headers) as answer:
        assert answer.content_type == "application/graphql-response+json"
        assert await answer.json() == {"data": {"__typename": "Query"}}
    async with server.session.get(server.url, params={"query": query}, headers=headers) as answer:
        assert await answer.json() == {"data": {"__typename": "Query"}}


async def test_a_mutation(start_server: Any) -> None:
    """A mutation gets one response, and is refused by GET."""
    server = await start_server(account=True)
    query = 'mutation { updateAccountUser(id: "acus_adalovelace1", input: {name: "x"}) { name } }'
    headers = {"Accept": APOLLO, "GraphQL-Require-Preflight": "1"}
    async with server.session.post(server.url, json={"query": query}, headers=headers) as answer:
        assert await answer.json() == {"data": {"updateAccountUser": {"name": "x"}}}
    async with server.session.get(server.url, params={"query": query}, headers=headers) as answer:
        assert answer.status == 405


async def test_a_subscription_by_get(server: Any) -> None:
    """GET opens a stream too, with the header that pages of other sites cannot send."""
    for preflight, status in (({}, 400), ({"GraphQL-Require-Preflight": "1"}, 200)):
        headers = {"Accept": APOLLO} | preflight
        async with server.session.get(server.url, params={"query": NAMES}, headers=headers) as answer:
            assert answer.status == status


@pytest.mark.parametrize("query", ["subscription {", "subscription { nothing }"])
async def test_a_subscription_that_is_not_valid(server: Any, query: str) -> None:
    """A document that is not valid gets one response with its errors and their status, as without a stream."""
    async with server.session.post(server.url, json={"query": query}, headers={"Accept": APOLLO}) as answer:
        assert (answer.status, answer.content_type) == (400, "application/graphql-response+json")
        assert "data" not in await answer.json()


async def test_an_error_of_the_first_event(server: Any) -> None:
    """A subscription that cannot be opened ends with the errors beside an empty payload."""
    async with streaming(server, 'subscription { userChanged(after: "x") { id } }') as stream:
        received = await part(stream)
        assert (received["payload"], received["errors"][0]["extensions"]["code"]) == (None, "BAD_USER_INPUT")
        assert await part(stream) == "complete"


async def test_heartbeats(start_server: Any) -> None:
    """While there are no events empty parts are sent, and no event is lost between two of them."""
    server = await start_server(ping=0.05)
    async with streaming(server) as stream:
        await server.wait_for_subscribers()
        async with asyncio.timeout(20):
            for _ in range(3):
                assert await stream.content.readuntil(DELIMITER) == HEAD + b"{}" + DELIMITER
        names = [f"n{number}" for number in range(20)]
        for name in names:
            await asyncio.sleep(0.02)
            await server.publish(name)
        assert [(await part(stream))["payload"]["data"]["userChanged"]["user"]["name"] for _ in names] == names


async def test_a_credential_that_expires(start_server: Any) -> None:
    """When the credential of the client expires its stream ends with UNAUTHENTICATED, and is complete."""

    async def briefly(connection: Any) -> Principal:
        return Principal("kim", frozenset(Action), expires=time.time() + 0.2)

    server = await start_server(briefly)
    async with streaming(server) as stream:
        received = await part(stream)
        assert (received["payload"], received["errors"][0]["extensions"]["code"]) == (None, "UNAUTHENTICATED")
        assert await part(stream) == "complete"


async def test_draining(start_server: Any) -> None:
    """When the gateway stops streams end without the closing delimiter, so that clients reconnect."""
    server = await start_server()
    async with streaming(server) as stream:
        await server.wait_for_subscribers()
        await server.live.drain()
        assert await part(stream) == "end"
    async with server.session.post(server.url, json={"query": NAMES}, headers={"Accept": APOLLO}) as late:
        assert await late.read() == b""


async def test_too_many_connections(start_server: Any) -> None:
    """A stream above the limit of connections ends with SOURCE_UNAVAILABLE."""
    server = await start_server(connections=1)
    async with streaming(server), streaming(server) as other:
        received = await part(other)
        assert (received["payload"], received["errors"][0]["extensions"]["code"]) == (None, "SOURCE_UNAVAILABLE")
        assert await part(other) == "complete"


async def test_a_stuck_client(start_server: Any) -> None:
    """A client that reads nothing loses its subscription, and then its connection."""
    server = await start_server(queue=20, stuck=30.0)
    async with streaming(server) as stream:
        await server.wait_for_subscribers()
        assert stream.connection is not None
        stream.connection.protocol.pause_reading()  # type: ignore[union-attr]  # it is connected
        async with asyncio.timeout(20):
            while ("slow_reader", "") not in server.live_events:
                await server.publish("x" * 100_000)
                await asyncio.sleep(0)
        server.time.move(30)
        await server.wait_until(lambda: server.live.traffic.connections == 0)
