"""Generates load over gRPC: concurrent calls of GetUser, for the same users as over GraphQL."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc

from benchmarks.load import Load
from benchmarks.operations import user_id
from usergateway.v1 import users_pb2 as v1

__all__ = ["METHOD", "generate_grpc_load", "get_user_request"]

METHOD = "/usergateway.v1.UserService/GetUser"
"""The path of GetUser, over gRPC and Connect."""

_CHANNELS = 4
_TIMEOUT = 60.0  # seconds
_PATHS = (
    "source_id",
    "name",
    "email",
    "status",
    "role.source_id",
    "role.name",
    "department.source_id",
    "department.name",
)


def get_user_request(n: int) -> v1.GetUserRequest:
    """Return the message of the n-th request: the fields of `user(id)`."""
    request = v1.GetUserRequest(id=user_id(n), source=v1.USER_SOURCE_ACCOUNT)
    request.read_mask.paths.extend(_PATHS)
    return request


def generate_grpc_load(port: int, *, connections: int, seconds: float) -> Load:
    """Make calls on `connections` workers for `seconds`; wait for every call that was started."""
    return asyncio.run(_load(port, connections, seconds))


async def _load(port: int, connections: int, seconds: float) -> Load:
    latencies: list[float] = []
    async with _channels(port, min(_CHANNELS, connections)) as channels:
        started = time.perf_counter()
        until = started + seconds

        async def worker(number: int) -> None:
            call = channels[number % len(channels)].unary_unary(
                METHOD, v1.GetUserRequest.SerializeToString, v1.User.FromString
            )
            n = number
            while time.perf_counter() < until:
                request = get_user_request(n)
                sent_at = time.perf_counter()
                user = await call(request, timeout=_TIMEOUT)
                latencies.append(time.perf_counter() - sent_at)
                assert user.source_id == user_id(n) and user.role.name  # noqa: S101, PT018 - the benchmark checks itself
                n += connections

        await asyncio.gather(*(worker(number) for number in range(connections)))
        return Load(len(latencies), time.perf_counter() - started, latencies)


@asynccontextmanager
async def _channels(port: int, count: int) -> AsyncIterator[list[grpc.aio.Channel]]:
    async with AsyncExitStack() as stack:
        channel_options = [("grpc.use_local_subchannel_pool", 1)]  # else all channels share one connection
        yield [
            await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=channel_options))
            for _ in range(count)
        ]
