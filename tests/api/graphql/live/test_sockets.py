"""Operations over a socket: in which order what is said, and what ends with what."""

import asyncio
import time
from typing import Any

import pytest

from gateway.operation import ANYONE, Action, Principal
from gateway.users.model import UserSource

NAMES = "subscription { userChanged { user { name } } }"


async def test_a_query_and_a_mutation(here: Any) -> None:
    """Queries and mutations are answered over the socket too: one next, then complete."""
    async with here.socket() as socket:
        await socket.subscribe("q", "query Q($id: ID!) { node(id: $id) { id } }", variables={"id": "nonsense"})
        assert await socket.hear() == {"id": "q", "type": "next", "payload": {"data": {"node": None}}}
        assert await socket.hear() == {"id": "q", "type": "complete"}
        change = 'mutation { updateAccountUser(id: "acus_1", input: {name: "x"}) { id } }'
        await socket.subscribe("m", change)
        answer = (await socket.hear())["payload"]
        assert answer["data"] == {"updateAccountUser": None}
        assert answer["errors"][0]["extensions"]["code"] == "SOURCE_NOT_CONFIGURED"
        assert (await socket.hear())["type"] == "complete"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription {", "BAD_USER_INPUT"),
        ("subscription { nothing }", "BAD_USER_INPUT"),
        ("subscription($ids: [ID!]) { userChanged(ids: $ids) { id } }", "BAD_USER_INPUT"),
        ('subscription { userChanged(ids: ["x"]) { id } }', "BAD_USER_INPUT"),
        ('subscription { userChanged(after: "x") { id } }', "BAD_USER_INPUT"),
        ('subscription { userChanged(after: "e100000000000000000000000000000000") { id } }', "NOT_FOUND"),
    ],
)
async def test_a_request_that_is_wrong(here: Any, query: str, code: str) -> None:
    """What cannot be executed, or cannot begin, is an `error` with our codes, and the socket stays open."""
    async with here.socket() as socket:
        await socket.subscribe("1", query, variables={"ids": 7})
        [error, *_] = await socket.errors()
        assert error["extensions"]["code"] == code
        await socket.subscribe("1", "{ __typename }")
        assert await socket.next() == {"__typename": "Query"}


async def test_ids_are_free_again(here: Any) -> None:
    """An id may be used again after its complete, whoever sent it; and nothing comes after a complete."""
    async with here.socket() as socket:
        for _ in range(3):
            await socket.subscribe("1", "{ __typename }")
            assert (await socket.hear())["type"] == "next"
            assert (await socket.hear())["type"] == "complete"
        for name in "abc":
            await socket.subscribe("1", NAMES)
            await here.followed()
            await here.happen(name)
            assert await socket.name() == name
            await socket.say("complete", "1")
            await here.followed(0)
            await here.happen("unheard")
        await socket.say("complete", "unknown")
        await socket.say("ping")
        assert (await socket.hear())["type"] == "pong"


async def test_several_subscriptions(here: Any) -> None:
    """The operations of a connection are independent, and each has all its events in their order."""
    async with here.socket() as socket:
        await socket.subscribe("all")
        await socket.subscribe("named", NAMES)
        await socket.subscribe("none", "subscription { userChanged(sources: [RESELLER]) { id } }")
        await here.followed(3)
        names = [f"n{number}" for number in range(50)]
        await here.happen(*names)
        heard: dict[str, list[str]] = {"all": [], "named": []}
        for _ in range(100):
            message = await socket.hear()
            heard[message["id"]].append(message["payload"]["data"]["userChanged"]["user"]["name"])
        assert heard == {"all": names, "named": names}


async def test_too_many_operations(opened: Any) -> None:
    """An operation too many is refused with RATE_LIMITED on a connection, SOURCE_UNAVAILABLE in a process."""
    here = await opened(operations_each=2, operations=3)
    async with here.socket() as one, here.socket() as two:
        await one.subscribe("a")
        await one.subscribe("b")
        await two.subscribe("c")
        await here.until(lambda: here.live.traffic.operations == 3)
        await one.subscribe("d")
        assert (await one.errors())[0]["extensions"]["code"] == "RATE_LIMITED"
        await two.subscribe("d")
        [error] = await two.errors()
        assert (error["extensions"]["code"], error["extensions"]["retryAfter"]) == ("SOURCE_UNAVAILABLE", 1)
        await one.say("complete", "a")
        await here.until(lambda: here.live.traffic.operations == 2)
        await two.subscribe("d")
        await here.until(lambda: here.live.traffic.operations == 3)


