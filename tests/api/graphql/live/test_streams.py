"""Event streams: graphql-sse's two modes, as bytes on the wire."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientResponse

from gateway.operation import ANYONE, Action, Principal

NAMES = "subscription { userChanged { user { name } } }"
STREAM = {"Accept": "text/event-stream"}
PREFLIGHT = {"GraphQL-Require-Preflight": "1"}


async def event(stream: ClientResponse) -> tuple[str, Any]:
    """The next event: its name and its data. Comments are left out."""
    fields: dict[str, str] = {}
    async with asyncio.timeout(5):
        while (line := (await stream.content.readline()).decode()) not in {"\n", ""} or not fields:
            if not line:
                return "end", None
            name, _, value = line.rstrip("\n").partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
    return fields["event"], json.loads(fields["data"]) if fields["data"] else None


@asynccontextmanager
async def streaming(here: Any, query: str = NAMES, **headers: str) -> AsyncIterator[ClientResponse]:
    """The stream of an operation that was sent by POST."""
    async with here.session.post(here.url, json={"query": query}, headers=STREAM | headers) as answer:
        assert answer.content_type == "text/event-stream"
        assert await answer.content.readline() == b":\n"
        yield answer


async def test_a_subscription(here: Any) -> None:
    """Each event is a `next`; the client ends it by going, and nothing of it is left."""
    async with streaming(here) as stream:
        await here.followed()
        await here.happen("a", "b")
        for name in "ab":
            assert await event(stream) == ("next", {"data": {"userChanged": {"user": {"name": name}}}})
        stream.connection.transport.abort()  # type: ignore[union-attr]  # it is connected
    await here.followed(0)
    await here.until(lambda: here.live.traffic.connections == 0)


async def test_a_query_and_what_is_wrong(here: Any) -> None:
    """A query is a next and a complete, whose data are empty; so is what cannot be executed, its errors in the next."""
    async with streaming(here, "{ __typename }") as stream:
        assert await event(stream) == ("next", {"data": {"__typename": "Query"}})
        assert await event(stream) == ("complete", None)
        assert await event(stream) == ("end", None)
    for query in ("{", "subscription { nothing }", 'subscription { userChanged(after: "x") { id } }'):
        async with streaming(here, query) as stream:
            name, data = await event(stream)
            assert (name, data["errors"][0]["extensions"]["code"]) == ("next", "BAD_USER_INPUT")
            assert "data" not in data
            assert (await event(stream))[0] == "complete"


@pytest.mark.parametrize("headers", [{}, PREFLIGHT])
async def test_get(here: Any, headers: dict[str, str]) -> None:
    """A GET streams, too, with the header that no page of another site can send; a change by GET is 405."""
    asked = here.session.get(here.url, params={"query": NAMES}, headers=STREAM | headers)
    async with asked as stream:
        assert stream.status == (200 if headers else 400)
        if headers:
            await here.followed()
            await here.happen("a")
            assert (await event(stream))[0] == "next"
    change = 'mutation { updateAccountUser(id: "acus_1", input: {name: "x"}) { id } }'
    async with here.session.get(here.url, params={"query": change}, headers=STREAM | headers) as answer:
        assert answer.status == 405


async def test_signs_of_life(opened: Any) -> None:
    """While nothing happens a comment says that the stream is open, and no event is lost between two."""
    here = await opened(ping=0.05)
    async with streaming(here) as stream:
        await here.followed()
        for _ in range(3):
            assert [await stream.content.readline() for _ in range(2)] == [b"\n", b":\n"]
        names = [f"n{number}" for number in range(20)]
        for name in names:
            await asyncio.sleep(0.02)
            await here.happen(name)
        assert [(await event(stream))[1]["data"]["userChanged"]["user"]["name"] for _ in names] == names


async def test_a_word_that_expires(opened: Any) -> None:
    """When what the client came with is no longer good its stream says UNAUTHENTICATED, and completes."""

    async def briefly(headers: Any) -> Principal:
        return Principal("kim", frozenset(Action), expires=time.time() + 0.2)

    here = await opened(briefly)
    async with streaming(here) as stream:
        name, data = await event(stream)
        assert (name, data["errors"][0]["extensions"]["code"]) == ("next", "UNAUTHENTICATED")
        assert (await event(stream))[0] == "complete"


async def test_a_strangers_token(opened: Any) -> None:
    """A reserved stream is of use to who reserved it, and to nobody else who may know its token."""

    async def named(headers: Any) -> Principal:
        return Principal(headers.get("authorization", ""), frozenset(Action))

    here = await opened(named)
    client = await reserve(here, authorization="kim")
    assert await client.post("a", "{ __typename }") == 403
    client.sent["authorization"] = "kim"
    assert await client.post("a", "{ __typename }") == 202


async def test_a_change(opened: Any) -> None:
    """A change by POST is carried out over a stream as over any response, and not for a form that a page sent."""
    here = await opened(account=True)
    change = 'mutation { updateAccountUser(id: "acus_adalovelace1", input: {name: "x"}) { name } }'
    async with streaming(here, change) as stream:
        assert await event(stream) == ("next", {"data": {"updateAccountUser": {"name": "x"}}})
        assert (await event(stream))[0] == "complete"
    form = {"operations": json.dumps({"query": change}), "map": "{}"}
    async with here.session.post(here.url, data=form, headers=STREAM) as answer:
        assert answer.status == 415


async def test_draining(opened: Any) -> None:
    """A stream ends without complete when the gateway stops, so that its client comes again; a new one ends at once."""
    here = await opened()
    async with streaming(here) as stream:
        await here.followed()
        await here.live.drain()
        assert await event(stream) == ("end", None)
    async with here.session.post(here.url, json={"query": NAMES}, headers=STREAM) as late:
        assert await event(late) == ("end", None)


async def test_too_many(opened: Any) -> None:
    """A stream too many says SOURCE_UNAVAILABLE and completes."""
    here = await opened(connections=1)
    async with streaming(here), here.session.post(here.url, json={"query": NAMES}, headers=STREAM) as other:
        name, data = await event(other)
        assert (name, data["errors"][0]["extensions"]["code"]) == ("next", "SOURCE_UNAVAILABLE")


async def test_a_stuck_client(opened: Any) -> None:
    """A client that reads nothing keeps no one waiting: it is dropped from the log, and then altogether."""
    here = await opened(queue=20, stuck=0.3)
    async with streaming(here) as stream:
        await here.followed()
        assert stream.connection is not None
        stream.connection.protocol.pause_reading()  # type: ignore[union-attr]  # it is connected
        async with asyncio.timeout(20):
            while ("slow_reader", "") not in here.happenings:
                await here.happen("x" * 100_000)
                await asyncio.sleep(0)
        await here.until(lambda: here.live.traffic.connections == 0)


class Reserved:
    """A client of the single connection mode."""

    def __init__(self, here: Any, token: str) -> None:
        self.here = here
        self.sent = {"X-GraphQL-Event-Stream-Token": token}

    async def post(self, id: Any, query: str = NAMES) -> int:
        """Start an operation; the status."""
        asked = {"query": query, "extensions": {"operationId": id}}
        async with self.here.session.post(self.here.url, json=asked, headers=self.sent) as answer:
            return int(answer.status)

    async def delete(self, id: str) -> int:
        """Stop an operation; the status."""
        async with self.here.session.delete(self.here.url, params={"operationId": id}, headers=self.sent) as answer:
            return int(answer.status)


async def reserve(here: Any, **headers: str) -> Reserved:
    """A reservation."""
    async with here.session.put(here.url, headers=headers, skip_auto_headers=["Content-Type"]) as answer:
        assert answer.status == 201
        return Reserved(here, await answer.text())


async def test_one_stream_for_all(here: Any) -> None:
    """Operations begin by POST and end by DELETE; what they are answered comes by the one stream, with their ids."""
    client = await reserve(here)
    assert await client.post("early", "{ __typename }") == 202
    async with here.session.get(here.url, headers=STREAM | client.sent) as stream:
        answer = {"id": "early", "payload": {"data": {"__typename": "Query"}}}
        assert await event(stream) == ("next", answer)
        assert await event(stream) == ("complete", {"id": "early"})
        assert await client.post("a") == 202
        assert await client.post("b") == 202
        await here.until(lambda: here.live.traffic.operations == 2)
        await here.followed()
        await here.happen("x")
        assert {(await event(stream))[1]["id"] for _ in range(2)} == {"a", "b"}
        assert await client.delete("a") == 200
        await here.until(lambda: here.live.traffic.operations == 1)
        await here.happen("y")
        name, data = await event(stream)
        assert (name, data["id"]) == ("next", "b")
        assert await client.post("a") == 202
    await here.followed(0)
    assert await client.post("c") == 404


async def test_what_is_refused_there(here: Any) -> None:
    """Statuses tell what is wrong: of an operation as over HTTP, of the stream 404 and 409."""
    client = await reserve(here)
    async with here.session.get(f"{here.url}?token={next(iter(client.sent.values()))}", headers=STREAM) as stream:
        assert stream.status == 200
        async with here.session.get(here.url, headers=STREAM | client.sent) as second:
            assert second.status == 409
        assert await client.post("a") == 202
        assert await client.post("a") == 409
        assert await client.post(None) == 400
        assert await client.post("b", "{ nothing }") == 200  # what was accepted was */*: the audit's status for JSON
        assert await client.delete("b") == 404
    assert await Reserved(here, "nobody's").post("a") == 404
    assert await Reserved(here, "nobody's").delete("a") == 404
    async with here.session.delete(here.url) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")
    async with here.session.get(f"{here.url}?token=a{'&b=1' * 100}", headers=STREAM) as answer:
        assert answer.status == 400


async def test_a_stream_that_ends_before_its_operation_is_read(opened: Any) -> None:
    """An operation whose body is complete only after its stream ended is 404, and not executed."""
    posted, rest = asyncio.Event(), asyncio.Event()

    async def noticing(headers: Any) -> Principal:
        if "content-type" in headers:
            posted.set()
        return ANYONE

    async def body() -> AsyncIterator[bytes]:
        yield json.dumps({"query": NAMES, "extensions": {"operationId": "a"}})[:-1].encode()
        await rest.wait()
        yield b"}"

    here = await opened(noticing)
    client = await reserve(here)
    json_too = {"Content-Type": "application/json"} | client.sent
    async with here.session.get(here.url, headers=STREAM | client.sent) as stream:
        assert await stream.content.readline() == b":\n"
        asked = asyncio.ensure_future(here.session.post(here.url, data=body(), headers=json_too))
        await posted.wait()
        stream.connection.transport.abort()
        await here.until(lambda: here.live.traffic.connections == 0)
    rest.set()
    async with await asked as answer:
        assert (answer.status, (await answer.json())["errors"][0]["extensions"]["code"]) == (404, "NOT_FOUND")
    assert (here.live.traffic.operations, here.events.subscribers) == (0, 0)


async def test_reservations_are_bounded(opened: Any) -> None:
    """There are so many reservations and no more, and one that nobody fetches is dropped with its operations."""
    here = await opened(reservations=1, reservation=0.3)
    client = await reserve(here)
    assert await client.post("a") == 202
    await here.followed()
    async with here.session.put(here.url, skip_auto_headers=["Content-Type"]) as answer:
        assert answer.status == 503
    await here.followed(0)
    assert await client.post("a") == 404
    await reserve(here)
