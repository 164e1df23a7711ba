"""What a gateway that keeps users gives when a source fails, with a real sandbox behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import grpc
import pytest
from aiohttp import ClientSession, ClientTimeout
from deadlines import in_time
from still_clock import StillClock

from gateway import Gateway
from gateway.auth import Principal
from gateway.errors import GatewayError, RateLimited, SourceTimeout, SourceUnavailable
from gateway.models import UserSource
from gateway.testing import Sandbox
from usergateway.v1 import users_pb2, users_pb2_grpc

ADA = "acus_adalovelace1"
ACCOUNT = UserSource.ACCOUNT
KEEP = {"keep": 10, "keep_if_error": 60, "max_attempts": 1}


@pytest.fixture
def sandbox() -> Any:
    with Sandbox(users=6, clock=StillClock()) as running:
        yield running


@pytest.fixture
async def opened(sandbox: Sandbox) -> AsyncIterator[Callable[..., Any]]:
    """Opens gateways that keep users of the account source for 5 seconds, and for 60 more if it fails."""
    async with AsyncExitStack() as stack:

        async def make(account: dict[str, Any] | None = None, **changes: Any) -> Gateway:
            settings = {"keep_mode": "on", "reference_ttl": 5, "account": KEEP | (account or {})} | changes
            return await stack.enter_async_context(Gateway(sandbox.settings(**settings), clock=sandbox.clock))

        yield make


def _calls(sandbox: Sandbox) -> int:
    return len(sandbox.calls.to("account"))


def _codes(result: Any) -> list[str]:
    return [error.extensions["code"] for error in result.errors]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 504},
        {"kind": "status", "status": 429, "retry_after": 60},
        {"kind": "hangup-before"},
        {"kind": "slow", "delay": 60},
    ],
)
async def test_a_source_that_fails(opened: Any, sandbox: Sandbox, fault: Any) -> None:
    """A user whose lifetime has ended is given if its source fails, as long as the settings allow, and not longer."""
    user, gateway = None, await opened({"timeout": 0.5, "connect_timeout": 0.2} if fault["kind"] == "slow" else {})
    async with asyncio.timeout(30):
        while user is None:
            with suppress(SourceTimeout):  # on a busy machine the short timeout may be too short
                user = await gateway.users.get_user(ADA, ACCOUNT)
    calls = _calls(sandbox)
    sandbox.fail("account", times=None, **fault)
    assert await gateway.users.get_user(ADA, ACCOUNT) == user
    assert _calls(sandbox) == calls
    sandbox.clock.advance(6)
    assert await gateway.users.get_user(ADA, ACCOUNT) == user
    assert _calls(sandbox) == calls + 1
    sandbox.clock.advance(60)
    with pytest.raises((SourceUnavailable, SourceTimeout, RateLimited)):
        await gateway.users.get_user(ADA, ACCOUNT)


@pytest.mark.parametrize("fault", [{"status": 401}, {"status": 403}, {"kind": "garbage"}])
async def test_a_source_that_refuses(opened: Any, sandbox: Sandbox, fault: Any) -> None:
    """A user whose lifetime has ended is not given if its source refuses the credential, or responds with garbage."""
    gateway = await opened()
    await gateway.users.get_user(ADA, ACCOUNT)
    sandbox.clock.advance(6)
    sandbox.fail("account", times=None, **fault)
    with pytest.raises(GatewayError):
        await gateway.users.get_user(ADA, ACCOUNT)


@pytest.mark.parametrize(
    ("account", "changes"), [({"keep_if_error": 0}, {}), ({}, {"keep_mode": "off"}), ({}, {"keep_mode": "shadow"})]
)
async def test_switched_off(opened: Any, sandbox: Sandbox, account: Any, changes: Any) -> None:
    """Neither users nor reference data are given past their lifetime where that is switched off."""
    gateway = await opened(account, **changes)
    listed = await gateway.execute("{ departments { nodes { id } } }")
    department = listed.data["departments"]["nodes"][0]["id"]
    query = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name }} department(id: "{department}") {{ name }} }}'
    assert (await gateway.execute(query)).errors is None
    sandbox.clock.advance(6)
    sandbox.fail("account", times=None, status=503)
    failed = await gateway.execute(query)
    assert (_codes(failed), failed.data) == (["SOURCE_UNAVAILABLE"] * 2, {"user": None, "department": None})


async def test_reference_data(opened: Any, sandbox: Sandbox) -> None:
    """A department whose lifetime has ended is given if its source fails, a role never is."""
    gateway = await opened()
    directories = await gateway.execute("{ roles { nodes { id } } departments { nodes { id } } }")
    role, department = (directories.data[name]["nodes"][0]["id"] for name in ("roles", "departments"))
    queries = [
        f'{{ node: {name}(id: "{record}") {{ name }} }}'
        for name, record in (("department", department), ("role", role))
    ]
    before = [(await gateway.execute(query)).data["node"] for query in queries]
    assert all(before)
    sandbox.clock.advance(6)
    sandbox.fail("account", times=None, status=503)
    stale, refused = [await gateway.execute(query) for query in queries]
    assert (stale.errors, stale.data["node"]) == (None, before[0])
    assert _codes(refused) == ["SOURCE_UNAVAILABLE"]


async def test_an_open_circuit(opened: Any, sandbox: Sandbox) -> None:
    """While the circuit of a source is open, what is kept is given without a call, and nothing else is."""
    gateway = await opened()
    user = await gateway.users.get_user(ADA, ACCOUNT)
    sandbox.fail("account", times=None, status=503)
    for _ in range(25):
        with pytest.raises(SourceUnavailable):
            await gateway.users.get_user("acus_nobody0000000", ACCOUNT)
    sandbox.clock.advance(6)
    calls = _calls(sandbox)
    assert await gateway.users.get_user(ADA, ACCOUNT) == user
    assert _calls(sandbox) == calls


async def test_a_credential_of_the_caller(opened: Any, sandbox: Sandbox) -> None:
    """What was read with the credential of a caller is never given past its lifetime."""
    gateway = await opened({"credentials": "forward"})
    token = f"Bearer {sandbox.settings().account.token.get_secret_value()}"
    caller = Principal("ann", frozenset({"users:read"}), {"account": {"authorization": token}})
    users = gateway.users.by(caller)
    assert await users.get_user(ADA, ACCOUNT) is not None
    sandbox.fail("account", times=None, status=503)
    assert await users.get_user(ADA, ACCOUNT) is not None
    sandbox.clock.advance(6)
    with pytest.raises(SourceUnavailable):
        await users.get_user(ADA, ACCOUNT)


async def test_clients_with_a_deadline(opened: Any, sandbox: Sandbox) -> None:
    """A client that waits as long as it has said gets what is kept in time if the source does not respond."""
    gateway = await opened({"timeout": 600}, grpc_port=0, http_port=0)
    http, rpc = await gateway.serve_http(grace=0), await gateway.serve_grpc()
    try:
        url = f"http://127.0.0.1:{http.address[1]}/graphql"
        async with ClientSession() as session, grpc.aio.insecure_channel(rpc.address) as channel:
            stub = users_pb2_grpc.UserServiceStub(channel)
            message = users_pb2.GetUserRequest(id=ADA, source=users_pb2.USER_SOURCE_ACCOUNT)
            body = {"query": f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name }} }}'}

            async def by_grpc() -> str:
                return (await stub.GetUser(message, timeout=2)).name

            async def by_http() -> str:
                headers, timeout = {"X-Request-Timeout": "2"}, ClientTimeout(total=2)
                async with session.post(url, json=body, headers=headers, timeout=timeout) as response:
                    return (await response.json())["data"]["user"]["name"]

            names = await asyncio.gather(in_time(by_grpc), in_time(by_http))
            sandbox.clock.advance(6)
            sandbox.fail("account", "slow", times=None, delay=600)
            assert await asyncio.gather(in_time(by_grpc), in_time(by_http)) == names
    finally:
        sandbox.stop_failing()
        await rpc.stop(0)
        await http.stop()


async def test_a_source_whose_changes_were_reported(opened: Any, sandbox: Sandbox) -> None:
    """A user that was kept for long while its source was polled is given when the source fails, polls included."""
    gateway = await opened({"keep": 600, "keep_if_error": 60, "poll_interval": 5})

    def reads() -> int:
        return sum("audit" not in call.path for call in sandbox.calls.to("account"))

    def rounds() -> float:
        count = gateway.metrics.registry.get_sample_value
        return sum(
            count("gateway_polls_total", {"source": "account", "result": result}) or 0.0
            for result in ("nothing", "news")
        )

    async def polled(number: float) -> None:
        async with asyncio.timeout(20):
            while rounds() < number:  # noqa: ASYNC110 - another task counts
                await asyncio.sleep(0.005)

    async def poll() -> None:
        number = rounds() + 1
        sandbox.clock.advance(5)
        await polled(number)

    await polled(1)
    await poll()
    user = await gateway.users.get_user(ADA, ACCOUNT)
    for _ in range(16):
        await poll()
    before = reads()
    assert await gateway.users.get_user(ADA, ACCOUNT) == user
    assert reads() == before
    sandbox.fail("account", times=None, status=503)
    sandbox.clock.advance(20)
    assert await gateway.users.get_user(ADA, ACCOUNT) == user
    assert reads() == before + 1
    sandbox.clock.advance(60)
    with pytest.raises(SourceUnavailable):
        await gateway.users.get_user(ADA, ACCOUNT)
