"""What clients may hold over gRPC: messages, calls, watches and connections, on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from security.attacker import memory, scaled
from security.outside import Keys, RecordedProcess, Serve, call_grpc, wait_until
from security.raw_http2 import RawConnection, raw_connection

from gateway.sandbox import LANDMARKS
from usergateway.v1 import users_pb2

ADA = {"id": LANDMARKS["account"]["ada"], "source": users_pb2.USER_SOURCE_ACCOUNT}
SERVICE = "/usergateway.v1.UserService"
HEALTH = "/grpc.health.v1.Health"
MEBIBYTE = 1024 * 1024
LARGE = 5_800_000  # bytes: less than the largest message, which may have an icon
EMPTY_IDS = b"\x0a\x00" * (LARGE // 2)
LONG_NAME = (
    b"\x0a" + bytes([LARGE & 127 | 128, LARGE >> 7 & 127 | 128, LARGE >> 14 & 127 | 128, LARGE >> 21]) + b"x" * LARGE
)


@pytest.fixture
def gateway(serve: Serve, production_settings: dict[str, str]) -> Any:
    """A gateway in production of its own, since its memory is measured."""
    with serve(**production_settings) as running:
        yield running


@pytest.fixture
def bounded(serve: Serve, production_settings: dict[str, str]) -> Any:
    """A gateway for few connections, and few calls of each caller."""
    with serve(**production_settings, GATEWAY_GRPC_CONNECTIONS="8", GATEWAY_GRPC_CALLS_EACH="20") as running:
        yield running


@pytest.fixture
async def channel(gateway: RecordedProcess) -> AsyncIterator[grpc.aio.Channel]:
    """A gRPC channel to it, for messages of any size."""
    async with grpc.aio.insecure_channel(gateway.grpc, options=[("grpc.max_send_message_length", -1)]) as channel:
        yield channel


async def refused(channel: grpc.aio.Channel, method: str, message: bytes, key: str | None = None) -> grpc.StatusCode:
    """Call a method with the bytes of a message; return the status."""
    watches = method.endswith("/WatchUsers")
    start = channel.unary_stream if watches else channel.unary_unary
    call = start(method)(message, metadata=() if key is None else (("x-api-key", key),), timeout=20)
    code: grpc.StatusCode = await call.code()
    return code


@pytest.mark.parametrize("method", [f"{SERVICE}/WatchUsers", f"{SERVICE}/GetUser", f"{HEALTH}/Check"])
async def test_refused_messages_are_not_kept(gateway: RecordedProcess, channel: grpc.aio.Channel, method: str) -> None:
    """Large messages of anonymous clients leave nothing behind; they were kept, at up to 115 MiB for each call."""
    message = LONG_NAME if method.startswith(HEALTH) else EMPTY_IDS
    before = memory(gateway)
    codes = {await refused(channel, method, message) for _ in range(scaled(20))}
    assert codes <= {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.INVALID_ARGUMENT}
    assert memory(gateway) - before < 64


async def test_refused_messages_of_a_caller(gateway: RecordedProcess, channel: grpc.aio.Channel, keys: Keys) -> None:
    """Messages that are larger than the method needs are refused before they are parsed, and are not kept."""
    before = memory(gateway)
    for _ in range(20):
        code = await refused(channel, f"{SERVICE}/WatchUsers", EMPTY_IDS, keys.by_name["all"])
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert memory(gateway) - before < 64


def start_of_message(sent: int, size: int = LARGE) -> bytes:
    """Return the prefix of a message of that size, and its first bytes."""
    return b"\0" + size.to_bytes(4, "big") + b"x" * sent


@pytest.mark.parametrize("method", [f"{SERVICE}/WatchUsers", f"{HEALTH}/Check", f"{HEALTH}/Watch"])
async def test_unfinished_messages(gateway: RecordedProcess, method: str) -> None:
    """100 messages of which the last byte does not come take little memory, and do not keep out a health check.

    16 of them may be under way to health checks, each of at most 6 MiB.
    """
    before = memory(gateway)
    async with raw_connection(gateway.grpc) as first, raw_connection(gateway.grpc) as second:
        sending = [
            asyncio.create_task(connection.send(connection.start(method), start_of_message(LARGE - 1)))
            for connection in (first, second)
            for _ in range(50)
        ]
        await asyncio.wait(sending, timeout=3)
        assert memory(gateway) - before < 150
        async with grpc.aio.insecure_channel(gateway.grpc) as channel:
            check = channel.unary_unary(
                f"{HEALTH}/Check", response_deserializer=health_pb2.HealthCheckResponse.FromString
            )
            for _ in range(10):
                assert (await check(b"", timeout=20)).status == health_pb2.HealthCheckResponse.SERVING
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)


async def start_call(connection: RawConnection, method: str, message: bytes, key: str | None = None) -> int:
    """Start a call with its whole message."""
    stream = connection.start(method, {} if key is None else {"x-api-key": key})
    await connection.send(stream, b"\0" + len(message).to_bytes(4, "big") + message)
    connection.finish(stream)
    return stream


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""

    async def holds() -> bool:
        return condition()

    await wait_until(holds)


async def test_health_watches(gateway: RecordedProcess) -> None:
    """Of more than 1,000 health watches the oldest ones of the address with the most are ended, and no other."""
    async with AsyncExitStack() as stack:

        async def connect(local: str) -> RawConnection:
            return await stack.enter_async_context(raw_connection(gateway.grpc, local=local))

        other = await connect("127.0.0.1")
        watched = await start_call(other, f"{HEALTH}/Watch", b"")
        await until(lambda: watched in other.started)
        many = [await connect("127.0.0.2") for _ in range(20)]
        for connection in many:
            for _ in range(60):
                await start_call(connection, f"{HEALTH}/Watch", b"")
            await until(lambda connection=connection: len(connection.started) == 60)
        await until(lambda: sum(len(connection.ended) for connection in many) == 201)
        assert [len(connection.ended) for connection in many[:3]] == [60, 60, 60]
        assert not other.ended


@pytest.mark.parametrize("method", ["Check", "Watch"])
async def test_health_responses_that_are_not_read(gateway: RecordedProcess, method: str) -> None:
    """A client that does not read the responses can have few open calls; its connection's others are refused."""
    async with raw_connection(gateway.grpc, window=0) as connection:
        for _ in range(1000):
            await start_call(connection, f"{HEALTH}/{method}", b"")
        await until(lambda: len(connection.ended) >= 1000 - 64)
        async with grpc.aio.insecure_channel(gateway.grpc) as channel:
            assert await channel.unary_unary(f"{HEALTH}/Check")(b"", timeout=20)
    assert "Traceback" not in gateway.output


