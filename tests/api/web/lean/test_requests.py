"""How requests are parsed, and how responses to them are written."""

import asyncio
from email.utils import parsedate_to_datetime
from typing import Any

import pytest


async def test_a_kept_connection(served: Any) -> None:
    """A connection is kept, and serves one request after the other."""
    async with served.client() as client:
        for number in range(3):
            client.request(target=f"/echo/{number}")
            response = await client.response()
            assert (response.status, response.json[1]) == (200, f"/echo/{number}")
            assert "connection" not in response.headers
        assert parsedate_to_datetime(response.headers["date"])
        assert served.connections == 1


async def test_pipelined_requests(served: Any) -> None:
    """Pipelined requests are served in their order, one at a time, however their bytes are split."""
    many = b"".join(
        b"POST /echo/%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /echo/-%d HTTP/1.1\r\nHost: x\r\n\r\n"
        % (number, number)
        for number in range(300)
    )
    async with served.client() as client:
        client.request(target="/slow")
        for begin in range(0, len(many), 7_001):
            client.send(many[begin : begin + 7_001])
            await asyncio.sleep(0)
        await served.started.wait()
        assert served.seen == ["/slow"]
        served.finish.set()
        assert (await client.response()).body == b"done"
        for number in range(300):
            assert (await client.response()).json[:2] == ["POST", f"/echo/{number}"]
            assert (await client.response()).json[:2] == ["GET", f"/echo/-{number}"]


async def test_byte_by_byte(served: Any) -> None:
    """A request may arrive in pieces of any size."""
    request = (
        b"POST /echo/a%20b?c=%20d HTTP/1.1\r\nHost: x\r\nX-Name:  v \t\r\nX-Empty:\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2;ext=1\r\nab\r\n3\r\ncde\r\n0\r\nX-Trailer: 1\r\n\r\n"
    )
    async with served.client() as client:
        for byte in request * 2:
            client.send(bytes([byte]))
            await asyncio.sleep(0.0001)
        for _ in range(2):
            headers = {"host": "x", "x-name": "v", "x-empty": "", "transfer-encoding": "chunked"}
            assert (await client.response()).json == ["POST", "/echo/a b", "c=%20d", headers, 5, "abcde"]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/%65cho%2Fa?x=%2F+%25#f", "/echo/a", "x=%2F+%25"),
        ("/echo/%C3%A9?", "/echo/é", ""),
        ("/echo/100%25?a?b", "/echo/100%", "a?b"),
        ("http://elsewhere:1/echo/x?y=1", "/echo/x", "y=1"),
    ],
)
async def test_targets(served: Any, target: str, path: str, query: str) -> None:
    """The path is percent-decoded and the query is not, also in a target that is a complete URL."""
    async with served.client() as client:
        client.request(target=target)
        assert (await client.response()).json[1:3] == [path, query]
        client.request("OPTIONS", "*")
        assert (await client.response()).status == 404


async def test_repeated_fields(served: Any) -> None:
    """The values of a repeated field are joined by commas, and names match in any case."""
    async with served.client() as client:
        client.send(b"GET /echo HTTP/1.1\r\nHost: x\r\nAccept: a \r\nX: \xc3\xa9\r\nACCEPT: b\r\n\r\n")
        assert (await client.response()).json[3] == {"host": "x", "accept": "a, b", "x": "é"}


@pytest.mark.parametrize(
    ("request_line", "header", "kept"),
    [
        ("HTTP/1.0", "", False),
        ("HTTP/1.0", "Connection: keep-alive\r\n", True),
        ("HTTP/1.1", "Connection: close\r\n", False),
        ("HTTP/1.1", "Connection: Keep-Alive\r\n", True),
    ],
)
async def test_whether_a_connection_is_kept(served: Any, request_line: str, header: str, *, kept: bool) -> None:
    """HTTP/1.0 keeps a connection if the request states so, HTTP/1.1 unless the request states the contrary."""
    async with served.client() as client:
        client.send(f"GET /echo {request_line}\r\nHost: x\r\n{header}\r\n".encode())
        response = await client.response()
        assert response.status == 200
        if kept:
            assert response.headers.get("connection", "keep-alive") == "keep-alive"
            client.request()
            assert (await client.response()).status == 200
        else:
            assert response.headers["connection"] == "close"
            assert await client.read_to_end() == b""


async def test_bytes_after_the_last_request(served: Any) -> None:
    """Bytes after a request with `Connection: close` are not parsed as another request."""
    async with served.client() as client:
        client.request(Connection="close")
        client.request(target="/echo/second")
        assert b"second" not in await client.read_to_end()
        assert served.seen == ["/echo"]


async def test_head(served: Any) -> None:
    """HEAD gets a response without a body, and the connection can be reused."""
    async with served.client() as client:
        for target, status in (("/status?200", 200), ("/nothing", 404)):
            client.request("HEAD", target)
            assert (await client.response(bodiless=True)).status == status
        client.request()
        assert (await client.response()).status == 200


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body(served: Any, status: int) -> None:
    """Responses with 204 and 304 have no body and no length, whatever the endpoint returns."""
    async with served.client() as client:
        client.request(target=f"/status?{status}")
        response = await client.response(bodiless=True)
        assert response.status == status
        assert not {"content-length", "transfer-encoding"} & set(response.headers)
        client.request(target="/status?294")
        assert (await client.response()).body == b"text"


async def test_a_line_break_in_a_header(served: Any) -> None:
    """If a header field of an endpoint contains a line break, nothing is sent at all."""
    async with served.client() as client:
        client.request(target="/split")
        assert await client.read_to_end() == b""


async def test_other_protocols(served: Any) -> None:
    """An upgrade to HTTP/2, which Java's client requests with any request, is ignored, and the body is read."""
    upgrade = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"}
    async with served.client() as client:
        client.request("POST", body=b"GET /echo/smuggled HTTP/1.1\r\nHost: x\r\n\r\n", **upgrade)
        client.request(target="/echo/next", **upgrade)
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n")
        client.send(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        client.request(target="/echo/last")
        assert (await client.response()).json[4] == 40
        assert (await client.response()).json[1] == "/echo/next"
        assert (await client.response()).json[5] == "abc"
        assert (await client.response()).json[1] == "/echo/last"
    assert served.seen == ["/echo", "/echo/next", "/echo", "/echo/last"]


async def test_ipv6(serve: Any) -> None:
    """The server listens on IPv6 as well."""
    served = await serve(host="::1")
    reader, writer = await asyncio.open_connection(*served.server.address)
    writer.write(b"GET /echo HTTP/1.0\r\n\r\n")
    async with asyncio.timeout(20):
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()
    await writer.wait_closed()
