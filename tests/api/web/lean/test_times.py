"""Timeouts, streams, and clients that disconnect or do not read."""

import asyncio
import socket
from typing import Any

import pytest

from gateway.api.web.lean.options import ServerOptions

OPTIONS = ServerOptions()


async def test_a_slow_head(served: Any) -> None:
    """A head that is not complete in time gets a 408, however its bytes are spread, and the connection is closed."""
    async with served.client() as client:
        client.request()
        assert (await client.response()).status == 200
        client.send(b"GET /echo HTTP/1.1\r\n")
        response = asyncio.ensure_future(client.response())
        while not response.done():
            client.send(b"X: y\r\n")
            await asyncio.sleep(0.001)
            served.time.move(0.5)
        assert ((await response).status, (await response).headers["connection"]) == (408, "close")
    assert served.seen == ["/echo"]


@pytest.mark.parametrize("requests", [0, 2])
async def test_an_idle_connection(served: Any, requests: int) -> None:
    """A connection without a request, or without a further request, is closed without a response."""
    async with served.client() as client:
        for _ in range(requests):
            client.request()
            assert (await client.response()).status == 200
        await served.until(lambda: served.connections == 1)
        served.time.move(OPTIONS.keep_alive_timeout if requests else OPTIONS.head_timeout)
        assert await client.read_to_end() == b""
    await served.until(lambda: not served.connections)


async def test_a_slow_endpoint(served: Any) -> None:
    """The timeouts for a head and between requests do not run while an endpoint works on a request."""
    async with served.client() as client:
        client.request(target="/slow")
        await served.started.wait()
        for _ in range(10):  # a timer that fires late fires once more
            served.time.move(OPTIONS.keep_alive_timeout)
            await asyncio.sleep(0.001)
        served.finish.set()
        assert (await client.response()).body == b"done"
        served.time.move(OPTIONS.keep_alive_timeout)
        assert await client.read_to_end() == b""


async def test_a_client_that_disconnects(served: Any) -> None:
    """The request of a client that disconnects is cancelled."""
    async with served.client() as client:
        client.request(target="/slow")
        await served.started.wait()
    async with asyncio.timeout(20):
        await served.cancelled.wait()
    await served.until(lambda: not served.connections)


async def test_a_client_that_disconnects_in_the_middle_of_its_body(served: Any) -> None:
    """An endpoint does not wait for the rest of the body of a client that has disconnected."""
    served.finish.set()
    async with served.client() as client:
        client.request("POST", "/pieces", Content_Length="10")
        await served.started.wait()
    await served.until(lambda: not served.connections)


async def test_a_stream(served: Any) -> None:
    """A body of unknown length is sent in chunks, each at once, and the connection can be reused."""
    async with served.client() as client:
        client.request(target="/stream?5")
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked\r\n" in head
        assert await client.reader.readexactly(10) == b"5\r\nxxxxx\r\n"
        served.finish.set()
        assert await client.reader.readexactly(5) == b"0\r\n\r\n"
        client.request()
        assert (await client.response()).status == 200


async def test_a_stream_in_http_1_0(served: Any) -> None:
    """In HTTP/1.0 the end of the connection is the end of the body."""
    served.finish.set()
    async with served.client() as client:
        client.send(b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        response = await client.read_to_end()
        assert b"Connection: close\r\n" in response
        assert b"chunked" not in response


async def test_head_of_a_stream(served: Any) -> None:
    """HEAD gets no part of the body."""
    async with served.client() as client:
        client.send(b"HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        client.request()
        assert (await client.response(bodiless=True)).status == 200
        assert (await client.response()).json[1] == "/echo"


async def test_a_reader_of_a_stream_that_disconnects(served: Any) -> None:
    """The iterator of the body is closed when the client disconnects."""
    async with served.client() as client:
        client.request(target="/stream")
        await client.reader.readuntil(b"xxxxx")
    async with asyncio.timeout(20):
        await served.closed.wait()


async def test_a_slow_reader(served: Any) -> None:
    """A stream waits for a client that reads slowly, and continues when it reads."""
    async with served.client(limit=1_000) as client:
        client.request(target="/stream?1000")
        await client.reader.readuntil(b"\r\n\r\n")
        before = -1
        async with asyncio.timeout(30):
            while served.sent != before:
                before = served.sent
                await asyncio.sleep(0.2)
        assert before < 20_000_000
        for _ in range(before // 1_000 + 1_000):
            await client.reader.readexactly(1_007)
        assert served.sent > before


@pytest.mark.parametrize("target", ["/stream?1000", "/pieces"])
async def test_a_client_that_does_not_read(serve: Any, target: str) -> None:
    """A client that does not read is disconnected, during a stream as during pipelined responses."""
    served = await serve(head_timeout=1e6, keep_alive_timeout=1e6)  # no other time limit is reached
    loop = asyncio.get_running_loop()
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        silent.setblocking(False)
        await loop.sock_connect(silent, served.server.address)
        if target == "/pieces":
            many = b"GET /status?200 HTTP/1.1\r\nHost: x\r\n\r\n" * 200_000
            sending = asyncio.ensure_future(loop.sock_sendall(silent, many))
        else:
            sending = asyncio.ensure_future(
                loop.sock_sendall(silent, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            )
        await served.until(lambda: served.seen)
        await served.until(lambda: not served.connections, passing=1)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
