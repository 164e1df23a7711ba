"""Callers that disconnect, and callers with a short deadline."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession
from faults.conftest import FaultyWorld, eventually
from faults.toxic import FOREVER, Toxic

from gateway import Settings
from gateway.app.serving import serving

ADA = "acus_adalovelace1"
READ = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ sourceId }} }}'
LOOK_UP = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ sourceId role {{ owner {{ type }} }} }} }}'
LIST = "{ users(first: 9) { nodes { id } unavailable { source code } } }"
CREATE = 'mutation { createAccountUser(input: {email: "left@faults.example"}) { sourceId email } }'
PUT = 'mutation { updateSoftwareOneUser(id: "USR-0000-0001", input: {firstName: "Left"}) { sourceId firstName } }'
PATCH = (
    f'mutation {{ updateResellerUser(id: "00000000-0000-4000-8000-{1:012}", input: {{company: "Left"}}) '
    "{ sourceId company } }"
)
LONG_TIMEOUTS = {"timeout": 60, "try_timeout": 60}
KEY = {"Idempotency-Key": "left"}


def running_tasks() -> list[str]:
    """Return the names of the gateway's tasks in this process, but for those of open connections to clients."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks() if not task.done()]
    codes = [code for coroutine in coroutines if (code := getattr(coroutine, "cr_code", None))]
    codes = [code for code in codes if "/gateway/" in code.co_filename and "/sandbox/" not in code.co_filename]
    return [code.co_qualname for code in codes if code.co_qualname != "_Connection.start"]


async def send_and_disconnect(
    world: FaultyWorld,
    query: str,
    source: str,
    *,
    finished: int = 0,
    after: asyncio.Event | None = None,
    **headers: str,
) -> None:
    """Send an operation; disconnect once its call is running, `finished` others are over, and `after` is set."""
    async with ClientSession() as session:
        sent = asyncio.ensure_future(session.post(f"{world.url}/graphql", json={"query": query}, headers=headers))
        await eventually(lambda: _has_arrived(world, source))
        await eventually(lambda: _has_finished(world, finished))
        if after is not None:
            await after.wait()
        sent.cancel()
        await asyncio.wait([sent])


async def _has_arrived(world: FaultyWorld, source: str) -> bool:
    return any(call["status"] is None for call in await world.calls(source))


async def _has_finished(world: FaultyWorld, calls: int) -> bool:
    return await world.metric("http_client_request_duration_seconds_count", http_response_status_code="200") >= calls


async def _has_joined(world: FaultyWorld, query: str) -> bool:
    if query == READ:
        return await world.metric("gateway_source_events_total", event="shared") == 1
    # Both have read their user, and wait for the role.
    return await _has_finished(world, 2)


@pytest.mark.parametrize("ttl", [0, 30])
@pytest.mark.parametrize(
    ("query", "path", "finished"),
    [(READ, "/account-users/", 0), (LOOK_UP, "/identity/roles", 1), (LIST, "/account-users$", 2)],
)
async def test_a_read_without_a_client(
    faulty_world: Callable[..., Any], query: str, path: str, finished: int, ttl: float
) -> None:
    """When the client of a read disconnects its call is cancelled, and no task and no connection is left."""
    world = await faulty_world(every=LONG_TIMEOUTS, reference_ttl=ttl)
    await world.fault(source="account", path=path, kind="slow", delay=30)
    await send_and_disconnect(world, query, "account", finished=finished)
    await eventually(lambda: world.proxies["account"].open == 0)
    await eventually(lambda: not running_tasks())
    assert await world.metric("http_client_request_duration_seconds_count", error_type="cancelled") == 1


async def test_a_shared_read_continues(faulty_world: Callable[..., Any]) -> None:
    """When one of two clients that wait for one call, or one lookup, disconnects, the other gets its response."""
    for query, path in ((READ, "/account-users/"), (LOOK_UP, "/identity/roles")):
        world = await faulty_world(every=LONG_TIMEOUTS)
        await world.fault(source="account", path=path, kind="slow", delay=1)
        joined = asyncio.Event()
        leaving = asyncio.ensure_future(send_and_disconnect(world, query, "account", after=joined))
        await eventually(lambda world=world: _has_arrived(world, "account"))
        staying = asyncio.ensure_future(world.graphql(query))
        await eventually(lambda world=world, query=query: _has_joined(world, query))
        joined.set()
        await leaving
        assert "errors" not in await staying
        assert len([call for call in await world.calls() if path.strip("/") in call["path"]]) == 1


