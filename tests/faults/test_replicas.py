"""Replicas over one Redis: a replica that is killed, and a Redis that is unreachable."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientConnectionError
from conftest import Running, command
from faults.conftest import FaultyWorld, eventually
from faults.toxic import FOREVER, Toxic, proxied
from ports import refusing_port
from redis.asyncio import Redis
from state.server import PATIENT

from gateway import Gateway, Settings
from gateway.events.replicated import ReplicatedEventLog
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN
from gateway.state.redis.client import connect
from gateway.state.redis.event_stream import RedisEventStream
from gateway.users.model import Timestamp, User, UserChange, UserSource

CREATE = 'mutation { createAccountUser(input: {email: "shared@faults.example"}) { sourceId email } }'
KEY = {"Idempotency-Key": "shared"}


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of the Redis of the replicas, empty."""
    async with Redis.from_url(redis_url) as client:
        await client.flushdb()
        yield client


def environment_of(world: FaultyWorld) -> dict[str, str]:
    """Return the settings of the sources as environment variables."""
    return {
        f"GATEWAY_{source}__{name}".upper(): str(value)
        for source, settings in world.settings.items()
        for name, value in settings.items()
    }


@contextlib.contextmanager
def _another_process(alive: FaultyWorld, redis_url: str) -> Iterator[tuple[Running, FaultyWorld]]:
    """Run a second replica in another process, which a test can kill."""
    with command(
        *("serve", "--http-port", "0", "--grpc-port", "off"),
        last="GraphQL",
        GATEWAY_REDIS_URL=redis_url,
        **environment_of(alive),
    ) as process:
        url = process.address("GraphQL").removesuffix("/graphql")
        yield process, FaultyWorld(alive.session, url, alive.control, alive.sandbox)


async def test_a_replica_that_is_killed(faulty_world: Callable[..., Any], redis: Redis, redis_url: str) -> None:
    """A change whose gateway is killed meanwhile is executed again under the same key, and creates one user."""
    alive = await faulty_world(redis_url=redis_url, every={"timeout": 20, "try_timeout": 20})
    with _another_process(alive, redis_url) as (process, dying):
        await alive.fault(source="account", kind="slow", delay=0.5)
        lost = asyncio.ensure_future(dying.graphql(CREATE, **KEY))
        await eventually(lambda: _has_arrived(alive))
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(ClientConnectionError):
            await lost
    for _ in range(2):
        [error] = (await alive.graphql(CREATE, **KEY))["errors"]
        assert error["extensions"]["code"] == "IDEMPOTENCY_IN_PROGRESS"
        assert 0 < error["extensions"]["retryAfter"] <= 1
    await eventually(lambda: _was_executed(alive))
    [record] = await redis.keys("usergateway:idempotency:*")
    await redis.hset(record, "until", 0)  # instead of waiting 30 seconds for the end of the lease
    response = await alive.graphql(CREATE, **KEY)
    assert "extensions" not in response
    first, second = await alive.calls()
    assert first["headers"]["idempotency-key"] == second["headers"]["idempotency-key"]
    [user] = [user for user in await alive.accounts() if user["user"]["email"] == "shared@faults.example"]
    assert response["data"]["createAccountUser"]["sourceId"] == user["id"]
    assert (await alive.graphql(CREATE, **KEY))["extensions"]["idempotency"]["replayed"] == ["createAccountUser"]


async def _has_arrived(world: FaultyWorld) -> bool:
    return bool(await world.calls())


async def _was_executed(world: FaultyWorld) -> bool:
    return any(call["status"] == 201 for call in await world.calls())


