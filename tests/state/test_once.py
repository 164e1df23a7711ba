"""Executing a change at most once while a real Redis stops and restarts."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from state.server import RedisServer

from gateway.errors import IdempotencyInProgress, Outcome, SourceTimeout, SourceUnavailable
from gateway.kit.execution import Execution
from gateway.operation import operation
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


def stopping(server: RedisServer, results: list[bytes]) -> Callable[[Execution], Awaitable[bytes]]:
    """Return a change during which Redis stops; each execution has another result."""

    async def change(_: Execution) -> bytes:
        server.stop()
        results.append(b"%d" % len(results))
        return results[-1]

    return change


async def test_a_result_that_is_stored_later(server: RedisServer) -> None:
    """When Redis stops during a change and returns within its lease, the result is stored, and is a replay later."""
    client = connect(server.patient_url)
    changes = IdempotentChanges(RedisIdempotency(client))
    results: list[bytes] = []
    assert await changes(SCOPE, "f", stopping(server, results)) == (b"0", False)
    server.start()
    async with asyncio.timeout(30):
        while True:
            try:
                assert await changes(SCOPE, "f", stopping(server, results)) == (b"0", True)
                break
            except IdempotencyInProgress:
                await asyncio.sleep(0.02)
    assert results == [b"0"]
    await changes.aclose()
    await client.aclose()


async def test_closing(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Closing gives up, logs and counts the results that could not be stored, and leaves no task."""
    before = asyncio.all_tasks()
    client = connect(server.patient_url)
    observed: list[str] = []
    changes = IdempotentChanges(RedisIdempotency(client), observe=observed.append, close_timeout=0.1)
    assert await changes(SCOPE, "f", stopping(server, [])) == (b"0", False)
    assert asyncio.all_tasks() > before
    await changes.aclose()
    assert asyncio.all_tasks() == before
    assert observed == ["lost"]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    await client.aclose()


async def change(_: Execution) -> bytes:
    return b"result"


async def test_a_begin_that_got_no_reply(server: RedisServer) -> None:
    """A key whose change was refused while Redis stalled can be used as soon as Redis goes on, not after a lease."""
    client = connect(server.url)
    changes = IdempotentChanges(RedisIdempotency(client))
    server.pause()
    with pytest.raises(SourceUnavailable):
        await changes(SCOPE, "f", change)
    server.resume()
    await _executed(changes, b"result")
    await changes.aclose()
    await client.aclose()


async def test_a_release_that_got_no_reply(server: RedisServer) -> None:
    """A key whose change failed while Redis stalled can be used as soon as Redis goes on."""
    client = connect(server.url)
    changes = IdempotentChanges(RedisIdempotency(client))

    async def fail(_: Execution) -> bytes:
        server.pause()
        raise SourceTimeout("late", outcome=Outcome.UNKNOWN)

    with pytest.raises(SourceTimeout):
        await changes(SCOPE, "f", fail)
    server.resume()
    seen: list[Execution] = []

    async def again(execution: Execution) -> bytes:
        seen.append(execution)
        return b"result"

    await _executed(changes, b"result", again)
    [execution] = seen
    assert execution.doubtful_since is not None
    await changes.aclose()
    await client.aclose()


async def test_a_deadline_before_the_reply(server: RedisServer) -> None:
    """A caller that waits shorter than Redis takes leaves no key blocked, also where Redis has taken the lease."""
    client = connect(server.patient_url)
    changes = IdempotentChanges(RedisIdempotency(client))
    refused = 0
    for n in range(200):
        scope = (*SCOPE, str(n))
        with operation(timeout=0.0001 * (n % 10)), suppress(SourceUnavailable):
            await changes(scope, "f", change)
            continue
        refused += 1
        async with asyncio.timeout(30):
            while True:
                try:
                    await changes(scope, "f", change)
                    break
                except IdempotencyInProgress:
                    await asyncio.sleep(0.005)
    assert refused > 20
    await changes.aclose()
    await client.aclose()


async def _executed(
    changes: IdempotentChanges, expected: bytes, execute: Callable[[Execution], Awaitable[bytes]] = change
) -> None:
    """Repeat the change until it is executed, for less time than a lease."""
    async with asyncio.timeout(20):
        while True:
            try:
                result = await changes(SCOPE, "f", execute)
            except (IdempotencyInProgress, SourceUnavailable):
                await asyncio.sleep(0.02)
            else:
                assert result == (expected, False)
                return
