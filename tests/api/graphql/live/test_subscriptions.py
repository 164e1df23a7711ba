"""What `userChanged` tells: whom it follows, from when on, and how fresh it is."""

import asyncio
import random
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


async def told(socket: Any, query: str, **variables: Any) -> None:
    """Subscribe with these variables."""
    await socket.subscribe(query, query, variables=variables)


async def calls(here: Any) -> int:
    """How many calls have reached the sandbox."""
    async with here.session.get(f"{here.sandbox.control_url}/calls") as answer:
        return len(await answer.json())


async def test_an_event(here: Any) -> None:
    """An event says what happened when, and the user after it as any query would."""
    async with here.socket() as socket:
        await socket.subscribe(
            "1", "subscription { userChanged { __typename change occurredAt user { id source sourceId name email } } }"
        )
        await here.followed()
        here.events.publish(UserChange.DELETED, User(UserSource.ACCOUNT, "acus_1", name="Ada"))
        event = (await socket.next())["userChanged"]
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
    ("arguments", "heard"),
    [
        ({}, ["account", "market", "reseller"]),
        ({"ids": [], "sources": []}, ["account", "market", "reseller"]),
        ({"sources": ["RESELLER", "SOFTWAREONE"]}, ["market", "reseller"]),
        ({"ids": [encode(Ref(Kind.USER, UserSource.ACCOUNT, "u1"))]}, ["account"]),
        ({"ids": ["u1"], "sources": ["RESELLER"]}, ["reseller"]),
        ({"ids": [encode(Ref(Kind.USER, UserSource.RESELLER, "u1", RESELLER_ID))]}, ["reseller"]),
    ],
)
async def test_whom_it_follows(here: Any, arguments: dict[str, Any], heard: list[str]) -> None:
    """Users are named by global ids, or by a source's own where one source is named; systems narrow it, too."""
    query = (
        "subscription($ids: [ID!], $sources: [UserSource!])"
        " { userChanged(ids: $ids, sources: $sources) { user { name } } }"
    )
    async with here.socket() as socket:
        await socket.subscribe("1", query, variables=arguments)
        await here.followed()
        await here.happen("account", id="u1")
        await here.happen("market", source=UserSource.SOFTWAREONE, id="u1")
        here.events.publish(UserChange.UPDATED, User(UserSource.RESELLER, "u1", RESELLER_ID, name="reseller"))
        assert [await socket.name() for _ in heard] == heard


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
async def test_what_cannot_be_followed(here: Any, arguments: dict[str, Any], field: str) -> None:
    """An id or a place that is none is BAD_USER_INPUT, with the argument's name."""
    query = (
        "subscription($ids: [ID!], $sources: [UserSource!], $after: String)"
        " { userChanged(ids: $ids, sources: $sources, after: $after) { id } }"
    )
    async with here.socket() as socket:
        await socket.subscribe("1", query, variables=arguments)
        [error] = await socket.errors()
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert [one["field"] for one in error["extensions"]["violations"]] == [field]


@pytest.mark.parametrize("literal", [False, True])
async def test_resuming(here: Any, *, literal: bool) -> None:
    """Behind an event all that has happened since comes first, then what happens: none is lost or repeated.

    There may be more of it than may wait for a client.
    """
    names = [f"n{number}" for number in range(600)]
    async with here.socket() as socket:
        await told(socket, FULL)
        await here.followed()
        await here.happen("first")
        last = (await socket.next())["userChanged"]["id"]
    await here.followed(0)
    await here.happen(*names)
    query = FULL.replace("($after: String)", "", 1).replace("$after", f'"{last}"') if literal else FULL
    async with here.socket() as one, here.socket() as two:
        for socket in (one, two):
            await told(socket, query, **({} if literal else {"after": last}))
        assert [await one.name() for _ in names] == names
        await here.happen("later")
        assert await one.name() == "later"
        assert [await two.name() for _ in [*names, "later"]] == [*names, "later"]
        await here.happen("even later")
        assert [await one.name(), await two.name()] == ["even later"] * 2
        await here.followed(2 if literal else 1)  # who has caught up follows together with others