@pytest.mark.parametrize("headers", [KEY, {}])
async def test_an_unreachable_redis(faulty_world: Callable[..., Any], headers: dict[str, str]) -> None:
    """While Redis is unreachable, a change is refused before it is sent; queries are executed."""
    with refusing_port() as port:
        world = await faulty_world(redis_url=f"redis://127.0.0.1:{port}/0")
        [error] = (await world.graphql(CREATE, **headers))["errors"]
        extensions = error["extensions"]
        assert (extensions["code"], extensions["retryable"], extensions["retryAfter"]) == (
            "SOURCE_UNAVAILABLE",
            True,
            1.0,
        )
        assert not extensions.keys() & {"source", "outcome"}  # no source has failed
        assert error["message"] == "The gateway's shared state cannot be reached. Retry later."
        del extensions["requestId"]  # a random one may contain the digits of the port
        assert str(port) not in str(error)
        assert await world.calls() == []
        assert "errors" not in await world.graphql('{ user(id: "USR-0000-0001", source: SOFTWAREONE) { name } }')


@pytest.mark.parametrize("headers", [KEY, {}])
async def test_a_redis_that_does_not_reply(
    faulty_world: Callable[..., Any], redis_url: str, headers: dict[str, str]
) -> None:
    """For a Redis that accepts connections but does not reply, a request waits no longer than its deadline."""
    async with proxied("127.0.0.1", urlsplit(redis_url).port or 0, http=False) as proxy:
        world = await faulty_world(redis_url=f"redis://127.0.0.1:{proxy.port}/0?{PATIENT}")
        proxy.poison(Toxic.BLACK_HOLE, FOREVER)
        async with asyncio.timeout(20):  # without a deadline it would wait for 30 seconds, twice
            [error] = (await world.graphql(CREATE, **headers, **{"X-Request-Timeout": "0.1"}))["errors"]
        assert error["extensions"]["code"] == "SOURCE_UNAVAILABLE"
        assert await world.calls() == []


@pytest.mark.parametrize("failure", ["unreachable", "silent"])
async def test_a_redis_lost_during_a_change(
    faulty_world: Callable[..., Any], redis: Redis, redis_url: str, failure: str
) -> None:
    """The result of a change is returned although it cannot be stored; it is stored later.

    So a repeated request first gets that the change is running, and then the replay: the source is called once.
    """
    async with proxied("127.0.0.1", urlsplit(redis_url).port or 0, http=False) as proxy:
        world = await faulty_world(redis_url=f"redis://127.0.0.1:{proxy.port}/0", every={"timeout": 20})
        await world.fault(source="account", kind="slow", delay=0.5)
        running = asyncio.ensure_future(world.graphql(CREATE, **KEY))
        await eventually(lambda: _has_arrived(world))
        await proxy.stop()
        if failure == "silent":
            proxy.poison(Toxic.BLACK_HOLE, FOREVER)
            await proxy.start()
        response = await running
        assert response["data"]["createAccountUser"]["email"] == "shared@faults.example"
        with contextlib.suppress(OSError):
            await proxy.stop()
        proxy.heal()
        await proxy.start()
        [record] = await redis.keys("usergateway:idempotency:*")
        while "errors" in (again := await world.graphql(CREATE, **KEY)):
            [error] = again["errors"]
            assert error["extensions"]["code"] == "IDEMPOTENCY_IN_PROGRESS"
            await eventually(lambda: redis.hexists(record, "answer"))
        assert again["data"] == response["data"]
        assert again["extensions"]["idempotency"]["replayed"] == ["createAccountUser"]
        assert len(await world.calls("account")) == 1


