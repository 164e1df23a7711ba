"""Replicas that share a Redis: one that is killed, and a Redis that is not there."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientConnectionError
from conftest import command
from faults.conftest import Troubled, eventually
from faults.toxic import FOREVER, Toxic, proxied, refusing
from redis.asyncio import Redis

from gateway import Gateway, Settings

CREATE = 'mutation { createAccountUser(input: {email: "shared@faults.example"}) { sourceId email } }'
KEY = {"Idempotency-Key": "shared"}


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """The shared Redis, empty."""
    async with Redis.from_url(redis_url) as client:
        await client.flushdb()
        yield client


def of_process(world: Troubled) -> dict[str, str]:
    """The settings of a world as a process's environment has them."""
    return {
        f"GATEWAY_{system}__{name}".upper(): str(value)
        for system, settings in world.settings.items()
        for name, value in settings.items()
    }


async def test_a_replica_that_is_killed(troubled: Callable[..., Any], redis: Redis, redis_url: str) -> None:
    """A change whose gateway is killed in the middle is carried out once more under the same key: one user."""
    alive = await troubled(redis_url=redis_url, every={"timeout": 20, "try_timeout": 20})
    with command(
        "serve",
        "--http-port",
        "0",
        "--grpc-port",
        "off",
        last="GraphQL",
        GATEWAY_REDIS_URL=redis_url,
        **of_process(alive),
    ) as one:
        dying = Troubled(alive.session, one.address("GraphQL").removesuffix("/graphql"), alive.control, alive.sandbox)
        await alive.fault(source="account", kind="slow", delay=0.5)
        lost = asyncio.ensure_future(dying.graphql(CREATE, **KEY))
        await eventually(lambda: _arrived(alive))
        os.kill(one.pid, signal.SIGKILL)
        with pytest.raises(ClientConnectionError):
            await lost
    for _ in range(2):
        [error] = (await alive.graphql(CREATE, **KEY))["errors"]
        assert error["extensions"]["code"] == "IDEMPOTENCY_IN_PROGRESS"
        assert 0 < error["extensions"]["retryAfter"] <= 1
    await eventually(lambda: _carried_out(alive))
    [record] = await redis.keys("usergateway:idempotency:*")
    await redis.hset(record, "until", 0)  # the 30 seconds of its lease pass
    answer = await alive.graphql(CREATE, **KEY)
    assert "extensions" not in answer
    first, second = await alive.calls()
    assert first["headers"]["idempotency-key"] == second["headers"]["idempotency-key"]
    [user] = [one for one in await alive.accounts() if one["user"]["email"] == "shared@faults.example"]
    assert answer["data"]["createAccountUser"]["sourceId"] == user["id"]
    assert (await alive.graphql(CREATE, **KEY))["extensions"]["idempotency"]["replayed"] == ["createAccountUser"]


async def _arrived(world: Troubled) -> bool:
    return bool(await world.calls())


async def _carried_out(world: Troubled) -> bool:
    return any(call["status"] == 201 for call in await world.calls())


async def test_a_redis_that_is_not_there(troubled: Callable[..., Any]) -> None:
    """Without its records a keyed change is refused before anything is sent; what needs none is served."""
    with refusing() as port:
        world = await troubled(redis_url=f"redis://127.0.0.1:{port}/0")
        [error] = (await world.graphql(CREATE, **KEY))["errors"]
        said = error["extensions"]
        assert (said["code"], said["retryable"], said["retryAfter"]) == ("SOURCE_UNAVAILABLE", True, 1.0)
        assert not said.keys() & {"source", "outcome"}  # it is no source that is not there
        assert error["message"] == "The gateway's shared state cannot be reached."
        assert str(port) not in str(error)
        assert await world.calls() == []
        assert "errors" not in await world.graphql('{ user(id: "USR-0000-0001", source: SOFTWAREONE) { name } }')
        assert "errors" not in await world.graphql(CREATE)


