"""Bodies: how they come, how much of them is held, and what becomes of those that nobody reads."""

import asyncio
import gzip
import zlib
from typing import Any

import pytest

BODY = b'{"query": "{ __typename }"}' * 4


def _bare(data: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-15)
    return packing.compress(data) + packing.flush()


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(BODY)),
        ("X-Gzip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", _bare(BODY)),
        ("identity", BODY),
        ("", BODY),
    ],
)
async def test_a_compressed_body(served: Any, coding: str, packed: bytes) -> None:
    """gzip and deflate are taken, the latter with and without its frame; in pieces of any size."""
    async with served.client() as client:
        client.ask("POST", body=packed, Content_Encoding=coding)
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n")
        client.send(b"Content-Encoding: " + coding.encode() + b"\r\n\r\n")
        client.send(b"".join(b"1\r\n%c\r\n" % byte for byte in packed), b"0\r\n\r\n")
        for _ in range(2):
            assert (await client.answer()).json[4:] == [len(BODY), BODY[:100].decode()]


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(BODY)[:-1]),
        ("gzip", gzip.compress(BODY) + b"more"),
        ("deflate", zlib.compress(BODY)[:-5]),
        ("br", BODY),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY))),
    ],
)
async def test_a_body_that_is_not_what_it_says(served: Any, coding: str, packed: bytes) -> None:
    """The endpoint is told, and the connection can be used on: the body's end is known."""
    async with served.client() as client:
        client.ask("POST", body=packed, Content_Encoding=coding)
        answer = await client.answer()
        assert (answer.status, answer.body) == (400, b"malformed")
        client.ask()
        assert (await client.answer()).status == 200


@pytest.mark.parametrize("size", [1, 65_536, 65_537, 700_000])
async def test_what_a_compressed_body_holds(served: Any, size: int) -> None:
    """However much it unpacks to, it comes in chunks that are small."""
    served.finish.set()
    async with served.client() as client:
        client.ask("POST", "/pieces", gzip.compress(b"\0" * size), Content_Encoding="gzip")
        sizes = (await client.answer()).json
        assert sum(sizes) == size
        assert max(sizes) <= 65_536


async def test_a_body_that_nobody_reads_yet(serve: Any) -> None:
    """A client has to wait with a body until it is read; nothing is lost, whatever its length."""
    served = await serve(held=100_000)
    size = 30_000_000
    async with served.client() as client:
        client.send(b"POST /pieces HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size, b"x" * size)
        await served.begun.wait()
        await asyncio.sleep(0.2)
        left = client.writer.transport.get_write_buffer_size()
        assert left > 10_000_000
        served.finish.set()
        assert sum((await client.answer()).json) == size
        client.ask()
        assert (await client.answer()).status == 200


async def test_a_client_that_waits_to_be_asked(served: Any) -> None:
    """With `Expect: 100-continue` a client is told to go on once somebody reads, and before that nothing."""
    async with served.client() as client:
        client.send(b"POST /pieces HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        await served.begun.wait()
        served.finish.set()
        assert (await client.answer()).status == 100
        client.send(b"abc")
        assert (await client.answer()).json == [3]


async def test_a_client_that_is_not_asked(served: Any) -> None:
    """Where nobody reads the body, the answer comes without it, and the connection ends."""
    async with served.client() as client:
        client.ask("POST", "/status?403", Content_Length="3", Expect="100-continue")
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (403, "close")
        assert await client.rest() == b""


async def test_a_body_that_came_before_it_was_asked_for(served: Any) -> None:
    """A client that does not wait after all is not told to go on."""
    async with served.client() as client:
        client.ask("POST", body=b"abc", Expect="100-continue")
        answer = await client.answer()
        assert (answer.status, answer.json[5]) == (200, "abc")


async def test_an_unread_body(served: Any) -> None:
    """A body that is there and that nobody reads does not become the next request."""
    async with served.client() as client:
        client.ask("POST", "/status?200", body=b"GET /echo/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        client.ask()
        assert (await client.answer()).body == b"text"
        assert (await client.answer()).json[1] == "/echo"
    assert served.seen == ["/status", "/echo"]


async def test_a_client_that_sends_on(serve: Any) -> None:
    """A client that is refused in the middle of its body gets the answer; what it sends meanwhile is dropped."""
    served = await serve(linger=3.0)
    async with served.client() as client:
        client.ask("POST", Content_Length="20000000")
        client.send(b"x" * 2_000_000)
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        client.send(b"x" * 18_000_000)
        await client.writer.drain()
        assert await client.rest() == b""
    await served.until(lambda: not served.connections)


async def test_a_client_that_sends_for_ever(serve: Any) -> None:
    """What nobody wants is read for a while, and no longer."""
    served = await serve(linger=0.2)
    async with served.client() as client:
        client.ask("POST", Transfer_Encoding="chunked")
        sending = asyncio.ensure_future(_send_on(client))
        await served.until(lambda: not served.connections)
        with pytest.raises(ConnectionError):
            await sending


async def _send_on(client: Any) -> None:
    while True:
        client.send(b"10000\r\n", b"x" * 65_536, b"\r\n")
        await client.writer.drain()
        await asyncio.sleep(0.001)
