"""The idempotency records in Redis: expiry by the server, lost scripts, lost connections."""

import asyncio
from pathlib import Path

import pytest
from ports import refusing_port
from redis.exceptions import ConnectionError as ConnectionLost
from state.server import RedisServer

from gateway.errors import SourceUnavailable
from gateway.state.idempotency import Begun, IdempotencySettings, InProgress, Progress, Replay
from gateway.state.redis.check import find_problem
from gateway.state.redis.client import RedisEvent, connect
from gateway.state.redis.idempotency import RedisIdempotency


async def test_lease_ends(redis_url: str) -> None:
    """Redis ends the lease of a process that has died."""
    client = connect(redis_url)
    long, short = (
        RedisIdempotency(client, IdempotencySettings(lease=lease), prefix=f"lease {lease}:") for lease in (60.0, 0.5)
    )
    await client.flushdb()
    for store in (long, short):
        assert await store.begin("s", "f", "o1") == Begun()
    async with asyncio.timeout(30):
        while isinstance(second := await short.begin("s", "f", "o2"), InProgress):  # noqa: ASYNC110 - Redis sets no event
            await asyncio.sleep(second.retry_after)
    assert isinstance(second, Begun)
    assert second.doubtful_for is not None
    assert isinstance(await long.begin("s", "f", "o2"), InProgress)
    await client.aclose()


async def test_result_expires(redis_url: str) -> None:
    """Redis drops a result after its time to live, and a running change not before its lease ends."""
    client = connect(redis_url)
    await client.flushdb()
    for ttl in (20.0, 0.5):
        store = RedisIdempotency(client, IdempotencySettings(ttl=ttl, lease=60.0), prefix=f"ttl {ttl}:")
        assert isinstance(await store.begin("s", "f", "o"), Begun)
        assert await client.pttl(f"ttl {ttl}:s") > 20_000
        await store.finish("s", "o", b"result")
        assert await client.pttl(f"ttl {ttl}:s") <= ttl * 1000
    async with asyncio.timeout(30):
        while await client.exists("ttl 0.5:s"):  # noqa: ASYNC110 - Redis sets no event
            await asyncio.sleep(0.05)
    long = RedisIdempotency(client, prefix="ttl 20.0:")
    assert await long.begin("s", "f", "another") == Replay(b"result")
    await client.aclose()


async def test_an_execution_by_an_older_version(redis_url: str) -> None:
    """A change is in doubt if a replica of an older version, which writes no `first`, executed it again."""
    client = connect(redis_url)
    store = RedisIdempotency(client, prefix="older:")
    await client.flushdb()
    await store.begin("s", "f", "o1")
    await store.abandon("s", "o1", Progress.NOT_EXECUTED)
    # What an older version writes when it begins a change that has a record, and when it abandons it.
    await client.hset("older:s", mapping={"owner": "older", "until": 2**53, "again": "1"})
    await client.hset("older:s", mapping={"owner": "", "until": 0})
    for owner in ("o2", "o3"):
        begun = await store.begin("s", "f", owner)
        assert isinstance(begun, Begun)
        assert begun.doubtful_for is not None
        await store.abandon("s", owner, Progress.NOT_EXECUTED)
    await client.aclose()


async def test_a_cluster(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A cluster behind one address, which refuses keys of several slots, stores records; they are not bounded."""
    server = RedisServer(tmp_path, cluster=True)
    server.start()
    try:
        server.join_cluster()
        events: list[RedisEvent] = []
        client = connect(server.patient_url, observe=lambda event, _cause: events.append(event))
        assert await find_problem(client) is None
        store = RedisIdempotency(client, IdempotencySettings(max_per_principal=1))
        for record in ("r1", "r2"):
            assert await store.begin(record, "f", "o1") == Begun()
            await store.abandon(record, "o1", Progress.NOT_EXECUTED)
            assert await store.begin(record, "f", "o2") == Begun()
            assert await store.finish(record, "o2", b"result")
        for record in ("r1", "r2"):
            assert await store.begin(record, "f", "o3") == Replay(b"result")
        await store.abandon("r3", "late")
        with pytest.raises(SourceUnavailable):
            await store.begin("r3", "f", "late")
        assert len(caplog.records) == 1
        assert events == []
        await client.aclose()
    finally:
        server.stop()


async def test_lost_scripts(redis_url: str) -> None:
    """A Redis that has lost its scripts gets them again."""
    client = connect(redis_url)
    store = RedisIdempotency(client)
    await client.flushdb()
    await store.begin("s", "f", "o")
    await client.script_flush()
    assert isinstance(await store.begin("s", "f", "another"), InProgress)
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


async def test_an_owner_that_begins_twice(redis_url: str) -> None:
    """A `begin` that the client library sends again after a lost connection gets the same reply."""
    client = connect(redis_url)
    store = RedisIdempotency(client)
    await client.flushdb()
    assert await store.begin("s", "f", "o") == await store.begin("s", "f", "o") == Begun()
    await client.aclose()


async def test_a_begin_that_arrives_after_it_was_given_up(redis_url: str) -> None:
    """A `begin` that was held up on its way takes no lease once its owner has been abandoned."""
    client = connect(redis_url)
    store = RedisIdempotency(client)
    await client.flushdb()
    await store.abandon("s", "o", Progress.NOT_SENT)
    with pytest.raises(SourceUnavailable):
        await store.begin("s", "f", "o")
    assert await store.begin("s", "f", "another") == Begun()
    await client.aclose()


async def test_a_clock_that_is_set_back(redis_url: str) -> None:
    """After the clock of Redis was set back, a lease lasts no longer than it was taken for, and a change is old."""
    client = connect(redis_url)
    store = RedisIdempotency(client, IdempotencySettings(lease=0.05))
    await client.flushdb()
    await store.begin("s", "f", "dead")
    ahead = 720_000  # ms; the record was written by a clock that was so much ahead
    seconds, micros = await client.time()
    now = seconds * 1000 + micros // 1000
    key = "usergateway:idempotency:s"
    await client.hset(key, mapping={"until": now + ahead, "first": now + ahead})
    running = await store.begin("s", "f", "second")
    assert isinstance(running, InProgress)
    assert running.retry_after <= 0.05
    await asyncio.sleep(0.06)
    third = await store.begin("s", "f", "third")
    assert isinstance(third, Begun)
    assert third.doubtful_for == IdempotencySettings().ttl
    await client.aclose()


async def test_a_record_of_an_earlier_version(redis_url: str) -> None:
    """A record without the time of its first execution has been in doubt since it was written."""
    client = connect(redis_url)
    store = RedisIdempotency(client)
    await client.flushdb()
    key = "usergateway:idempotency:s"
    await client.hset(key, mapping={"fingerprint": "f", "owner": "", "until": 0, "again": "0"})
    await client.pexpire(key, int(IdempotencySettings().ttl * 1000) - 60_000)
    begun = await store.begin("s", "f", "o")
    assert isinstance(begun, Begun)
    assert begun.doubtful_for == pytest.approx(60, abs=1)
    await client.aclose()


async def test_unreachable() -> None:
    """While Redis is unreachable no change begins: the error has a retry delay, and no unknown outcome."""
    with refusing_port() as port:
        client = connect(f"redis://127.0.0.1:{port}/0")
        with pytest.raises(SourceUnavailable) as raised:
            await RedisIdempotency(client).begin("s", "f", "o")
        await client.aclose()
    assert (raised.value.retry_after, raised.value.outcome, raised.value.origin.source) == (1.0, None, None)