async def test_calls_of_one_caller(bounded: RecordedProcess, keys: Keys) -> None:
    """A caller has at most so many open calls, among them those whose responses it does not read."""
    request = users_pb2.GetUserRequest(**ADA).SerializeToString()
    async with raw_connection(bounded.grpc, window=0) as first, raw_connection(bounded.grpc, window=0) as second:
        for connection in (first, second):
            for _ in range(15):
                await start_call(connection, f"{SERVICE}/GetUser", request, keys.by_name["all"])
        await until(lambda: len(first.started) + len(second.started) == 30)
        await until(lambda: len(first.ended) + len(second.ended) == 10)
        async with grpc.aio.insecure_channel(bounded.grpc) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call_grpc(channel, "GetUser", keys.by_name["all"], **ADA)
            assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "at most 20 open calls" in str(raised.value.details())
            assert (await call_grpc(channel, "GetUser", keys.by_name["reader"], **ADA)).name
    async with grpc.aio.insecure_channel(bounded.grpc) as channel:

        async def answered() -> bool:
            try:
                return bool(await call_grpc(channel, "GetUser", keys.by_name["all"], **ADA))
            except grpc.aio.AioRpcError:
                return False

        await wait_until(answered)
    assert "Traceback" not in bounded.output


async def test_connections(bounded: RecordedProcess, keys: Keys) -> None:
    """Connections beyond the configured number are closed at once; those that are open are served."""
    async with grpc.aio.insecure_channel(bounded.grpc) as channel, AsyncExitStack() as stack:
        assert (await call_grpc(channel, "GetUser", keys.by_name["reader"], **ADA)).name
        idle = [await stack.enter_async_context(raw_connection(bounded.grpc)) for _ in range(20)]
        await until(lambda: sum(connection.closed for connection in idle) == 13)
        assert (await call_grpc(channel, "GetUser", keys.by_name["reader"], **ADA)).name