async def test_looked_up_anew(opened: Any) -> None:
    """What has to be looked up is what it is by then, for each event; it is read once for all who ask the same."""
    here = await opened(account=True)
    query = "subscription($after: String) { userChanged(after: $after) { id user { name role { permissions } } } }"
    role = f"{here.sandbox.account_url}/v1/identity/roles/rl_planner00000"
    async with here.socket() as one, here.socket() as two, here.socket() as resumed:
        await told(one, query)
        await told(two, query)
        await here.until(lambda: here.live.traffic.operations == 2)
        await here.followed(1)
        for granted in (["customers:read"], ["customers:read", "departments:read"], []):
            async with here.session.patch(role, json={"permissions": granted}, headers=ACCOUNT) as answer:
                assert answer.status == 200, await answer.text()
            before = await calls(here)
            planner = Role(UserSource.ACCOUNT, "rl_planner00000", name="Production Planner")
            here.events.publish(UserChange.UPDATED, User(UserSource.ACCOUNT, "u1", name=str(granted), role=planner))
            events = [(await socket.next())["userChanged"] for socket in (one, two)]
            assert events[0] == events[1]
            assert events[0]["user"]["role"] == {"permissions": granted}
            assert await calls(here) == before + 1
        await told(resumed, query, after=events[0]["id"])
        await here.followed(2)
        before = await calls(here)
        here.events.publish(UserChange.UPDATED, User(UserSource.ACCOUNT, "u1", name="d", role=planner))
        assert [await socket.name() for socket in (one, two, resumed)] == ["d"] * 3
        assert await calls(here) == before + 1


async def test_who_comes_later(here: Any) -> None:
    """Who joins others is told of what happens from then on; when the last has gone nothing follows the log."""
    async with here.socket() as socket:
        await socket.subscribe("1", FULL)
        await here.followed()
        await here.happen("a")
        assert await socket.name() == "a"
        await socket.subscribe("2", FULL)
        await here.until(lambda: here.live.traffic.operations == 2)
        await here.happen("b")
        heard = [await socket.hear(), await socket.hear()]
        assert [message["id"] for message in heard] == ["1", "2"]
        assert [message["payload"]["data"]["userChanged"]["user"]["name"] for message in heard] == ["b", "b"]
        await socket.say("complete", "1")
        await here.until(lambda: here.live.traffic.operations == 1)
        await here.happen("c")
        assert await socket.name() == "c"
        assert here.events.subscribers == 1
    await here.followed(0)


async def test_coming_and_going(here: Any) -> None:
    """Clients that come and go at any time, and resume, hear of everything once and in order, in whatever company."""
    numbers, stop = iter(range(10_000)), asyncio.Event()
    chance = random.Random(7)  # noqa: S311 - the same every time

    async def happen() -> None:
        while not stop.is_set():
            for _ in range(chance.randrange(4)):
                await here.happen(str(next(numbers)))
            await asyncio.sleep(0.002)

    async def client() -> list[int]:
        heard: list[int] = []
        last = None
        for _ in range(6):
            async with here.socket() as socket:
                await told(socket, FULL, after=last)
                for _ in range(chance.randrange(1, 30)):
                    event = (await socket.next())["userChanged"]
                    heard.append(int(event["user"]["name"]))
                    last = event["id"]
            await asyncio.sleep(chance.random() * 0.02)
        return heard

    happening = asyncio.ensure_future(happen())
    async with asyncio.timeout(30):
        all_heard = await asyncio.gather(*(client() for _ in range(20)))
    stop.set()
    await happening
    for heard in all_heard:
        assert heard == list(range(heard[0], heard[0] + len(heard)))
    await here.followed(0)
