"""Callers who go away, and callers in a hurry."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession
from faults.conftest import Troubled, eventually
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
PATIENT = {"timeout": 60, "try_timeout": 60}
KEY = {"Idempotency-Key": "left"}


def under_way() -> list[str]:
    """The gateway's own tasks in this process."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks() if not task.done()]
    codes = [code for one in coroutines if (code := getattr(one, "cr_code", None))]
    own = [code for code in codes if "/gateway/" in code.co_filename and "/sandbox/" not in code.co_filename]
    return [code.co_qualname for code in own]


async def left_alone(
    world: Troubled, query: str, source: str, *, answered: int = 0, go: asyncio.Event | None = None, **headers: str
) -> None:
    """Send an operation; go away once its call is under way, `answered` others or more are over, and `go` is set."""
    async with ClientSession() as session:
        sent = asyncio.ensure_future(session.post(f"{world.url}/graphql", json={"query": query}, headers=headers))
        await eventually(lambda: _arrived(world, source))
        await eventually(lambda: _answered(world, answered))
        if go is not None:
            await go.wait()
        sent.cancel()
        await asyncio.wait([sent])


async def _arrived(world: Troubled, source: str) -> bool:
    return any(call["status"] is None for call in await world.calls(source))


async def _answered(world: Troubled, calls: int) -> bool:
    return await world.metric("http_client_request_duration_seconds_count", status="200") >= calls


async def _joined(world: Troubled, query: str) -> bool:
    if query == READ:
        return await world.metric("gateway_source_events_total", event="shared") == 1
    # Both have their user, and wait for its role.
    return await _answered(world, 2)


@pytest.mark.parametrize("ttl", [0, 30])
@pytest.mark.parametrize(
    ("query", "path", "answered"),
    [(READ, "/account-users/", 0), (LOOK_UP, "/identity/roles", 1), (LIST, "/account-users$", 2)],
)
async def test_a_read_that_nobody_waits_for(
    troubled: Callable[..., Any], query: str, path: str, answered: int, ttl: float
) -> None:
    """When its client goes away a read's call is given up, and no task and no connection is left."""
    world = await troubled(every=PATIENT, reference_ttl=ttl)
    await world.fault(source="account", path=path, kind="slow", delay=30)
    await left_alone(world, query, "account", answered=answered)
    await eventually(lambda: world.proxies["account"].open == 0)
    await eventually(lambda: not under_way())
    assert await world.metric("http_client_request_duration_seconds_count", status="cancelled") == 1


async def test_a_shared_read_goes_on_for_who_stays(troubled: Callable[..., Any]) -> None:
    """Of two who wait for one call, or one lookup, one may go away: the other gets its answer."""
    for query, path in ((READ, "/account-users/"), (LOOK_UP, "/identity/roles")):
        world = await troubled(every=PATIENT)
        await world.fault(source="account", path=path, kind="slow", delay=1)
        go = asyncio.Event()
        leaving = asyncio.ensure_future(left_alone(world, query, "account", go=go))
        await eventually(lambda world=world: _arrived(world, "account"))
        staying = asyncio.ensure_future(world.graphql(query))
        await eventually(lambda world=world, query=query: _joined(world, query))
        go.set()
        await leaving
        assert "errors" not in await staying
        assert len([call for call in await world.calls() if path.strip("/") in call["path"]]) == 1


