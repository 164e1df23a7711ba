"""Operations over a WebSocket: the order of messages, and what ends an operation or the connection."""

import asyncio
import time
from typing import Any

import pytest

from gateway.principal import ANYONE, Action, Principal
from gateway.users.model import UserSource

NAMES = "subscription { userChanged { user { name } } }"


async def test_a_query_and_a_mutation(server: Any) -> None:
    """Queries and mutations are executed over a WebSocket too: one `next`, then `complete`."""
    async with server.socket() as socket:
        await socket.subscribe("q", "query Q($id: ID!) { node(id: $id) { id } }", variables={"id": "nonsense"})
        assert await socket.receive() == {"id": "q", "type": "next", "payload": {"data": {"node": None}}}
        assert await socket.receive() == {"id": "q", "type": "complete"}
        change = 'mutation { updateAccountUser(id: "acus_1", input: {name: "x"}) { id } }'
        await socket.subscribe("m", change)
        response = (await socket.receive())["payload"]
        assert response["data"] == {"updateAccountUser": None}
        assert response["errors"][0]["extensions"]["code"] == "SOURCE_NOT_CONFIGURED"
        assert (await socket.receive())["type"] == "complete"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription A { userChanged { id } } subscription B { userChanged { id } }", "OPERATION_RESOLUTION_FAILURE"),
        ("subscription($ids: [ID!]) { userChanged(ids: $ids) { id } }", "BAD_USER_INPUT"),
        ('subscription { userChanged(ids: ["x"]) { id } }', "BAD_USER_INPUT"),
        ('subscription { userChanged(after: "x") { id } }', "BAD_USER_INPUT"),
        ('subscription { userChanged(after: "e100000000000000000000000000000000") { id } }', "NOT_FOUND"),
    ],
)
async def test_an_operation_that_is_not_valid(server: Any, query: str, code: str) -> None:
    """An operation that cannot be executed gets an `error` with the code, and the WebSocket stays open."""
    async with server.socket() as socket:
        await socket.subscribe("1", query, variables={"ids": 7})
        [error, *_] = await socket.errors()
        assert error["extensions"]["code"] == code
        await socket.subscribe("1", "{ __typename }")
        assert await socket.next_data() == {"__typename": "Query"}


async def test_ids_can_be_reused(server: Any) -> None:
    """An id may be reused after `complete` of either side, and after `complete` nothing is sent for it."""
    async with server.socket() as socket:
        for _ in range(3):
            await socket.subscribe("1", "{ __typename }")
            assert (await socket.receive())["type"] == "next"
            assert (await socket.receive())["type"] == "complete"
        for name in "abc":
            await socket.subscribe("1", NAMES)
            await server.wait_for_subscribers()
            await server.publish(name)
            assert await socket.next_name() == name
            await socket.send("complete", "1")
            await server.wait_for_subscribers(0)
            await server.publish("not sent")
        await socket.send("complete", "unknown")
        await socket.send("ping")
        assert (await socket.receive())["type"] == "pong"


async def test_several_subscriptions(server: Any) -> None:
    """The operations of a connection are independent, and each gets all its events in order."""
    async with server.socket() as socket:
        await socket.subscribe("all")
        await socket.subscribe("named", NAMES)
        await socket.subscribe("none", "subscription { userChanged(sources: [RESELLER]) { id } }")
        await server.wait_for_subscribers(3)
        names = [f"n{number}" for number in range(50)]
        await server.publish(*names)
        received: dict[str, list[str]] = {"all": [], "named": []}
        for _ in range(100):
            message = await socket.receive()
            received[message["id"]].append(message["payload"]["data"]["userChanged"]["user"]["name"])
        assert received == {"all": names, "named": names}


async def test_too_many_operations(start_server: Any) -> None:
    """Above the limit of a connection an operation gets RATE_LIMITED, above that of the process SOURCE_UNAVAILABLE."""
    server = await start_server(operations_each=2, operations=3)
    async with server.socket() as one, server.socket() as two:
        await one.subscribe("a")
        await one.subscribe("b")
        await two.subscribe("c")
        await server.wait_until(lambda: server.live.traffic.operations == 3)
        await one.subscribe("d")
        assert (await one.errors())[0]["extensions"]["code"] == "RATE_LIMITED"
        await two.subscribe("d")
        [error] = await two.errors()
        assert (error["extensions"]["code"], error["extensions"]["retryAfter"]) == ("SOURCE_UNAVAILABLE", 1)
        await one.send("complete", "a")
        await server.wait_until(lambda: server.live.traffic.operations == 2)
        await two.subscribe("d")
        await server.wait_until(lambda: server.live.traffic.operations == 3)