async def test_a_slow_reader(opened: Any) -> None:
    """A client that reads nothing keeps nobody else waiting; when it reads, it is told, and can go on without loss."""
    here = await opened(queue=20)
    query = "subscription($after: String) { userChanged(after: $after) { id user { name } } }"
    async with here.socket() as slow, here.socket() as quick:
        await slow.subscribe("1", query)
        await quick.subscribe("1", query)
        await here.until(lambda: here.live.traffic.operations == 2)
        slow.socket._reader._protocol.pause_reading()  # the client's own side: aiohttp reads ahead
        happened = 0
        async with asyncio.timeout(20):
            while ("slow_reader", "") not in here.happenings:
                await here.happen(f"{happened:06}" + "x" * 30_000)
                assert (await quick.name()).startswith(f"{happened:06}")
                happened += 1
        slow.socket._reader._protocol.resume_reading()
        read, last = [], None
        while (message := await slow.hear())["type"] == "next":
            last = message["payload"]["data"]["userChanged"]["id"]
            read.append(message["payload"]["data"]["userChanged"]["user"]["name"][:6])
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert 0 < len(read) < happened
        await slow.subscribe("1", query, variables={"after": last})
        while len(read) < happened:
            read.append((await slow.name())[:6])
        assert read == [f"{number:06}" for number in range(happened)]


async def test_a_stuck_client(opened: Any) -> None:
    """A client that reads nothing at all is closed when it answers no ping; its socket goes with it."""
    here = await opened(queue=20, ping=0.2, pong=0.2)
    async with here.socket() as stuck:
        await stuck.subscribe()
        await here.followed()
        stuck.socket._reader._protocol.pause_reading()
        async with asyncio.timeout(20):
            while here.live.traffic.connections:
                await here.happen("x" * 100_000)
                await asyncio.sleep(0.01)
        stuck.socket._reader._protocol.resume_reading()
        assert (await stuck.end())[0] in {1006, 4499}  # the code, where it still got through
    assert here.events.subscribers == 0


async def test_a_client_that_goes_away(here: Any) -> None:
    """A client that is gone without a word leaves no operation and no subscription; the fixture looks for tasks."""
    async with here.socket() as socket:
        await socket.subscribe("1")
        await socket.subscribe("2", "subscription($a: String) { userChanged(after: $a) { id } }")
        await here.followed(2)
        socket.socket._response.connection.transport.abort()
        await here.followed(0)
    await here.until(lambda: (here.live.traffic.connections, here.live.traffic.operations) == (0, 0))


async def test_a_word_that_expires(opened: Any) -> None:
    """When what the client came with is no longer good the socket is closed with 4403: it may come with a fresh one."""

    async def briefly(headers: Any) -> Principal:
        return Principal("kim", frozenset(Action), expires=time.time() + 0.3)

    here = await opened(briefly)
    async with here.socket() as socket:
        await socket.subscribe()
        assert await socket.end() == (4403, "Forbidden: what you came with has expired.")


async def test_a_word_that_expires_with_a_ping(opened: Any) -> None:
    """A socket whose word expires as it is pinged is closed with 4403, however well its client answers."""

    async def briefly(headers: Any) -> Principal:
        return Principal("kim", frozenset(Action), expires=time.time() + 0.1)

    here = await opened(briefly, ping=0.1)
    async with here.socket() as socket:
        time.sleep(0.15)  # noqa: ASYNC251 - the loop is busy while both come due, so both are due at once
        async with asyncio.timeout(5):
            while (await socket.socket.receive()).type.name == "TEXT":
                await socket.say("pong")
        assert socket.socket.close_code == 4403


async def test_what_a_caller_may_not_see(opened: Any) -> None:
    """A caller is told of the systems that they may read, and refused those that they name and may not."""

    async def reader(headers: Any) -> Principal:
        name = headers.get("authorization", "")
        return ANYONE if not name else Principal(name, frozenset({Action.READ.within(UserSource.ACCOUNT)}))

    here = await opened(reader)
    async with here.socket({"authorization": "kim"}) as kim, here.socket() as anyone:
        await kim.subscribe("1", "subscription { userChanged(sources: [RESELLER]) { id } }")
        assert (await kim.errors())[0]["extensions"]["code"] == "FORBIDDEN"
        await kim.subscribe("1", NAMES)
        await anyone.subscribe("1", NAMES)
        await here.followed(2)
        await here.happen("secret", source=UserSource.SOFTWAREONE)
        await here.happen("open")
        assert [await anyone.name(), await anyone.name()] == ["secret", "open"]
        assert await kim.name() == "open"


async def test_the_logs_end(here: Any) -> None:
    """Where the event log is closed a subscription ends with SOURCE_UNAVAILABLE, the socket does not."""
    async with here.socket() as socket:
        await socket.subscribe()
        await here.followed()
        await here.events.close()
        assert (await socket.errors())[0]["extensions"]["code"] == "SOURCE_UNAVAILABLE"
        await socket.subscribe("1", "{ __typename }")
        assert await socket.next() == {"__typename": "Query"}