async def test_a_read_on_a_socket_that_closes(faulty_world: Callable[..., Any]) -> None:
    """When a WebSocket closes, the calls of its operations are cancelled."""
    world = await faulty_world(every=LONG_TIMEOUTS)
    await world.fault(source="account", kind="slow", delay=30)
    async with world.session.ws_connect(f"{world.url}/graphql", protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init"})
        await socket.receive_json()
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": READ}})
        await eventually(lambda: _has_arrived(world, "account"))
    await eventually(lambda: world.proxies["account"].open == 0)
    await eventually(lambda: not running_tasks())


async def test_an_operation_on_a_socket_has_a_deadline(faulty_world: Callable[..., Any]) -> None:
    """The timeout of operations on a WebSocket applies to each from its start."""
    world = await faulty_world(every=LONG_TIMEOUTS, request_timeout=0.5)
    await world.fault(source="account", kind="slow", delay=30, times=1_000)
    async with world.session.ws_connect(f"{world.url}/graphql", protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init"})
        await socket.receive_json()
        for number in "12":
            await socket.send_json({"id": number, "type": "subscribe", "payload": {"query": READ}})
            async with asyncio.timeout(30):
                message = await socket.receive_json()
                assert message["payload"]["errors"][0]["extensions"]["code"] == "SOURCE_TIMEOUT"
                assert (await socket.receive_json())["type"] == "complete"


@pytest.mark.parametrize(("query", "source"), [(CREATE, "account"), (PUT, "softwareone"), (PATCH, "reseller")])
async def test_a_change_without_a_client(faulty_world: Callable[..., Any], query: str, source: str) -> None:
    """A change whose client disconnects is finished and stored; a request with its key replays it."""
    world = await faulty_world(every=LONG_TIMEOUTS)
    await world.fault(source=source, kind="slow", delay=0.7)
    await send_and_disconnect(world, query, source, **KEY)
    [error] = (await world.graphql(query, **KEY))["errors"]
    assert (error["extensions"]["code"], error["extensions"]["retryable"]) == ("IDEMPOTENCY_IN_PROGRESS", True)
    assert 0 < error["extensions"]["retryAfter"] <= 1
    await eventually(lambda: not running_tasks())
    response = await world.graphql(query, **KEY)
    [(name, user)] = response["data"].items()
    assert response["extensions"] == {"idempotency": {"replayed": [name]}}
    assert "left@faults.example" in user.values() or "Left" in user.values()
    stored = await world.stored(source, user["sourceId"])
    assert "left@faults.example" in stored.values() or "Left" in stored.values()
    assert len(await world.calls()) == 1


async def test_stopping_finishes_changes(faulty_world: Callable[..., Any]) -> None:
    """A gateway that is stopped finishes the changes whose callers have disconnected."""
    world = await faulty_world()
    await world.fault(source="softwareone", kind="slow", delay=0.7)
    async with serving(Settings(http_port=0, grpc_port=None, **world.settings)) as served:
        stopping = FaultyWorld(world.session, served.http, world.control, world.sandbox, world.proxies)
        await send_and_disconnect(stopping, PUT, "softwareone")
    assert (await world.stored("softwareone", "USR-0000-0001"))["first_name"] == "Left"
    assert not running_tasks()


@pytest.mark.parametrize("query", [READ, LOOK_UP, LIST, CREATE, PUT, PATCH])
async def test_a_callers_deadline(faulty_world: Callable[..., Any], query: str) -> None:
    """`X-Request-Timeout` stops an operation before the timeout of its source; the outcome of a change is unknown."""
    world = await faulty_world(every=LONG_TIMEOUTS)
    for name, proxy in world.proxies.items():
        proxy.poison(Toxic.BLACK_HOLE, FOREVER, call="roles" if query == LOOK_UP and name == "account" else "")
    response = await world.graphql(query, **{"X-Request-Timeout": "0.5"})
    [error] = response["errors"]
    assert error["extensions"]["code"] == "SOURCE_TIMEOUT"
    assert error["extensions"].get("outcome") == ("unknown" if query.startswith("mutation") else None)
    if query == LOOK_UP:
        assert response["data"]["user"]["sourceId"] == ADA
    await eventually(lambda: not running_tasks())


@pytest.mark.parametrize("query", [READ, CREATE])
async def test_retries_are_within_the_deadline(faulty_world: Callable[..., Any], query: str) -> None:
    """A retry that would be after the deadline is not made: the first failure is returned at once."""
    world = await faulty_world(every=LONG_TIMEOUTS)
    await world.fault(source="account", kind="status", status=503, retryAfter=30, times=1_000)
    [error] = (await world.graphql(query, **{"X-Request-Timeout": "20"}))["errors"]
    assert (error["extensions"]["code"], error["extensions"]["retryAfter"]) == ("SOURCE_UNAVAILABLE", 30)
    assert "outcome" not in error["extensions"]
    assert len(await world.calls()) == 1


@pytest.mark.parametrize("query", [READ, CREATE])
async def test_pacing_is_within_the_deadline(faulty_world: Callable[..., Any], query: str) -> None:
    """A call that the rate limit would delay past the deadline is refused at once, with a retry delay."""
    world = await faulty_world(every=LONG_TIMEOUTS, account={"rate_limit": 0.02})
    assert "errors" not in await world.graphql(READ)
    [error] = (await world.graphql(query, **{"X-Request-Timeout": "20"}))["errors"]
    extensions = error["extensions"]
    assert (extensions["code"], extensions["source"], extensions["retryable"]) == ("RATE_LIMITED", "ACCOUNT", True)
    assert 20 < extensions["retryAfter"] <= 51
    assert "outcome" not in extensions
    assert len(await world.calls()) == 1
    assert await world.metric("gateway_source_events_total", event="refused", detail="pace") == 1
