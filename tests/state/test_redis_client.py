"""The Redis client: failovers behind one address, and what is logged and counted about an outage."""

import asyncio
from pathlib import Path

import pytest
from ports import refusing_port
from state.server import PATIENT, RedisPair, RedisServer

from gateway.errors import SourceUnavailable
from gateway.kit.event_stream import Report
from gateway.state.redis.client import RedisEvent, connect, reply_of
from gateway.state.redis.event_stream import RedisEventStream


async def test_failover(redis_pair: RedisPair) -> None:
    """After a failover behind one address, writes succeed at once, though the connections to the old primary live."""
    client = connect(redis_pair.url)
    for _ in range(2):
        await asyncio.gather(*(client.set(f"k{number}", "before") for number in range(20)))  # opens many connections
        await redis_pair.fail_over()
        await asyncio.gather(*(reply_of(client.set(f"k{number}", "after")) for number in range(20)))
        assert await client.get("k1") == b"after"
    await client.aclose()


async def test_reading_after_a_failover(redis_pair: RedisPair) -> None:
    """A process that only reads the event log notices a failover too, and reads from the new primary."""
    client, writer = connect(redis_pair.url), connect(redis_pair.url)
    stream = RedisEventStream(client)
    await stream.bounds()
    assert await stream.read(0) == []
    await redis_pair.fail_over()
    nowhere = RedisServer(Path(), persistent=False)  # not started: nothing reaches the old primary any more
    await asyncio.to_thread(redis_pair.replica.replicate, nowhere)
    report = Report(b"x", "c", "e", "u", "c", dated=False, order="", deletion=False, report="r")
    await RedisEventStream(writer).append([report])
    async with asyncio.timeout(30):
        while not await stream.read(0):
            await stream.bounds()
    await client.aclose()
    await writer.aclose()


@pytest.mark.parametrize("reply", ["READONLY You can't write", "LOADING Redis is loading", "MASTERDOWN Link is down"])
@pytest.mark.parametrize("prefix", ["-", "-ERR Error running script (call to f_1): @user_script:3: -"])
async def test_a_server_that_is_not_the_primary(reply: str, prefix: str) -> None:
    """Each reply of a server that is not the primary closes the connection; the command is sent on another one."""
    connections = 0

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        primary = connections > 1
        while line := await reader.readline():
            if line[:1] == b"$":
                continue
            if line[:1] != b"*" and line.strip().isupper():
                replies = {b"GET": b"$2\r\nok\r\n" if primary else f"{prefix}{reply}\r\n".encode()}
                writer.write(replies.get(line.strip(), b"%0\r\n" if line.strip() == b"HELLO" else b""))
                if line.strip() == b"CLIENT":
                    writer.write(b"+OK\r\n")
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        client = connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0?{PATIENT}")
        assert await reply_of(client.get("k")) == b"ok"
        assert connections == 2
        await client.aclose()


async def test_an_outage(tmp_path: Path) -> None:
    """An outage is reported once with its cause, once when it is over, and so is every failed command."""
    observed: list[RedisEvent] = []
    causes: list[str] = []
    server = RedisServer(tmp_path, persistent=False)

    def observe(event: RedisEvent, cause: str) -> None:
        observed.append(event)
        causes.append(cause)

    client = connect(server.patient_url, observe=observe)
    for _ in range(3):
        with pytest.raises(SourceUnavailable):
            await reply_of(client.get("k"))
    await asyncio.to_thread(server.start)
    while RedisEvent.RECOVERED not in observed:
        await reply_of(client.get("k"))
        await asyncio.sleep(0.05)
    await asyncio.to_thread(server.stop)
    await client.aclose()
    assert observed == [RedisEvent.FAILED, RedisEvent.LOST, RedisEvent.FAILED, RedisEvent.FAILED, RedisEvent.RECOVERED]
    assert causes[1].startswith("ConnectionError: Error 111 connecting to 127.0.0.1:")
    assert causes[-1] == ""


async def test_an_unreachable_redis() -> None:
    """A command fails at once where nothing listens."""
    with refusing_port() as port:
        client = connect(f"redis://127.0.0.1:{port}/0")
        with pytest.raises(SourceUnavailable):
            await reply_of(client.get("k"))
        await client.aclose()
