"""The idempotency records in Redis: expiry by the server, lost scripts, lost connections."""

import asyncio
import socket

import pytest
from redis.exceptions import ConnectionError as ConnectionLost

from gateway.errors import SourceUnavailable
from gateway.state.idempotency import Begun, IdempotencySettings, InProgress, Replay
from gateway.state.redis.client import connect
from gateway.state.redis.idempotency import RedisIdempotency


async def test_lease_ends(redis_url: str) -> None:
    """Redis ends the lease of a process that has died."""
    client = connect(redis_url)
    store = RedisIdempotency(client, IdempotencySettings(lease=0.01), prefix="lease:")
    await client.flushdb()
    assert isinstance(await store.begin("s", "f"), Begun)
    assert isinstance(await store.begin("s", "f"), InProgress)
    await asyncio.sleep(0.015)
    second = await store.begin("s", "f")
    assert isinstance(second, Begun)
    assert second.repeated
    await client.aclose()


async def test_result_expires(redis_url: str) -> None:
    """Redis drops a result after its time to live, and a running change not before its lease ends."""
    client = connect(redis_url)
    store = RedisIdempotency(client, IdempotencySettings(ttl=0.01, lease=60.0), prefix="ttl:")
    await client.flushdb()
    first = await store.begin("s", "f")
    assert isinstance(first, Begun)
    assert await client.pttl("ttl:s") > 1000
    await store.finish("s", first.owner, b"result")
    assert await store.begin("s", "f") == Replay(b"result")
    await asyncio.sleep(0.015)
    assert await client.keys() == []
    await client.aclose()


async def test_lost_scripts(redis_url: str) -> None:
    """A Redis that has lost its scripts gets them again."""
    client = connect(redis_url)
    store = RedisIdempotency(client)
    await client.flushdb()
    await store.begin("s", "f")
    await client.script_flush()
    assert isinstance(await store.begin("s", "f"), InProgress)
    await client.aclose()


async def test_a_lost_connection(redis_url: str) -> None:
    """Writing to a lost connection raises the ConnectionError of the client, on every version of Python."""
    client = connect(redis_url)
    connection = await client.connection_pool.get_connection()
    await connection.send_command("PING")
    assert connection._writer is not None
    connection._writer.transport.abort()
    await asyncio.sleep(0)
    with pytest.raises(ConnectionLost):
        await connection.send_command("PING")
    await client.connection_pool.release(connection)
    await client.aclose()


async def test_unreachable() -> None:
    """While Redis is unreachable no change begins: the error has a retry delay, and no unknown outcome."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = connect(f"redis://127.0.0.1:{closed.getsockname()[1]}/0")
        with pytest.raises(SourceUnavailable) as raised:
            await RedisIdempotency(client).begin("s", "f")
        await client.aclose()
    assert (raised.value.retry_after, raised.value.outcome, raised.value.origin.source) == (1.0, None, None)
