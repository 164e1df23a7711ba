"""Request bodies: compression, flow control, `Expect: 100-continue`, and bodies that no endpoint reads."""

import asyncio
import gzip
import zlib
from typing import Any

import pytest

BODY = b'{"query": "{ __typename }"}' * 4


def _raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("coding", "compressed"),
    [
        ("gzip", gzip.compress(BODY)),
        ("X-Gzip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", _raw_deflate(BODY)),
        ("identity", BODY),
        ("", BODY),
    ],
)
async def test_a_compressed_body(served: Any, coding: str, compressed: bytes) -> None:
    """gzip and deflate are accepted, the latter with and without the zlib format, in pieces of any size."""
    async with served.client() as client:
        client.request("POST", body=compressed, Content_Encoding=coding)
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n")
        client.send(b"Content-Encoding: " + coding.encode() + b"\r\n\r\n")
        client.send(b"".join(b"1\r\n%c\r\n" % byte for byte in compressed), b"0\r\n\r\n")
        for _ in range(2):
            assert (await client.response()).json[4:] == [len(BODY), BODY[:100].decode()]


@pytest.mark.parametrize(
    ("coding", "compressed"),
    [
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(BODY)[:-1]),
        ("gzip", gzip.compress(BODY) + b"more"),
        ("deflate", zlib.compress(BODY)[:-5]),
        ("br", BODY),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY))),
    ],
)
async def test_a_body_in_another_coding_than_stated(served: Any, coding: str, compressed: bytes) -> None:
    """The endpoint gets Malformed, and the connection can be reused, because the end of the body is known."""
    async with served.client() as client:
        client.request("POST", body=compressed, Content_Encoding=coding)
        response = await client.response()
        assert (response.status, response.body) == (400, b"malformed")
        client.request()
        assert (await client.response()).status == 200


@pytest.mark.parametrize("size", [1, 65_536, 65_537, 700_000])
async def test_the_chunks_of_a_compressed_body(served: Any, size: int) -> None:
    """The chunks are small, whatever the size of the decompressed body."""
    served.finish.set()
    async with served.client() as client:
        client.request("POST", "/pieces", gzip.compress(b"\0" * size), Content_Encoding="gzip")
        sizes = (await client.response()).json
        assert sum(sizes) == size
        assert max(sizes) <= 65_536


async def test_a_body_that_is_read_late(serve: Any) -> None:
    """A client has to wait with most of a body until the endpoint reads it, and nothing is lost."""
    served = await serve(read_ahead=100_000)
    size = 30_000_000
    async with served.client() as client:
        client.send(b"POST /pieces HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size, b"x" * size)
        await served.started.wait()
        await asyncio.sleep(0.2)
        left = client.writer.transport.get_write_buffer_size()
        assert left > 10_000_000
        served.finish.set()
        assert sum((await client.response()).json) == size
        client.request()
        assert (await client.response()).status == 200


async def test_expect_continue(served: Any) -> None:
    """After `Expect: 100-continue` the 100 response is sent when the endpoint starts to read, and not before."""
    async with served.client() as client:
        client.send(b"POST /pieces HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        await served.started.wait()
        served.finish.set()
        assert (await client.response()).status == 100
        client.send(b"abc")
        assert (await client.response()).json == [3]


async def test_expect_continue_without_a_reader(served: Any) -> None:
    """If the endpoint does not read the body, only the final response is sent, and the connection is closed."""
    async with served.client() as client:
        client.request("POST", "/status?403", Content_Length="3", Expect="100-continue")
        response = await client.response()
        assert (response.status, response.headers["connection"]) == (403, "close")
        assert await client.read_to_end() == b""


async def test_expect_continue_with_an_early_body(served: Any) -> None:
    """If the body arrives before it is read, no 100 response is sent."""
    async with served.client() as client:
        client.request("POST", body=b"abc", Expect="100-continue")
        response = await client.response()
        assert (response.status, response.json[5]) == (200, "abc")


async def test_an_unread_body(served: Any) -> None:
    """A body that arrived and that the endpoint does not read is not parsed as the next request."""
    async with served.client() as client:
        client.request("POST", "/status?200", body=b"GET /echo/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        client.request()
        assert (await client.response()).body == b"text"
        assert (await client.response()).json[1] == "/echo"
    assert served.seen == ["/status", "/echo"]


async def test_a_refused_body(serve: Any) -> None:
    """A client that gets the response in the middle of its body can read it; the rest of the body is discarded."""
    served = await serve(linger_timeout=30.0)
    async with served.client() as client:
        client.request("POST", Content_Length="20000000")
        client.send(b"x" * 2_000_000)
        response = await client.response()
        assert (response.status, response.headers["connection"]) == (413, "close")
        client.send(b"x" * 18_000_000)
        await client.writer.drain()
        assert await client.read_to_end() == b""
    await served.until(lambda: not served.connections)


async def test_an_endless_body(serve: Any) -> None:
    """The rest of a refused body is discarded for a limited time only."""
    served = await serve(linger_timeout=0.2)
    async with served.client() as client:
        client.request("POST", Transfer_Encoding="chunked")
        sending = asyncio.ensure_future(_send_chunks(client))
        await served.until(lambda: not served.connections)
        with pytest.raises(ConnectionError):
            await sending


async def _send_chunks(client: Any) -> None:
    while True:
        client.send(b"10000\r\n", b"x" * 65_536, b"\r\n")
        await client.writer.drain()
        await asyncio.sleep(0.001)