async def test_a_slow_reader(start_server: Any) -> None:
    """A client that reads nothing does not delay others; it gets RATE_LIMITED, and can resume without loss."""
    server = await start_server(queue=20)
    query = "subscription($after: String) { userChanged(after: $after) { id user { name } } }"
    async with server.socket() as slow, server.socket() as quick:
        await slow.subscribe("1", query)
        await quick.subscribe("1", query)
        await server.wait_until(lambda: server.live.traffic.operations == 2)
        await server.wait_for_subscribers()  # their common feed may do so after both have started
        slow.socket._reader._protocol.pause_reading()  # on the client's side, because aiohttp reads ahead
        published = 0
        async with asyncio.timeout(20):
            while ("slow_reader", "") not in server.live_events:
                await server.publish(f"{published:06}" + "x" * 30_000)
                assert (await quick.next_name()).startswith(f"{published:06}")
                published += 1
        slow.socket._reader._protocol.resume_reading()
        read, last = [], None
        while (message := await slow.receive())["type"] == "next":
            last = message["payload"]["data"]["userChanged"]["id"]
            read.append(message["payload"]["data"]["userChanged"]["user"]["name"][:6])
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert 0 < len(read) < published
        await slow.subscribe("1", query, variables={"after": last})
        while len(read) < published:
            read.append((await slow.next_name())[:6])
        assert read == [f"{number:06}" for number in range(published)]


async def test_a_stuck_client(start_server: Any) -> None:
    """A client that reads nothing at all sends no pong, and is closed with its subscription."""
    server = await start_server(queue=20, ping=15.0, pong=10.0)
    async with server.socket() as stuck:
        await stuck.subscribe()
        await server.wait_for_subscribers()
        stuck.socket._reader._protocol.pause_reading()
        async with asyncio.timeout(2_000):
            while server.live.traffic.connections:
                await server.publish("x" * 100_000)
                await asyncio.sleep(0.01)
                server.time.move(1)
        stuck.socket._reader._protocol.resume_reading()
        assert (await stuck.closed())[0] in {1006, 4499}  # the code, if it was still received
    assert server.event_log.subscribers == 0


async def test_a_client_that_disconnects(server: Any) -> None:
    """A client that disconnects without closing leaves no operation, no subscription and no task."""
    async with server.socket() as socket:
        await socket.subscribe("1")
        await socket.subscribe("2", "subscription($a: String) { userChanged(after: $a) { id } }")
        await server.wait_for_subscribers(2)
        socket.socket._response.connection.transport.abort()
        await server.wait_for_subscribers(0)
    await server.wait_until(lambda: (server.live.traffic.connections, server.live.traffic.operations) == (0, 0))


async def test_a_credential_that_expires(start_server: Any) -> None:
    """When the credential of the client expires the WebSocket is closed with 4403."""

    async def briefly(connection: Any) -> Principal:
        return Principal("kim", frozenset(Action), expires=time.time() + 0.3)

    server = await start_server(briefly)
    async with server.socket() as socket:
        await socket.subscribe()
        reason = "Forbidden: The credential has expired. Connect again with a new one."
        assert await socket.closed() == (4403, reason)


async def test_a_credential_that_expires_with_a_ping(start_server: Any) -> None:
    """If the credential expires at the moment of a ping, a pong does not keep the WebSocket open."""

    async def briefly(connection: Any) -> Principal:
        return Principal("kim", frozenset(Action), expires=time.time() + 0.1)

    server = await start_server(briefly, ping=0.1)
    async with server.socket() as socket:
        time.sleep(0.15)  # noqa: ASYNC251 - blocks the loop, so that both timers are due at once
        async with asyncio.timeout(20):
            while (await socket.socket.receive()).type.name == "TEXT":
                await socket.send("pong")
        assert socket.socket.close_code == 4403


async def test_scopes(start_server: Any) -> None:
    """A caller gets events of the sources that its scopes allow; a source that they do not allow is FORBIDDEN."""

    async def reader(connection: Any) -> Principal:
        name = connection.headers.get("authorization", "")
        return ANYONE if not name else Principal(name, frozenset({Action.READ.within(UserSource.ACCOUNT)}))

    server = await start_server(reader)
    async with server.socket({"authorization": "kim"}) as kim, server.socket() as anyone:
        await kim.subscribe("1", "subscription { userChanged(sources: [RESELLER]) { id } }")
        assert (await kim.errors())[0]["extensions"]["code"] == "FORBIDDEN"
        await kim.subscribe("1", NAMES)
        await anyone.subscribe("1", NAMES)
        await server.wait_for_subscribers(2)
        await server.publish("secret", source=UserSource.SOFTWAREONE)
        await server.publish("open")
        assert [await anyone.next_name(), await anyone.next_name()] == ["secret", "open"]
        assert await kim.next_name() == "open"


async def test_the_end_of_the_event_log(server: Any) -> None:
    """When the event log is closed subscriptions end with SOURCE_UNAVAILABLE, and the WebSocket stays open."""
    async with server.socket() as socket:
        await socket.subscribe()
        await server.wait_for_subscribers()
        await server.event_log.aclose()
        assert (await socket.errors())[0]["extensions"]["code"] == "SOURCE_UNAVAILABLE"
        await socket.subscribe("1", "{ __typename }")
        assert await socket.next_data() == {"__typename": "Query"}