async def test_a_read_on_a_socket_that_closes(troubled: Callable[..., Any]) -> None:
    """A WebSocket that closes ends the calls of its operations too."""
    world = await troubled(every=PATIENT)
    await world.fault(source="account", kind="slow", delay=30)
    async with world.session.ws_connect(f"{world.url}/graphql", protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init"})
        await socket.receive_json()
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": READ}})
        await eventually(lambda: _arrived(world, "account"))
    await eventually(lambda: world.proxies["account"].open == 0)
    await eventually(lambda: not under_way())


async def test_an_operation_on_a_socket_has_a_deadline(troubled: Callable[..., Any]) -> None:
    """Operations on a WebSocket are bounded by the setting, each from its own start."""
    world = await troubled(every=PATIENT, request_timeout=0.5)
    await world.fault(source="account", kind="slow", delay=30, times=1_000)
    async with world.session.ws_connect(f"{world.url}/graphql", protocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init"})
        await socket.receive_json()
        for number in "12":
            await socket.send_json({"id": number, "type": "subscribe", "payload": {"query": READ}})
            async with asyncio.timeout(10):
                told = await socket.receive_json()
                assert told["payload"]["errors"][0]["extensions"]["code"] == "SOURCE_TIMEOUT"
                assert (await socket.receive_json())["type"] == "complete"


@pytest.mark.parametrize(("query", "source"), [(CREATE, "account"), (PUT, "softwareone"), (PATCH, "reseller")])
async def test_a_change_that_nobody_waits_for(troubled: Callable[..., Any], query: str, source: str) -> None:
    """A change that was sent is finished and recorded; asking again with its key gives its answer, once."""
    world = await troubled(every=PATIENT)
    await world.fault(source=source, kind="slow", delay=0.7)
    await left_alone(world, query, source, **KEY)
    [error] = (await world.graphql(query, **KEY))["errors"]
    assert (error["extensions"]["code"], error["extensions"]["retryable"]) == ("IDEMPOTENCY_IN_PROGRESS", True)
    assert 0 < error["extensions"]["retryAfter"] <= 1
    await eventually(lambda: not under_way())
    answer = await world.graphql(query, **KEY)
    [(name, told)] = answer["data"].items()
    assert answer["extensions"] == {"idempotency": {"replayed": [name]}}
    assert "left@faults.example" in told.values() or "Left" in told.values()
    stored = await world.stored(source, told["sourceId"])
    assert "left@faults.example" in stored.values() or "Left" in stored.values()
    assert len(await world.calls()) == 1


async def test_stopping_finishes_changes(troubled: Callable[..., Any]) -> None:
    """A gateway that is told to stop finishes the changes whose callers have gone."""
    world = await troubled()
    await world.fault(source="softwareone", kind="slow", delay=0.7)
    async with serving(Settings(http_port=0, grpc_port=None, **world.settings)) as served:
        stopping = Troubled(world.session, served.http, world.control, world.sandbox, world.proxies)
        await left_alone(stopping, PUT, "softwareone")
    assert (await world.stored("softwareone", "USR-0000-0001"))["first_name"] == "Left"
    assert not under_way()


@pytest.mark.parametrize("query", [READ, LOOK_UP, LIST, CREATE, PUT, PATCH])
async def test_a_callers_own_time(troubled: Callable[..., Any], query: str) -> None:
    """`X-Request-Timeout` ends an operation whose sources would have a minute; a change's outcome is unknown then."""
    world = await troubled(every=PATIENT)
    for name, proxy in world.proxies.items():
        proxy.poison(Toxic.BLACK_HOLE, FOREVER, call="roles" if query == LOOK_UP and name == "account" else "")
    answer = await world.graphql(query, **{"X-Request-Timeout": "0.5"})
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "SOURCE_TIMEOUT"
    assert error["extensions"].get("outcome") == ("unknown" if query.startswith("mutation") else None)
    if query == LOOK_UP:
        assert answer["data"]["user"]["sourceId"] == ADA
    await eventually(lambda: not under_way())


@pytest.mark.parametrize("query", [READ, CREATE])
async def test_retries_are_within_the_callers_time(troubled: Callable[..., Any], query: str) -> None:
    """A retry that could not come in time is not waited for: the first failure is told at once."""
    world = await troubled(every=PATIENT)
    await world.fault(source="account", kind="status", status=503, retryAfter=30, times=1_000)
    [error] = (await world.graphql(query, **{"X-Request-Timeout": "20"}))["errors"]
    assert (error["extensions"]["code"], error["extensions"]["retryAfter"]) == ("SOURCE_UNAVAILABLE", 30)
    assert "outcome" not in error["extensions"]
    assert len(await world.calls()) == 1


@pytest.mark.parametrize("query", [READ, CREATE])
async def test_queueing_is_within_the_callers_time(troubled: Callable[..., Any], query: str) -> None:
    """A wait under the rate limit that passes the deadline is refused at once, with the time to come back."""
    world = await troubled(every=PATIENT, account={"rate_limit": 0.02})
    assert "errors" not in await world.graphql(READ)
    [error] = (await world.graphql(query, **{"X-Request-Timeout": "20"}))["errors"]
    said = error["extensions"]
    assert (said["code"], said["source"], said["retryable"]) == ("RATE_LIMITED", "ACCOUNT", True)
    assert 20 < said["retryAfter"] <= 51
    assert "outcome" not in said
    assert len(await world.calls()) == 1
    assert await world.metric("gateway_source_events_total", event="refused", detail="pace") == 1