@pytest.mark.parametrize("returns", [True, False])
async def test_stopping_without_a_stored_result(
    faulty_world: Callable[..., Any],
    redis: Redis,
    redis_url: str,
    caplog: pytest.LogCaptureFixture,
    *,
    returns: bool,
) -> None:
    """A gateway that stops while a result could not be stored tries on for some seconds, and logs what it gives up."""
    world = await faulty_world()
    await world.fault(source="account", kind="slow", delay=0.5)
    before = asyncio.all_tasks()
    async with proxied("127.0.0.1", urlsplit(redis_url).port or 0, http=False) as proxy:
        stack = contextlib.AsyncExitStack()
        url = f"redis://127.0.0.1:{proxy.port}/0"
        gateway = await stack.enter_async_context(Gateway(Settings(redis_url=url, **world.settings)))
        running = asyncio.ensure_future(gateway.execute(CREATE, idempotency_key="left"))
        await eventually(lambda: _has_arrived(world))
        await proxy.stop()
        assert "errors" not in (await running).payload()
        stopping = asyncio.ensure_future(stack.aclose())
        await asyncio.sleep(0.5)
        if returns:
            await proxy.start()
        async with asyncio.timeout(30):  # it tries for five seconds, and a call of Redis may take two
            await stopping
        assert gateway.metrics.registry.get_sample_value(
            "gateway_idempotency_total", {"event": "late" if returns else "lost"}
        ) == pytest.approx(1)
    [record] = await redis.keys("usergateway:idempotency:*")
    assert await redis.hexists(record, "answer") is returns
    given_up = [message for message in caplog.messages if message.startswith("the results of 1 changes could not")]
    assert len(given_up) == (0 if returns else 1)
    assert asyncio.all_tasks() <= before


async def test_more_changes_than_connections(faulty_world: Callable[..., Any], redis: Redis, redis_url: str) -> None:
    """Three hundred concurrent changes with keys are all executed, though there are fewer connections to Redis."""
    assert await redis.dbsize() == 0
    world = await faulty_world(redis_url=redis_url, account={"timeout": 60, "try_timeout": 60, "connect_timeout": 60})
    document = (
        "mutation ($e: String!, $k: String!) { createAccountUser(input: {email: $e}, idempotencyKey: $k) { email } }"
    )
    variables = [{"e": f"many-{n}@faults.example", "k": f"k{n}"} for n in range(300)]
    responses = await asyncio.gather(*(world.graphql(document, each) for each in variables))
    assert [response.get("errors") for response in responses if "errors" in response] == []
    assert len(await redis.keys("usergateway:idempotency:*")) == 300
    assert (await redis.info("clients"))["connected_clients"] < 100


PAGE = """
query ($after: String) { users(first: 2, after: $after, filter: {sources: [ACCOUNT]}) {
  nodes { sourceId name } pageInfo { endCursor }
} }
"""
UPDATE = "mutation ($id: ID!, $n: String!) { updateAccountUser(id: $id, input: {name: $n}) { name } }"


async def test_a_page_after_a_change_by_another_replica(
    faulty_world: Callable[..., Any], redis: Redis, redis_url: str
) -> None:
    """The next page has a user as another replica changed it, though the user was read before for that page."""
    assert await redis.dbsize() == 0
    first = await faulty_world(redis_url=redis_url, users=12)
    second = await faulty_world(redis_url=redis_url, behind=first)
    pages = [await _page(first, None)]
    pages.append(await _page(first, pages[0]["pageInfo"]["endCursor"]))
    prefetched = await first.calls("account")
    third = await _page(first, pages[1]["pageInfo"]["endCursor"])
    assert await first.calls("account") == prefetched  # otherwise this test shows nothing
    user_id = third["nodes"][0]["sourceId"]
    assert "errors" not in await second.graphql(UPDATE, {"id": user_id, "n": "Changed elsewhere"})

    async def shows_the_change() -> bool:
        page = await _page(first, pages[1]["pageInfo"]["endCursor"])
        return bool(page["nodes"][0]["name"] == "Changed elsewhere")

    await eventually(shows_the_change, 6.0)  # sooner than after 10 seconds, when the users are read again anyway


async def _page(world: FaultyWorld, after: str | None) -> Any:
    response = await world.graphql(PAGE, {"after": after})
    assert "errors" not in response
    return response["data"]["users"]


