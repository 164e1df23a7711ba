"""The capacity for gRPC calls: the same allowance and the same gate as for GraphQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from aiohttp import ClientSession
from google.rpc import error_details_pb2, status_pb2
from relay import Relay, relayed

from gateway import Settings
from gateway.app.serving import Addresses, serving
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, SandboxOptions, SandboxServer
from usergateway.v1 import users_pb2

USER = users_pb2.GetUserRequest(id="acus_adalovelace1", source="USER_SOURCE_ACCOUNT")
QUERY = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
Start = Callable[..., Any]


class BothSurfaces:
    """Clients of both surfaces of a gateway, its sandbox, and a relay between them."""

    def __init__(
        self,
        addresses: Addresses,
        sandbox: SandboxServer,
        account: Relay,
        channel: grpc.aio.Channel,
        session: ClientSession,
    ) -> None:
        self._url = addresses.http
        self._control = sandbox.control_url
        self.account = account
        self._channel = channel
        self._session = session

    def get_user(self, seconds: float = 20) -> Any:
        """Start GetUser with a deadline."""
        call = self._channel.unary_unary(
            "/usergateway.v1.UserService/GetUser",
            request_serializer=users_pb2.GetUserRequest.SerializeToString,
            response_deserializer=users_pb2.User.FromString,
        )
        return call(USER, timeout=seconds)

    def watch(self) -> Any:
        """Start WatchUsers."""
        call = self._channel.unary_stream(
            "/usergateway.v1.UserService/WatchUsers",
            request_serializer=users_pb2.WatchUsersRequest.SerializeToString,
            response_deserializer=users_pb2.UserEvent.FromString,
        )
        return call(users_pb2.WatchUsersRequest(), timeout=20)

    async def query(self, **headers: str) -> Any:
        """Read the same user by GraphQL; return the status and the JSON."""
        async with self._session.post(f"{self._url}/graphql", json={"query": QUERY}, headers=headers) as response:
            return response.status, await response.json()

    async def calls(self) -> int:
        """Return the number of calls that the sandbox has received."""
        async with self._session.get(f"{self._control}/calls") as response:
            return len(await response.json())

    async def held(self, call: Any) -> Any:
        """Start a call, and return its task when the relay holds its request to the source."""
        self.account.hold()
        task = asyncio.ensure_future(call)
        await self.account.holds_something()
        return task


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts a gateway over one source, with further settings."""
    async with AsyncExitStack() as stack:

        async def start(**further: Any) -> BothSurfaces:
            sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(users=2, rate_limits=False)))
            relay = await stack.enter_async_context(relayed(sandbox.account_url))
            account = {"base_url": relay.url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID, "timeout": 60}
            settings = Settings(http_port=0, grpc_port=0, account=account, **further)
            addresses = await stack.enter_async_context(serving(settings))
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(addresses.grpc))
            session = await stack.enter_async_context(ClientSession())
            return BothSurfaces(addresses, sandbox, relay, channel, session)

        yield start


async def refused(call: Any) -> tuple[grpc.StatusCode, str, float, dict[str, Any]]:
    """Return the status, the reason, the seconds to retry after, and the trailers of a failed call."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    trailers = dict(raised.value.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(retry)
    return raised.value.code(), info.reason, retry.retry_delay.ToTimedelta().total_seconds(), trailers


async def test_an_allowance(start: Start) -> None:
    """A caller without allowance gets the time to retry after, and no source is called."""
    both = await start(rate_limit={"cost": 25, "window": 600})
    for left in (14, 3):
        call = both.get_user()
        assert (await call).name
        trailers = dict(await call.trailing_metadata())
        assert trailers["ratelimit-policy"] == '"default";q=25;w=600'
        assert trailers["ratelimit"].startswith(f'"default";r={left};')
    before = await both.calls()
    code, reason, seconds, trailers = await refused(both.get_user())
    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert 0 < seconds <= 600
    assert trailers["ratelimit"].startswith('"default";r=3;')
    assert await both.calls() == before


async def test_one_allowance_for_both(start: Start) -> None:
    """Both surfaces use the same allowance."""
    both = await start(rate_limit={"cost": 45, "window": 600})
    assert (await both.query())[0] == 200  # 20 for a new document, and 11
    assert (await both.get_user()).name
    status, result = await both.query()
    assert (status, result["errors"][0]["extensions"]["code"]) == (429, "RATE_LIMITED")
    assert (await refused(both.get_user()))[1] == "RATE_LIMITED"


async def test_a_stream_is_charged_once(start: Start) -> None:
    """A stream is charged at its start, and refused without enough allowance."""
    both = await start(rate_limit={"cost": 3, "window": 600})
    watching = both.watch()
    assert "usergateway-resume-token" in dict(await watching.initial_metadata())
    code, reason, _, trailers = await refused(both.watch().read())
    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert trailers["ratelimit"].startswith('"default";r=1;')
    watching.cancel()


async def test_without_an_allowance(start: Start) -> None:
    """Without a rate limit, no trailers report one."""
    both = await start()
    call = both.get_user()
    await call
    assert not [name for name, _ in await call.trailing_metadata() if name.startswith("ratelimit")]


async def test_one_gate_for_both(start: Start) -> None:
    """While all slots are used, by either surface, calls are refused; afterwards they are executed again."""
    both = await start(gate={"at_once": 1, "queue": 0, "patience": 2}, reference_ttl=0)
    first = await both.held(both.query())
    code, reason, seconds, _ = await refused(both.get_user())
    assert (code, reason, seconds) == (grpc.StatusCode.UNAVAILABLE, "SOURCE_UNAVAILABLE", 2)
    both.account.release()
    assert (await first)[0] == 200
    assert (await both.get_user()).name


async def test_waiting_for_the_gate(start: Start) -> None:
    """A call that waits for a slot is executed after the one before it, or ends at its deadline.

    The status is from the gateway, or from the client, whose deadline ends a little later.
    """
    both = await start(gate={"at_once": 1, "queue": 2, "patience": 60}, reference_ttl=0)
    first = await both.held(both.get_user())
    second, hasty = both.get_user(), both.get_user(0.2)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await hasty
    assert raised.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    assert not second.done()
    both.account.release()
    assert (await first).name == (await second).name
    assert (await both.get_user()).name


async def test_a_query_that_has_no_time_to_wait(start: Start) -> None:
    """A query waits for a slot no longer than its timeout: then it is refused, and no source is called."""
    both = await start(gate={"at_once": 1, "queue": 2, "patience": 60}, reference_ttl=0)
    first = await both.held(both.get_user())
    before = await both.calls()
    status, result = await both.query(**{"X-Request-Timeout": "0.2"})
    assert not first.done()
    assert (status, result["errors"][0]["extensions"]["code"]) == (503, "SOURCE_UNAVAILABLE")
    assert "data" not in result
    both.account.release()
    assert (await first).name
    assert await both.calls() == before + 1  # the one that was held
