"""The events of `userChanged`: for which users, from which event on, and how up to date the users are."""

import asyncio
import random
from itertools import count
from typing import Any

import pytest

from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, RESELLER_ID
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import Role, User, UserChange, UserSource

ACCOUNT = {
    "Authorization": f"Bearer {ACCOUNT_TOKEN}",
    "OpenMRP-Account": ACCOUNT_ID,
    "OpenMRP-Version": "1.0.forge-preview.3",
}
FULL = "subscription($after: String) { userChanged(after: $after) { id user { name } } }"


async def subscribe(socket: Any, query: str, **variables: Any) -> None:
    """Subscribe with these variables; the query is the id."""
    await socket.subscribe(query, query, variables=variables)


async def calls(server: Any) -> int:
    """Return how many calls have reached the sandbox."""
    async with server.session.get(f"{server.sandbox.control_url}/calls") as answer:
        return len(await answer.json())


async def test_an_event(server: Any) -> None:
    """An event has the change, its time, and the user after it as a query would return it."""
    async with server.socket() as socket:
        await socket.subscribe(
            "1", "subscription { userChanged { __typename change occurredAt user { id source sourceId name email } } }"
        )
        await server.wait_for_subscribers()
        server.event_log.publish(UserChange.DELETED, User(UserSource.ACCOUNT, "acus_1", name="Ada"))
        event = (await socket.next_data())["userChanged"]
    assert event.pop("occurredAt").endswith("+00:00")
    assert event == {
        "__typename": "UserEvent",
        "change": "DELETED",
        "user": {
            "id": encode(Ref(Kind.USER, UserSource.ACCOUNT, "acus_1")),
            "source": "ACCOUNT",
            "sourceId": "acus_1",
            "name": "Ada",
            "email": None,
        },
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ["account", "market", "reseller"]),
        ({"ids": [], "sources": []}, ["account", "market", "reseller"]),
        ({"sources": ["RESELLER", "SOFTWAREONE"]}, ["market", "reseller"]),
        ({"ids": [encode(Ref(Kind.USER, UserSource.ACCOUNT, "u1"))]}, ["account"]),
        ({"ids": ["u1"], "sources": ["RESELLER"]}, ["reseller"]),
        ({"ids": [encode(Ref(Kind.USER, UserSource.RESELLER, "u1", RESELLER_ID))]}, ["reseller"]),
    ],
)
async def test_filters(server: Any, arguments: dict[str, Any], expected: list[str]) -> None:
    """`ids` are global ids, or source ids if one source is named; `sources` filters too."""
    query = (
        "subscription($ids: [ID!], $sources: [UserSource!])"
        " { userChanged(ids: $ids, sources: $sources) { user { name } } }"
    )
    async with server.socket() as socket:
        await socket.subscribe("1", query, variables=arguments)
        await server.wait_for_subscribers()
        await server.publish("account", id="u1")
        await server.publish("market", source=UserSource.SOFTWAREONE, id="u1")
        server.event_log.publish(UserChange.UPDATED, User(UserSource.RESELLER, "u1", RESELLER_ID, name="reseller"))
        assert [await socket.next_name() for _ in expected] == expected


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"ids": ["u1"]}, "ids.0"),
        ({"ids": ["u1"], "sources": ["ACCOUNT", "RESELLER"]}, "ids.0"),
        ({"ids": [encode(Ref(Kind.ROLE, UserSource.ACCOUNT, "rl_1"))]}, "ids.0"),
        ({"ids": ["x"] * 1001}, "ids"),
        ({"after": "yesterday"}, "after"),
    ],
)
async def test_arguments_that_are_not_valid(server: Any, arguments: dict[str, Any], field: str) -> None:
    """An argument that is not valid is BAD_USER_INPUT, with a violation that names the argument."""
    query = (
        "subscription($ids: [ID!], $sources: [UserSource!], $after: String)"
        " { userChanged(ids: $ids, sources: $sources, after: $after) { id } }"
    )
    async with server.socket() as socket:
        await socket.subscribe("1", query, variables=arguments)
        [error] = await socket.errors()
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert [one["field"] for one in error["extensions"]["violations"]] == [field]


