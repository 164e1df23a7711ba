import asyncio
import socket

import pytest
from redis.exceptions import ConnectionError as Lost

from gateway.errors import SourceUnavailable
from gateway.state.idempotency import Begun, IdempotencySettings, InProgress, Replay
from gateway.state.redis.client import connect
from gateway.state.redis.idempotency import RedisIdempotency


async def test_lease_ends(redis_url: str) -> None:
    """The server itself ends the lease of a process that is gone."""
    client = connect(redis_url)
    store = RedisIdempotency(client, IdempotencySettings(lease=0.01), prefix="lease:")
    await client.flushdb()
    assert isinstance(await store.begin("s", "f"), Begun)
    assert isinstance(await store.begin("s", "f"), InProgress)
    await asyncio.sleep(0.015)
    second = await store.begin("s", "f")
    assert isinstance(second, Begun)
    assert second.again
    await client.aclose()


async def test_answer_ends(redis_url: str) -> None:
    """The server itself forgets an answer after its time to live, and a running change not before its lease."""
    client = connect(redis_url)
    store = RedisIdempotency(client, IdempotencySettings(ttl=0.01, lease=60.0), prefix="ttl:")
    await client.flushdb()
    first = await store.begin("s", "f")
    assert isinstance(first, Begun)
    assert await client.pttl("ttl:s") > 1000
    await store.finish("s", first.owner, b"answer")
    assert await store.begin("s", "f") == Replay(b"answer")
    await asyncio.sleep(0.015)
    assert await client.keys() == []
    await client.aclose()


async def test_restarted(redis_url: str) -> None:
    """A Redis that has lost its scripts is given them again."""
    client = connect(redis_url)
    store = RedisIdempotency(client)
    await client.flushdb()
    await store.begin("s", "f")
    await client.script_flush()
    assert isinstance(await store.begin("s", "f"), InProgress)
    await client.aclose()


async def test_a_connection_that_was_lost(redis_url: str) -> None:
    """Writing to a connection that was lost says so in the client's own words, on any Python."""
    client = connect(redis_url)
    connection = await client.connection_pool.get_connection()
    await connection.send_command("PING")
    assert connection._writer is not None
    connection._writer.transport.abort()
    await asyncio.sleep(0)
    with pytest.raises(Lost):
        await connection.send_command("PING")
    await client.connection_pool.release(connection)
    await client.aclose()


async def test_gone() -> None:
    """Without Redis nothing is begun: the caller is told to come back, and that nothing happened."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = connect(f"redis://127.0.0.1:{closed.getsockname()[1]}/0")
        with pytest.raises(SourceUnavailable) as told:
            await RedisIdempotency(client).begin("s", "f")
        await client.aclose()
    assert (told.value.retry_after, told.value.outcome, told.value.origin.source) == (1.0, None, None)
