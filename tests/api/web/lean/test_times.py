"""How long a client may take, and what becomes of one that goes."""

import asyncio
import socket
from typing import Any

import pytest


async def test_a_slow_head(serve: Any) -> None:
    """A head has to be whole in time, however its bytes are spread; else it is a 408, and the end."""
    served = await serve(head_time=0.5)
    async with served.client() as client:
        client.ask()
        assert (await client.answer()).status == 200
        client.send(b"GET /echo HTTP/1.1\r\n")
        answer = asyncio.ensure_future(client.answer())
        while not answer.done():
            client.send(b"X: y\r\n")
            await asyncio.sleep(0.02)
        assert ((await answer).status, (await answer).headers["connection"]) == (408, "close")
    assert served.seen == ["/echo"]


@pytest.mark.parametrize("asked", [0, 2])
async def test_an_idle_connection(serve: Any, asked: int) -> None:
    """A connection on which nothing is asked, or nothing more, is closed without a word."""
    served = await serve(head_time=0.5, kept=0.5)
    async with served.client() as client:
        for _ in range(asked):
            client.ask()
            assert (await client.answer()).status == 200
        assert await client.rest() == b""
    await served.until(lambda: not served.connections)


async def test_a_slow_endpoint(serve: Any) -> None:
    """Time for heads and between requests does not run while a request is answered."""
    served = await serve(head_time=0.4, kept=0.4)
    async with served.client() as client:
        client.ask(target="/slow")
        await asyncio.sleep(1)
        served.finish.set()
        assert (await client.answer()).body == b"done"
        assert await client.rest() == b""


async def test_a_client_that_leaves(served: Any) -> None:
    """What nobody waits for any more is cancelled."""
    async with served.client() as client:
        client.ask(target="/slow")
        await served.begun.wait()
    async with asyncio.timeout(5):
        await served.cancelled.wait()
    await served.until(lambda: not served.connections)


async def test_a_client_that_leaves_in_the_middle_of_its_body(served: Any) -> None:
    """An endpoint does not wait for the rest of it."""
    served.finish.set()
    async with served.client() as client:
        client.ask("POST", "/pieces", Content_Length="10")
        await served.begun.wait()
    await served.until(lambda: not served.connections)


async def test_a_stream(served: Any) -> None:
    """A body of unknown length is chunked, sent as it comes, and the connection can be used on."""
    async with served.client() as client:
        client.ask(target="/stream?5")
        top = await client.reader.readuntil(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked\r\n" in top
        assert await client.reader.readexactly(10) == b"5\r\nxxxxx\r\n"
        served.finish.set()
        assert await client.reader.readexactly(5) == b"0\r\n\r\n"
        client.ask()
        assert (await client.answer()).status == 200


async def test_a_stream_in_old_http(served: Any) -> None:
    """To HTTP/1.0 the end of the connection tells the end of the body."""
    served.finish.set()
    async with served.client() as client:
        client.send(b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = await client.rest()
        assert b"Connection: close\r\n" in answer
        assert b"chunked" not in answer


async def test_the_head_of_a_stream(served: Any) -> None:
    """HEAD gets none of a stream."""
    async with served.client() as client:
        client.send(b"HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        client.ask()
        assert (await client.answer(bodiless=True)).status == 200
        assert (await client.answer()).json[1] == "/echo"


async def test_a_reader_of_a_stream_that_leaves(served: Any) -> None:
    """The stream is closed."""
    async with served.client() as client:
        client.ask(target="/stream")
        await client.reader.readuntil(b"xxxxx")
    async with asyncio.timeout(5):
        await served.closed.wait()


async def test_a_reader_that_is_slow(served: Any) -> None:
    """A stream waits for whoever reads it, and goes on from there."""
    async with served.client(limit=1_000) as client:
        client.ask(target="/stream?1000")
        await client.reader.readuntil(b"\r\n\r\n")
        before = -1
        async with asyncio.timeout(10):
            while served.sent != before:
                before = served.sent
                await asyncio.sleep(0.2)
        assert before < 20_000_000
        for _ in range(before // 1_000 + 1_000):
            await client.reader.readexactly(1_007)
        assert served.sent > before


@pytest.mark.parametrize("target", ["/stream?1000", "/pieces"])
async def test_a_reader_that_is_stuck(serve: Any, target: str) -> None:
    """Who reads nothing at all is cut off, in the middle of a stream or of pipelined answers."""
    served = await serve(stuck=0.3)
    loop = asyncio.get_running_loop()
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stuck.setblocking(False)
        await loop.sock_connect(stuck, served.server.address)
        if target == "/pieces":
            many = b"GET /status?200 HTTP/1.1\r\nHost: x\r\n\r\n" * 200_000
            sending = asyncio.ensure_future(loop.sock_sendall(stuck, many))
        else:
            sending = asyncio.ensure_future(
                loop.sock_sendall(stuck, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            )
        await served.until(lambda: served.connections == 1)
        await served.until(lambda: not served.connections)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
