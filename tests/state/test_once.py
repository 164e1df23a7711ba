"""Executing a change at most once while a real Redis stops and restarts."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from state.server import RedisServer

from gateway.errors import IdempotencyInProgress
from gateway.state.once import IdempotentChanges
from gateway.state.redis.client import connect
from gateway.state.redis.idempotency import RedisIdempotency

SCOPE = ("principal", "mutation", "target", "key")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that keeps on disk what it acknowledged."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


def stopping(server: RedisServer, results: list[bytes]) -> Callable[[], Awaitable[bytes]]:
    """Return a change during which Redis stops; each execution has another result."""

    async def change() -> bytes:
        server.stop()
        results.append(b"%d" % len(results))
        return results[-1]

    return change


async def test_a_result_that_is_stored_later(server: RedisServer) -> None:
    """When Redis stops during a change and returns within its lease, the result is stored, and is a replay later."""
    client = connect(server.url)
    changes = IdempotentChanges(RedisIdempotency(client))
    results: list[bytes] = []
    assert await changes(SCOPE, "f", stopping(server, results)) == (b"0", False)
    server.start()
    async with asyncio.timeout(10):
        while True:
            try:
                assert await changes(SCOPE, "f", stopping(server, results)) == (b"0", True)
                break
            except IdempotencyInProgress:
                await asyncio.sleep(0.02)
    assert results == [b"0"]
    await changes.aclose()
    await client.aclose()


async def test_closing(server: RedisServer) -> None:
    """Closing stops the attempts to store results, and leaves no task."""
    before = asyncio.all_tasks()
    client = connect(server.url)
    changes = IdempotentChanges(RedisIdempotency(client))
    assert await changes(SCOPE, "f", stopping(server, [])) == (b"0", False)
    assert asyncio.all_tasks() > before
    await changes.aclose()
    assert asyncio.all_tasks() == before
    await client.aclose()
