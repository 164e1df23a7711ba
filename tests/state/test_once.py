"""Changes under a key, with a real Redis that comes and goes."""

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
    """A Redis that keeps on the disk what it acknowledged."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


def stopping(server: RedisServer, answers: list[bytes]) -> Callable[[], Awaitable[bytes]]:
    """A change under which Redis stops; it gives another answer each time."""

    async def change() -> bytes:
        server.stop()
        answers.append(b"%d" % len(answers))
        return answers[-1]

    return change


async def test_a_record_that_is_written_later(server: RedisServer) -> None:
    """A Redis that stops under a change and comes back within its lease has the answer then: it is done once."""
    client = connect(server.url)
    once = IdempotentChanges(RedisIdempotency(client))
    answers: list[bytes] = []
    assert await once(SCOPE, "f", stopping(server, answers)) == (b"0", False)
    server.start()
    async with asyncio.timeout(10):
        while True:
            try:
                assert await once(SCOPE, "f", stopping(server, answers)) == (b"0", True)
                break
            except IdempotencyInProgress:
                await asyncio.sleep(0.02)
    assert answers == [b"0"]
    await once.aclose()
    await client.aclose()


async def test_closing(server: RedisServer) -> None:
    """Who closes gives up on the records that could not be written, and leaves no task."""
    before = asyncio.all_tasks()
    client = connect(server.url)
    once = IdempotentChanges(RedisIdempotency(client))
    assert await once(SCOPE, "f", stopping(server, [])) == (b"0", False)
    assert asyncio.all_tasks() > before
    await once.aclose()
    assert asyncio.all_tasks() == before
    await client.aclose()
