"""What callers without a credential send does not stay in memory."""

import asyncio
import json

import grpc
import pytest
from security.attacks.conftest import scaled
from security.attacks.frames import send_to_sockets, websocket_frame
from security.attacks.measuring import memory
from security.outside import RecordedProcess

from gateway.api.grpc.usergateway.v1 import users_pb2


async def test_refused_grpc_messages_are_released(target: RecordedProcess) -> None:
    """Messages of 3 MB without a credential are refused, and their memory is released."""
    message = users_pb2.WatchUsersRequest(ids=[""] * 1_500_000).SerializeToString()
    async with grpc.aio.insecure_channel(target.grpc) as channel:
        for method in ("WatchUsers", "GetUser"):
            for _ in range(scaled(2)):  # warm-up: what a first call allocates stays
                await _refused(channel, method, message)
        before = memory(target)
        for method in ("WatchUsers", "GetUser"):
            await asyncio.gather(*(_refused(channel, method, message) for _ in range(scaled(10))))
    assert memory(target) - before < 150


async def _refused(channel: grpc.aio.Channel, method: str, message: bytes) -> None:
    call = channel.unary_stream(f"/usergateway.v1.UserService/{method}")(message, timeout=20)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert refused.value.code() in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED}


async def test_messages_before_the_connection_init_are_released(target: RecordedProcess) -> None:
    """Sockets that begin with a message of 1 MiB are closed, and its memory is released."""
    message = json.dumps({"type": "ping", "payload": {"a": [{}] * 250_000}}).encode()
    await send_to_sockets(target, websocket_frame(1, message), scaled(4))
    before = memory(target)
    await send_to_sockets(target, websocket_frame(1, message), scaled(40))
    assert memory(target) - before < 100
