"""What callers may take of the gateway by gRPC: the same allowance and the same gate as by GraphQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from aiohttp import ClientSession
from google.rpc import error_details_pb2, status_pb2

from gateway import Settings
from gateway.api.grpc.usergateway.v1 import users_pb2
from gateway.app.serving import Addresses, serving
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, Sandbox, SandboxOptions

USER = users_pb2.GetUserRequest(id="acus_adalovelace1", source="USER_SOURCE_ACCOUNT")
QUERY = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
Start = Callable[..., Any]


class Both:
    """A gateway by both of its surfaces, and the sandbox behind it."""

    def __init__(self, addresses: Addresses, sandbox: Sandbox, channel: grpc.aio.Channel, session: ClientSession):
        self._url = addresses.http
        self._control = sandbox.control_url
        self._channel = channel
        self._session = session

    def get_user(self, seconds: float = 20) -> Any:
        """GetUser, begun, with a deadline."""
        call = self._channel.unary_unary(
            "/usergateway.v1.UserService/GetUser",
            request_serializer=users_pb2.GetUserRequest.SerializeToString,
            response_deserializer=users_pb2.User.FromString,
        )
        return call(USER, timeout=seconds)

    def watch(self) -> Any:
        """WatchUsers, begun."""
        call = self._channel.unary_stream(
            "/usergateway.v1.UserService/WatchUsers",
            request_serializer=users_pb2.WatchUsersRequest.SerializeToString,
            response_deserializer=users_pb2.UserEvent.FromString,
        )
        return call(users_pb2.WatchUsersRequest(), timeout=20)

    async def query(self, **headers: str) -> Any:
        """The same by GraphQL: its status and its answer."""
        async with self._session.post(f"{self._url}/graphql", json={"query": QUERY}, headers=headers) as answer:
            return answer.status, await answer.json()

    async def calls(self) -> int:
        """How many calls have reached the sandbox."""
        async with self._session.get(f"{self._control}/calls") as answer:
            return len(await answer.json())

    async def under_way(self, call: Any) -> Any:
        """The call, begun, once it has reached the sandbox."""
        before = await self.calls()
        begun = asyncio.ensure_future(call)
        async with asyncio.timeout(10):
            while await self.calls() == before:  # noqa: ASYNC110 - the other side of a socket sets no event
                await asyncio.sleep(0.01)
        return begun

    async def slow_down(self, seconds: float) -> None:
        """Let the next call take its time."""
        fault = {"source": "account", "kind": "slow", "delay": seconds}
        async with self._session.post(f"{self._control}/faults", json=fault) as answer:
            assert answer.status < 300, await answer.text()


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts a gateway in front of one system, with settings of its own."""
    async with AsyncExitStack() as stack:

        async def start(**own: Any) -> Both:
            sandbox = await stack.enter_async_context(Sandbox(SandboxOptions(users=2, rate_limits=False)))
            account = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
            settings = Settings(http_port=0, grpc_port=0, account=account, **own)
            addresses = await stack.enter_async_context(serving(settings))
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(addresses.grpc))
            return Both(addresses, sandbox, channel, await stack.enter_async_context(ClientSession()))

        yield start


async def refused(call: Any) -> tuple[grpc.StatusCode, str, float, dict[str, Any]]:
    """The status, the reason, when to come back, and the trailers of a call that fails."""
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
    """Who has spent its allowance is told when to come back, and nothing of its call reaches a source."""
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
    """What is spent by one surface is missing by the other."""
    both = await start(rate_limit={"cost": 45, "window": 600})
    assert (await both.query())[0] == 200  # 20 for a document that is not known yet, and 11
    assert (await both.get_user()).name
    status, answer = await both.query()
    assert (status, answer["errors"][0]["extensions"]["code"]) == (429, "RATE_LIMITED")
    assert (await refused(both.get_user()))[1] == "RATE_LIMITED"


async def test_a_watch_is_charged_once(start: Start) -> None:
    """A stream costs when it begins; when there is nothing left for that, it does not."""
    both = await start(rate_limit={"cost": 3, "window": 600})
    watching = both.watch()
    assert "usergateway-resume-token" in dict(await watching.initial_metadata())
    code, reason, _, trailers = await refused(both.watch().read())
    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert trailers["ratelimit"].startswith('"default";r=1;')
    watching.cancel()


async def test_without_an_allowance(start: Start) -> None:
    """Where nobody's is limited, nobody is told of one."""
    both = await start()
    call = both.get_user()
    await call
    assert not [name for name, _ in await call.trailing_metadata() if name.startswith("ratelimit")]


async def test_one_gate_for_both(start: Start) -> None:
    """While as much is executed as may be, by either surface, others are sent away, and let in again after it."""
    both = await start(gate={"at_once": 1, "queue": 0, "patience": 2}, reference_ttl=0)
    await both.slow_down(1)
    first = await both.under_way(both.query())
    code, reason, seconds, _ = await refused(both.get_user())
    assert (code, reason, seconds) == (grpc.StatusCode.UNAVAILABLE, "SOURCE_UNAVAILABLE", 2)
    assert (await first)[0] == 200
    assert (await both.get_user()).name


async def test_waiting_for_the_gate(start: Start) -> None:
    """A call has its turn when the one before it is done; one that has no time to wait for that loses its place.

    It is told so by the gateway, or by its own client, whose time ends a little later: whichever is heard first.
    """
    both = await start(gate={"at_once": 1, "queue": 2, "patience": 10}, reference_ttl=0)
    await both.slow_down(1)
    first = await both.under_way(both.get_user())
    second, hasty = both.get_user(), both.get_user(0.2)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await hasty
    assert raised.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    assert not second.done()
    assert (await first).name == (await second).name
    assert (await both.get_user()).name


async def test_a_query_that_has_no_time_to_wait(start: Start) -> None:
    """A query waits for the gate no longer than its client does: it is sent away in time, and no source is asked."""
    both = await start(gate={"at_once": 1, "queue": 2, "patience": 10}, reference_ttl=0)
    await both.slow_down(2)
    first = await both.under_way(both.get_user())
    before = await both.calls()
    status, answer = await both.query(**{"X-Request-Timeout": "0.2"})
    assert not first.done()
    assert (status, answer["errors"][0]["extensions"]["code"]) == (503, "SOURCE_UNAVAILABLE")
    assert "data" not in answer
    assert (await first).name
    assert await both.calls() == before
