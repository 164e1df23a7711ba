"""Clients that request `@defer` and do not read the response."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

_FRAGMENTS = """
    fragment Page on UserConnection { nodes { ...Fields } ... @defer { edges { cursor node { ...Fields } } } }
    fragment Fields on User {
        id name email status role { id name permissions } department { id name } createdAt updatedAt
    }
"""
_LISTS = " ".join(f"a{i}: users(first: 60) {{ ...Page }}" for i in range(18))
_DEFERRED = f"{{ __typename ... @defer {{ small: __typename }} ... @defer {{ {_LISTS} }} }} {_FRAGMENTS}"


@contextmanager
def _unread(url: str) -> Iterator[socket.socket]:
    """Send an operation over a connection whose buffers hold little of the response, which nobody reads."""
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # The kernel buffers a multiple of the segment size, which would be 64 KiB over loopback.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        connection.settimeout(60)
        address = urlsplit(url)
        connection.connect((address.hostname, address.port))
        body = json.dumps({"query": _DEFERRED}).encode()
        head = (
            "POST /graphql HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nConnection: close\r\n"
            f"Accept: multipart/mixed, application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        yield connection


async def _executed(world: Any, operations: int) -> None:
    """Wait until the sandbox has received the calls of that number of operations."""
    async with asyncio.timeout(30):
        while len(await world.calls("reseller")) < operations:  # noqa: ASYNC110 - the other side of a socket sets no event
            await asyncio.sleep(0.05)


async def test_slow_readers_hold_no_slots(fresh: Any) -> None:
    """However many clients do not read their deferred parts, the slots of the gate are free for others."""
    world = await fresh(gate={"at_once": 2, "queue": 100, "patience": 20})
    with ExitStack() as stack:
        for number in range(4):
            stack.enter_context(_unread(world.url))
            await _executed(world, number + 1)
        for _ in range(3):
            assert await world.data("{ __typename }") == {"__typename": "Query"}


async def test_the_parts_end_at_the_timeout(fresh: Any) -> None:
    """Parts that were not read within the timeout are dropped, and the last part has the error of each of them."""
    world = await fresh(request_timeout=5.0)
    with _unread(world.url) as connection:
        await _executed(world, 1)
        await asyncio.sleep(6)
        received = b""
        while chunk := await asyncio.to_thread(connection.recv, 65536):
            received += chunk
    parts = [json.loads(line) for line in received.decode().splitlines() if line.startswith('{"')]
    assert all(part["hasNext"] for part in parts[:-1])
    assert parts[-1]["hasNext"] is False
    announced = {pending["id"] for part in parts for pending in part.get("pending", ())}
    completed = [each for part in parts for each in part.get("completed", ())]
    assert announced == {each["id"] for each in completed}
    dropped = [error for each in completed for error in each.get("errors", ())]
    assert {error["extensions"]["code"] for error in dropped} == {"SOURCE_TIMEOUT"}
    assert len(dropped) < len(announced), "no part was sent in time"