async def test_a_redis_that_does_not_answer(troubled: Callable[..., Any], redis_url: str) -> None:
    """A Redis that takes connections and says nothing is waited for within the caller's time."""
    async with proxied("127.0.0.1", urlsplit(redis_url).port or 0, http=False) as between:
        world = await troubled(redis_url=f"redis://127.0.0.1:{between.port}/0")
        between.poison(Toxic.BLACK_HOLE, FOREVER)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        [error] = (await world.graphql(CREATE, **KEY, **{"X-Request-Timeout": "0.1"}))["errors"]
        assert loop.time() - begun < 1.9  # without that time it would wait for a second, twice
        assert error["extensions"]["code"] == "SOURCE_UNAVAILABLE"
        assert await world.calls() == []


@pytest.mark.parametrize("trouble", ["gone", "silent"])
async def test_a_redis_lost_in_the_middle(
    troubled: Callable[..., Any], redis: Redis, redis_url: str, trouble: str
) -> None:
    """A change that was carried out is answered although its record cannot be written; that is written later.

    So who asks again is told that it still runs, and then given the first answer: the source is called once.
    """
    async with proxied("127.0.0.1", urlsplit(redis_url).port or 0, http=False) as between:
        world = await troubled(redis_url=f"redis://127.0.0.1:{between.port}/0", every={"timeout": 20})
        await world.fault(source="account", kind="slow", delay=0.5)
        asked = asyncio.ensure_future(world.graphql(CREATE, **KEY))
        await eventually(lambda: _arrived(world))
        await between.stop()
        if trouble == "silent":
            between.poison(Toxic.BLACK_HOLE, FOREVER)
            await between.start()
        answer = await asked
        assert answer["data"]["createAccountUser"]["email"] == "shared@faults.example"
        with contextlib.suppress(OSError):
            await between.stop()
        between.heal()
        await between.start()
        [record] = await redis.keys("usergateway:idempotency:*")
        while "errors" in (again := await world.graphql(CREATE, **KEY)):
            [error] = again["errors"]
            assert error["extensions"]["code"] == "IDEMPOTENCY_IN_PROGRESS"
            await eventually(lambda: redis.hexists(record, "answer"))
        assert again["data"] == answer["data"]
        assert again["extensions"]["idempotency"]["replayed"] == ["createAccountUser"]
        assert len(await world.calls("account")) == 1


async def test_leaving_without_a_record(troubled: Callable[..., Any], redis_url: str) -> None:
    """A gateway that is left while a change's record waits for its Redis waits for it no longer."""
    world = await troubled()
    await world.fault(source="account", kind="slow", delay=0.5)
    async with proxied("127.0.0.1", urlsplit(redis_url).port or 0, http=False) as between:
        async with Gateway(Settings(redis_url=f"redis://127.0.0.1:{between.port}/0", **world.settings)) as gateway:
            asked = asyncio.ensure_future(gateway.execute(CREATE, idempotency_key="left"))
            await eventually(lambda: _arrived(world))
            await between.stop()
            assert "errors" not in (await asked).payload()
            assert _unwritten() == 1
        assert _unwritten() == 0


def _unwritten() -> int:
    """How many tasks write a record later."""
    return sum("KeptAnswers" in repr(task.get_coro()) for task in asyncio.all_tasks())


async def test_more_changes_than_connections(troubled: Callable[..., Any], redis: Redis, redis_url: str) -> None:
    """Three hundred keyed changes at once all find their records: none is refused because others are there."""
    assert await redis.dbsize() == 0
    world = await troubled(redis_url=redis_url, account={"timeout": 60, "try_timeout": 60, "connect_timeout": 60})
    document = (
        "mutation ($e: String!, $k: String!) { createAccountUser(input: {email: $e}, idempotencyKey: $k) { email } }"
    )
    many = [{"e": f"many-{n}@faults.example", "k": f"k{n}"} for n in range(300)]
    answers = await asyncio.gather(*(world.graphql(document, one) for one in many))
    assert [answer.get("errors") for answer in answers if "errors" in answer] == []
    assert len(await redis.keys("usergateway:idempotency:*")) == 300
    assert (await redis.info("clients"))["connected_clients"] < 100
