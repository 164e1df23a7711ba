"""Bytes that are not a valid request, or could be two requests, are refused, and nothing after them is parsed."""

from typing import Any

import pytest

POST = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /echo/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

REFUSED = {
    "length and chunks": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
    "chunks and length": (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", 400),
    "two lengths": (POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    "a list of lengths": (POST + b"Content-Length: 3, 3\r\n\r\nabc", 400),
    "a signed length": (POST + b"Content-Length: +3\r\n\r\nabc", 400),
    "another coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n", 501),
    "two codings": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "chunked twice": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked in HTTP/1.0": (b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a bare line feed": (b"GET /echo HTTP/1.1\nHost: x\n\n", 400),
    "a space before the colon": (b"GET /echo HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "a folded line": (b"GET /echo HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
    "a null byte": (b"GET /echo HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", 400),
    "no host": (b"GET /echo HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    "two encodings": (POST + b"Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\n", 400),
    "an invalid byte in the target": (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a broken URL": (b"GET http://[/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a URL without a host": (b"GET http:///echo HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a port that is no number": (b"GET http://x:y/echo HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a target that only begins with `*`": (b"GET */echo HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a method in lower case": (b"get /echo HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "another version": (b"GET /echo HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "a tunnel": (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "another expectation": (POST + b"Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc", 417),
    "a long target": (b"GET /echo?" + b"a" * 8_200 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "an endless target": (b"GET /echo?" + b"a" * 100_000, 414),
    "a long field": (b"GET /echo HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 33_000 + b"\r\n\r\n", 431),
    "an endless field": (b"GET /echo HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100_000, 431),
    "many fields": (
        b"GET /echo HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: 1\r\n" % n for n in range(128)) + b"\r\n",
        431,
    ),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_refused_request(served: Any, sent: bytes, status: int) -> None:
    """The response has the right status, the connection is closed, and no request after it reaches an endpoint."""
    async with served.client() as client:
        client.request(target="/echo/before")
        client.send(sent, SMUGGLED)
        assert (await client.response()).json[1] == "/echo/before"
        response = await client.response()
        assert (response.status, response.headers["connection"]) == (status, "close")
        assert await client.read_to_end() == b""
    assert served.seen == ["/echo/before"]


@pytest.mark.parametrize(
    "head", ["HTTP/1.0\r\nConnection: Upgrade", "HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close"]
)
async def test_bytes_after_a_last_request_for_an_upgrade(served: Any, head: str) -> None:
    """After a last request whose upgrade to HTTP/2 is ignored, no more requests are parsed."""
    async with served.client() as client:
        client.send(f"POST /echo {head}\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc".encode(), SMUGGLED)
        response = await client.response()
        assert (response.json[5], response.headers["connection"]) == ("abc", "close")
        assert await client.read_to_end() == b""
    assert served.seen == ["/echo"]


BROKEN = {
    "not a number": b"zz\r\n\r\n",
    "a prefix": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a space": b"3 \r\nabc\r\n0\r\n\r\n",
    "too large": b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "line feeds": b"3\nabc\n0\n\n",
    "more than the size": b"2\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_chunk(served: Any, body: bytes) -> None:
    """The endpoint gets Malformed, and the connection is closed after the response."""
    async with served.client() as client:
        client.send(CHUNKED, body, SMUGGLED)
        response = await client.response()
        assert (response.status, response.body, response.headers["connection"]) == (400, b"malformed", "close")
        assert await client.read_to_end() == b""
    assert served.seen == ["/echo"]


@pytest.mark.parametrize(
    "between", [b"3;" + b"a" * 100_000, b"0\r\nX: " + b"a" * 100_000, b"0\r\n" + b"X: a\r\n" * 9_000]
)
async def test_bytes_between_chunks(served: Any, between: bytes) -> None:
    """The size of chunk extensions and trailers is limited, too."""
    async with served.client() as client:
        client.send(CHUNKED, between)
        assert (await client.response()).body == b"malformed"