async def test_two_walks(faulty_world: Callable[..., Any]) -> None:
    """A walk that changes replicas does not get users that another walk read there before it began."""
    world = await faulty_world(users=12, cursor_secret="of both")
    replica = await faulty_world(users=12, cursor_secret="of both", behind=world)
    old = await _page(world, None)
    old_second = await _page(world, old["pageInfo"]["endCursor"])
    expected = [await _page(world, old_second["pageInfo"]["endCursor"])]
    user_id = expected[0]["nodes"][1]["sourceId"]
    headers = {
        "Authorization": f"Bearer {ACCOUNT_TOKEN}",
        "OpenMRP-Version": "1.0.forge-preview.3",
        "OpenMRP-Account": ACCOUNT_ID,
    }
    url = f"{world.sandbox.account_url}/v1/identity/account-users/{user_id}"
    async with world.session.patch(url, json={"name": "Changed at the source"}, headers=headers) as response:
        assert response.status == 200
    new = await _page(replica, None)
    new_second = await _page(replica, new["pageInfo"]["endCursor"])
    assert [page["nodes"] for page in (new, new_second)] == [page["nodes"] for page in (old, old_second)]
    new_third = await _page(world, new_second["pageInfo"]["endCursor"])
    assert new_third["nodes"][1]["name"] == "Changed at the source"


async def test_a_read_after_a_change_by_another_replica(
    faulty_world: Callable[..., Any], redis: Redis, redis_url: str
) -> None:
    """Once the event of a change is known here, a read does not share a call that was sent before the change."""
    assert await redis.dbsize() == 0
    first = await faulty_world(redis_url=redis_url)
    second = await faulty_world(redis_url=redis_url, behind=first)
    read = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
    async with first.session.post(
        f"{first.url}/graphql",
        json={"query": "subscription { userChanged { user { name } } }"},
        headers={"Accept": "text/event-stream"},
    ) as events:
        assert events.status == 200
        await events.content.readuntil(b"\n\n")
        first.proxies["account"].released = released = asyncio.Event()
        first.proxies["account"].poison(Toxic.LATENCY_AFTER, call="^GET ")
        early = asyncio.ensure_future(first.graphql(read))
        await eventually(lambda: _has_arrived(first))
        assert "errors" not in await second.graphql(UPDATE, {"id": "acus_adalovelace1", "n": "Later"})
        assert b"Later" in await events.content.readuntil(b"\n\n")
        assert not early.done()
        assert (await first.graphql(read))["data"]["user"]["name"] == "Later"
        released.set()
        assert (await early)["data"]["user"]["name"] != "Later"


async def test_the_last_event_has_the_last_state(
    faulty_world: Callable[..., Any], redis: Redis, redis_url: str
) -> None:
    """Where the earlier of two changes of a user is answered last, its event does not follow that of the later one."""
    assert await redis.dbsize() == 0
    first = await faulty_world(redis_url=redis_url)
    second = await faulty_world(redis_url=redis_url, behind=first)
    change = """
    mutation ($n: String!) {
      updateResellerUser(id: "00000000-0000-4000-8000-000000000001", input: {company: $n}) { company updatedAt }
    }
    """
    async with second.session.post(
        f"{second.url}/graphql",
        json={"query": "subscription { userChanged { user { company } } }"},
        headers={"Accept": "text/event-stream"},
    ) as events:
        await events.content.readuntil(b"\n\n")
        first.proxies["reseller"].released = released = asyncio.Event()
        first.proxies["reseller"].poison(Toxic.LATENCY_AFTER, call="^PATCH ")
        earlier = asyncio.ensure_future(first.graphql(change, {"n": "earlier"}))
        await eventually(lambda: _was_changed(first))
        assert "errors" not in await second.graphql(change, {"n": "later"})
        released.set()
        assert "errors" not in await earlier
        assert "errors" not in await second.graphql(change, {"n": "last"})
        received = [await events.content.readuntil(b"\n\n") for _ in range(2)]
    assert [b"later" in received[0], b"last" in received[1]] == [True, True]
    assert await first.metric("gateway_events_total", happening="superseded") == 1


async def _was_changed(world: FaultyWorld) -> bool:
    return any(call["status"] == 200 for call in await world.calls("reseller"))


