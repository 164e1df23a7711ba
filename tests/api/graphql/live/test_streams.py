"""Event streams: the two modes of graphql-sse, read as bytes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientResponse

from gateway.principal import ANYONE, Action, Principal

NAMES = "subscription { userChanged { user { name } } }"
STREAM = {"Accept": "text/event-stream"}
PREFLIGHT = {"GraphQL-Require-Preflight": "1"}


async def event(stream: ClientResponse) -> tuple[str, Any]:
    """Return the name and the data of the next event; skip comments."""
    fields: dict[str, str] = {}
    async with asyncio.timeout(20):
        while (line := (await stream.content.readline()).decode()) not in {"\n", ""} or not fields:
            if not line:
                return "end", None
            name, _, value = line.rstrip("\n").partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
    return fields["event"], json.loads(fields["data"]) if fields["data"] else None


@asynccontextmanager
async def streaming(server: Any, query: str = NAMES, **headers: str) -> AsyncIterator[ClientResponse]:
    """Send an operation by POST and open its event stream."""
    async with server.session.post(server.url, json={"query": query}, headers=STREAM | headers) as answer:
        assert answer.content_type == "text/event-stream"
        assert await answer.content.readline() == b":\n"
        yield answer


async def test_a_subscription(server: Any) -> None:
    """Each event is a `next`; when the client disconnects, the subscription ends."""
    async with streaming(server) as stream:
        await server.wait_for_subscribers()
        await server.publish("a", "b")
        for name in "ab":
            assert await event(stream) == ("next", {"data": {"userChanged": {"user": {"name": name}}}})
        stream.connection.transport.abort()  # type: ignore[union-attr]  # it is connected
    await server.wait_for_subscribers(0)
    await server.wait_until(lambda: server.live.traffic.connections == 0)


async def test_a_query_and_operations_that_are_not_valid(server: Any) -> None:
    """A query gives `next` and `complete`; so does an operation that is not valid, with its errors in `next`."""
    async with streaming(server, "{ __typename }") as stream:
        assert await event(stream) == ("next", {"data": {"__typename": "Query"}})
        assert await event(stream) == ("complete", None)
        assert await event(stream) == ("end", None)
    for query, code in (
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ('subscription { userChanged(after: "x") { id } }', "BAD_USER_INPUT"),
    ):
        async with streaming(server, query) as stream:
            name, data = await event(stream)
            assert (name, data["errors"][0]["extensions"]["code"]) == ("next", code)
            assert "data" not in data
            assert (await event(stream))[0] == "complete"


@pytest.mark.parametrize("headers", [{}, PREFLIGHT])
async def test_get(server: Any, headers: dict[str, str]) -> None:
    """GET opens a stream too, with the header that pages of other sites cannot send; a mutation by GET is 405."""
    async with server.session.get(server.url, params={"query": NAMES}, headers=STREAM | headers) as stream:
        assert stream.status == (200 if headers else 400)
        if headers:
            await server.wait_for_subscribers()
            await server.publish("a")
            assert (await event(stream))[0] == "next"
    change = 'mutation { updateAccountUser(id: "acus_1", input: {name: "x"}) { id } }'
    async with server.session.get(server.url, params={"query": change}, headers=STREAM | headers) as answer:
        assert answer.status == 405


async def test_keep_alive_comments(start_server: Any) -> None:
    """While there are no events comments are sent, and no event is lost between two comments."""
    server = await start_server(ping=0.05)
    async with streaming(server) as stream:
        await server.wait_for_subscribers()
        for _ in range(3):
            assert [await stream.content.readline() for _ in range(2)] == [b"\n", b":\n"]
        names = [f"n{number}" for number in range(20)]
        for name in names:
            await asyncio.sleep(0.02)
            await server.publish(name)
        assert [(await event(stream))[1]["data"]["userChanged"]["user"]["name"] for _ in names] == names


async def test_a_credential_that_expires(start_server: Any) -> None:
    """When the credential of the client expires its stream ends with UNAUTHENTICATED and `complete`."""

    async def briefly(connection: Any) -> Principal:
        return Principal("kim", frozenset(Action), expires=time.time() + 0.2)

    server = await start_server(briefly)
    async with streaming(server) as stream:
        name, data = await event(stream)
        assert (name, data["errors"][0]["extensions"]["code"]) == ("next", "UNAUTHENTICATED")
        assert (await event(stream))[0] == "complete"


async def test_the_token_of_another_caller(start_server: Any) -> None:
    """A reserved stream can be used only by the caller that reserved it, even if another one has its token."""

    async def named(connection: Any) -> Principal:
        return Principal(connection.headers.get("authorization", ""), frozenset(Action))

    server = await start_server(named)
    client = await reserve(server, authorization="kim")
    assert await client.post("a", "{ __typename }") == 403
    client.headers["authorization"] = "kim"
    assert await client.post("a", "{ __typename }") == 202


async def test_a_mutation(start_server: Any) -> None:
    """A mutation by POST is executed over a stream like a query, but not if it was sent as a form."""
    server = await start_server(account=True)
    change = 'mutation { updateAccountUser(id: "acus_adalovelace1", input: {name: "x"}) { name } }'
    async with streaming(server, change) as stream:
        assert await event(stream) == ("next", {"data": {"updateAccountUser": {"name": "x"}}})
        assert (await event(stream))[0] == "complete"
    form = {"operations": json.dumps({"query": change}), "map": "{}"}
    async with server.session.post(server.url, data=form, headers=STREAM) as answer:
        assert answer.status == 415


async def test_draining(start_server: Any) -> None:
    """When the gateway stops streams end without `complete`, so that clients reconnect; a new one ends at once."""
    server = await start_server()
    async with streaming(server) as stream:
        await server.wait_for_subscribers()
        await server.live.drain()
        assert await event(stream) == ("end", None)
    async with server.session.post(server.url, json={"query": NAMES}, headers=STREAM) as late:
        assert await event(late) == ("end", None)


async def test_too_many_connections(start_server: Any) -> None:
    """A stream above the limit of connections gets SOURCE_UNAVAILABLE and `complete`."""
    server = await start_server(connections=1)
    async with streaming(server), server.session.post(server.url, json={"query": NAMES}, headers=STREAM) as other:
        name, data = await event(other)
        assert (name, data["errors"][0]["extensions"]["code"]) == ("next", "SOURCE_UNAVAILABLE")


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


class Reserved:
    """A client of the single connection mode."""

    def __init__(self, server: Any, token: str) -> None:
        self.server = server
        self.headers = {"X-GraphQL-Event-Stream-Token": token}

    async def post(self, id: Any, query: str = NAMES) -> int:
        """Start an operation. Return the status."""
        body = {"query": query, "extensions": {"operationId": id}}
        async with self.server.session.post(self.server.url, json=body, headers=self.headers) as answer:
            return int(answer.status)

    async def delete(self, id: str) -> int:
        """Stop an operation. Return the status."""
        async with self.server.session.delete(
            self.server.url, params={"operationId": id}, headers=self.headers
        ) as answer:
            return int(answer.status)


async def reserve(server: Any, **headers: str) -> Reserved:
    """Reserve an event stream."""
    async with server.session.put(server.url, headers=headers, skip_auto_headers=["Content-Type"]) as answer:
        assert answer.status == 201
        return Reserved(server, await answer.text())


async def test_one_stream_for_all(server: Any) -> None:
    """POST starts operations and DELETE stops them; all responses are sent on the one stream, with their ids."""
    client = await reserve(server)
    assert await client.post("early", "{ __typename }") == 202
    async with server.session.get(server.url, headers=STREAM | client.headers) as stream:
        answer = {"id": "early", "payload": {"data": {"__typename": "Query"}}}
        assert await event(stream) == ("next", answer)
        assert await event(stream) == ("complete", {"id": "early"})
        assert await client.post("a") == 202
        assert await client.post("b") == 202
        await server.wait_until(lambda: server.live.traffic.operations == 2)
        await server.wait_for_subscribers()
        await server.publish("x")
        assert {(await event(stream))[1]["id"] for _ in range(2)} == {"a", "b"}
        assert await client.delete("a") == 200
        await server.wait_until(lambda: server.live.traffic.operations == 1)
        await server.publish("y")
        name, data = await event(stream)
        assert (name, data["id"]) == ("next", "b")
        assert await client.post("a") == 202
    await server.wait_for_subscribers(0)
    assert await client.post("c") == 404


async def test_refusals_of_a_reserved_stream(server: Any) -> None:
    """An error of an operation has the status that it has over HTTP; one of the stream has 404 or 409."""
    client = await reserve(server)
    async with server.session.get(
        f"{server.url}?token={next(iter(client.headers.values()))}", headers=STREAM
    ) as stream:
        assert stream.status == 200
        async with server.session.get(server.url, headers=STREAM | client.headers) as second:
            assert second.status == 409
        assert await client.post("a") == 202
        assert await client.post("a") == 409
        assert await client.post(None) == 400
        assert await client.post("b", "{ nothing }") == 202  # its error is on the stream
        assert await client.delete("b") == 404
    assert await Reserved(server, "unknown").post("a") == 404
    assert await Reserved(server, "unknown").delete("a") == 404
    async with server.session.delete(server.url) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")
    async with server.session.get(f"{server.url}?token=a{'&b=1' * 100}", headers=STREAM) as answer:
        assert answer.status == 400


async def test_a_stream_that_ends_before_its_operation_is_read(start_server: Any) -> None:
    """An operation whose body is complete only after its stream has ended is 404, and is not executed."""
    posted, rest = asyncio.Event(), asyncio.Event()

    async def recording(connection: Any) -> Principal:
        if "content-type" in connection.headers:
            posted.set()
        return ANYONE

    async def body() -> AsyncIterator[bytes]:
        yield json.dumps({"query": NAMES, "extensions": {"operationId": "a"}})[:-1].encode()
        await rest.wait()
        yield b"}"

    server = await start_server(recording)
    client = await reserve(server)
    json_too = {"Content-Type": "application/json"} | client.headers
    async with server.session.get(server.url, headers=STREAM | client.headers) as stream:
        assert await stream.content.readline() == b":\n"
        posting = asyncio.ensure_future(server.session.post(server.url, data=body(), headers=json_too))
        await posted.wait()
        stream.connection.transport.abort()
        await server.wait_until(lambda: server.live.traffic.connections == 0)
    rest.set()
    async with await posting as answer:
        assert (answer.status, (await answer.json())["errors"][0]["extensions"]["code"]) == (404, "NOT_FOUND")
    assert (server.live.traffic.operations, server.event_log.subscribers) == (0, 0)


async def test_the_share_of_reservations(start_server: Any) -> None:
    """A caller can reserve only its share of the event streams; others still get theirs."""

    async def named(connection: Any) -> Principal:
        return Principal(connection.headers["authorization"], frozenset())

    server = await start_server(named, reservations=4, share=0.5)
    for _ in range(2):
        await reserve(server, authorization="kim")
    again = {"headers": {"authorization": "kim"}, "skip_auto_headers": ["Content-Type"]}
    async with server.session.put(server.url, **again) as response:
        assert response.status == 429
        assert "at most 2 reserved event streams" in await response.text()
    for _ in range(2):
        await reserve(server, authorization="lee")


async def test_reservations_are_bounded(start_server: Any) -> None:
    """The number of reservations is bounded; one that is not opened in time is dropped with its operations."""
    server = await start_server(reservations=1, reservation=30.0)
    client = await reserve(server)
    assert await client.post("a") == 202
    await server.wait_for_subscribers()
    async with server.session.put(server.url, skip_auto_headers=["Content-Type"]) as answer:
        assert answer.status == 503
    server.time.move(30)
    await server.wait_for_subscribers(0)
    assert await client.post("a") == 404
    await reserve(server)