@pytest.mark.parametrize("literal", [False, True])
async def test_resuming(server: Any, *, literal: bool) -> None:
    """A subscription that resumes after an event gets all later events, each once and in order.

    There may be more past events than fit into the queue of a client.
    """
    names = [f"n{number}" for number in range(600)]
    async with server.socket() as socket:
        await subscribe(socket, FULL)
        await server.wait_for_subscribers()
        await server.publish("first")
        last = (await socket.next_data())["userChanged"]["id"]
    await server.wait_for_subscribers(0)
    await server.publish(*names)
    query = FULL.replace("($after: String)", "", 1).replace("$after", f'"{last}"') if literal else FULL
    async with server.socket() as one, server.socket() as two:
        for socket in (one, two):
            await subscribe(socket, query, **({} if literal else {"after": last}))
        assert [await one.next_name() for _ in names] == names
        await server.publish("later")
        assert await one.next_name() == "later"
        assert [await two.next_name() for _ in [*names, "later"]] == [*names, "later"]
        await server.publish("even later")
        assert [await one.next_name(), await two.next_name()] == ["even later"] * 2
        await server.wait_for_subscribers(2 if literal else 1)  # subscriptions that have caught up share one feed


async def test_lookups_for_each_event(start_server: Any) -> None:
    """Records are looked up anew for each event, and once for all equal subscriptions."""
    server = await start_server(account=True)
    query = "subscription($after: String) { userChanged(after: $after) { id user { name role { permissions } } } }"
    role = f"{server.sandbox.account_url}/v1/identity/roles/rl_planner00000"
    async with server.socket() as one, server.socket() as two, server.socket() as resumed:
        await subscribe(one, query)
        await subscribe(two, query)
        await server.wait_until(lambda: server.live.traffic.operations == 2)
        await server.wait_for_subscribers(1)
        for granted in (["customers:read"], ["customers:read", "departments:read"], []):
            async with server.session.patch(role, json={"permissions": granted}, headers=ACCOUNT) as answer:
                assert answer.status == 200, await answer.text()
            before = await calls(server)
            planner = Role(UserSource.ACCOUNT, "rl_planner00000", name="Production Planner")
            server.event_log.publish(
                UserChange.UPDATED, User(UserSource.ACCOUNT, "u1", name=str(granted), role=planner)
            )
            events = [(await socket.next_data())["userChanged"] for socket in (one, two)]
            assert events[0] == events[1]
            assert events[0]["user"]["role"] == {"permissions": granted}
            assert await calls(server) == before + 1
        await subscribe(resumed, query, after=events[0]["id"])
        await server.wait_for_subscribers(2)
        before = await calls(server)
        server.event_log.publish(UserChange.UPDATED, User(UserSource.ACCOUNT, "u1", name="d", role=planner))
        assert [await socket.next_name() for socket in (one, two, resumed)] == ["d"] * 3
        assert await calls(server) == before + 1


async def test_joining_and_leaving_a_feed(server: Any) -> None:
    """A client that joins a feed gets the events from then on; when the last client leaves, the feed ends."""
    async with server.socket() as socket:
        await socket.subscribe("1", FULL)
        await server.wait_for_subscribers()
        await server.publish("a")
        assert await socket.next_name() == "a"
        await socket.subscribe("2", FULL)
        await server.wait_until(lambda: server.live.traffic.operations == 2)
        await server.publish("b")
        messages = [await socket.receive(), await socket.receive()]
        assert [message["id"] for message in messages] == ["1", "2"]
        assert [message["payload"]["data"]["userChanged"]["user"]["name"] for message in messages] == ["b", "b"]
        await socket.send("complete", "1")
        await server.wait_until(lambda: server.live.traffic.operations == 1)
        await server.publish("c")
        assert await socket.next_name() == "c"
        assert server.event_log.subscribers == 1
    await server.wait_for_subscribers(0)


async def test_coming_and_going(server: Any) -> None:
    """Clients that disconnect and resume at any time get every event once and in order."""
    numbers, stop = count(), asyncio.Event()
    chance = random.Random(7)  # noqa: S311 - the same every time

    async def publish() -> None:
        while not stop.is_set():
            for _ in range(chance.randrange(4)):
                await server.publish(str(next(numbers)))
            await asyncio.sleep(0.002)

    async def client() -> list[int]:
        received: list[int] = []
        last = None
        for _ in range(6):
            async with server.socket() as socket:
                await subscribe(socket, FULL, after=last)
                for _ in range(chance.randrange(1, 30)):
                    event = (await socket.next_data())["userChanged"]
                    received.append(int(event["user"]["name"]))
                    last = event["id"]
            await asyncio.sleep(chance.random() * 0.02)
        return received

    publishing = asyncio.ensure_future(publish())
    async with asyncio.timeout(30):
        all_received = await asyncio.gather(*(client() for _ in range(20)))
    stop.set()
    await publishing
    for received in all_received:
        assert received == list(range(received[0], received[0] + len(received)))
    await server.wait_for_subscribers(0)