async def test_events_of_a_replica_that_is_killed(
    faulty_world: Callable[..., Any], redis: Redis, redis_url: str
) -> None:
    """Every change that a replica answered before it was killed is one event for the subscribers of another one."""
    assert await redis.dbsize() == 0
    alive = await faulty_world(redis_url=redis_url, users=20)
    listed = await alive.graphql("{ users(first: 20, filter: {sources: [RESELLER]}) { nodes { sourceId } } }")
    change = "mutation ($id: ID!, $n: String!) { updateResellerUser(id: $id, input: {company: $n}) { company } }"
    answered: list[str] = []
    received: Counter[str] = Counter()

    async def change_repeatedly(world: FaultyWorld, user_id: str) -> None:
        with contextlib.suppress(ClientConnectionError):
            for number in itertools.count():
                name = f"{user_id} {number}"
                headers = {"Idempotency-Key": name} if number % 2 else {}
                assert "errors" not in await world.graphql(change, {"id": user_id, "n": name}, **headers)
                answered.append(name)

    async with alive.session.post(
        f"{alive.url}/graphql",
        json={"query": "subscription { userChanged { user { company } } }"},
        headers={"Accept": "text/event-stream"},
    ) as events:
        await events.content.readuntil(b"\n\n")
        with _another_process(alive, redis_url) as (process, dying):
            ids = [node["sourceId"] for node in listed["data"]["users"]["nodes"]]
            changing = asyncio.gather(*(change_repeatedly(dying, user_id) for user_id in ids))
            await eventually(lambda: len(answered) >= 100)
            os.kill(process.pid, signal.SIGKILL)
            await changing
        assert "errors" not in await alive.graphql(change, {"id": ids[0], "n": "end"})
        async for line in events.content:
            if line.startswith(b"data: {"):
                received[json.loads(line[6:])["data"]["userChanged"]["user"]["company"]] += 1
            if received["end"]:
                break
    assert [name for name in answered if received[name] != 1] == []


@pytest.mark.parametrize(
    "change",
    [
        'updateAccountUser(id: "acus_adalovelace1", input: {name: "New"})',
        'updateSoftwareOneUser(id: "USR-0000-0001", input: {lastName: "New"})',
        f'updateResellerUser(id: "00000000-0000-4000-8000-{1:012}", input: {{company: "New"}})',
    ],
)
async def test_a_replica_that_is_killed_after_the_event(
    faulty_world: Callable[..., Any], redis: Redis, redis_url: str, change: str
) -> None:
    """A change is one event, even if its replica has ended before it stored the result, and the change is repeated."""
    world = await faulty_world(redis_url=redis_url)
    mutation = f"mutation {{ {change} {{ id }} }}"
    assert "errors" not in await world.graphql(mutation, **KEY)
    [record] = await redis.keys("usergateway:idempotency:*")
    await redis.hdel(record, "answer")  # what the replica leaves behind, once its lease has ended
    response = await world.graphql(mutation, **KEY)
    assert response.keys() == {"data"}, response
    assert await _events(redis) == 1


async def test_a_result_that_shows_another_change(redis: Redis, redis_url: str) -> None:
    """A user that is read after a change, and is as another change left it, is not a second event of that one."""
    client = connect(redis_url)
    log = ReplicatedEventLog(RedisEventStream(client))
    log.start()
    user = User(UserSource.SOFTWAREONE, "USR-1", name="New", updated_at=Timestamp("2026-01-01T00:00:00.123Z"))
    await log.publish_and_wait(UserChange.UPDATED, user, "one")
    await log.publish_and_wait(UserChange.UPDATED, user, "another", repeated=True)
    await log.aclose()
    assert await _events(redis) == 1
    await client.aclose()


async def _events(redis: Redis) -> int:
    """Return the number of events in the log.

    By the other entries, whoever keeps users learns that a change was reported again.
    """
    entries = await redis.xrange("usergateway:{events}:entries")
    return sum(not fields[b"entry"].startswith(b"UNKNOWN") for _, fields in entries)
