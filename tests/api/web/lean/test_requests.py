"""What a request is taken for, and how it is answered."""

import asyncio
from email.utils import parsedate_to_datetime
from typing import Any

import pytest


async def test_one_after_the_other(served: Any) -> None:
    """A connection is kept, and answers one request after the other."""
    async with served.client() as client:
        for number in range(3):
            client.ask(target=f"/echo/{number}")
            answer = await client.answer()
            assert (answer.status, answer.json[1]) == (200, f"/echo/{number}")
            assert "connection" not in answer.headers
        assert parsedate_to_datetime(answer.headers["date"])
        assert served.connections == 1


async def test_pipelined_requests(served: Any) -> None:
    """Requests that come together are answered in their order, one at a time, whatever is cut where."""
    many = b"".join(
        b"POST /echo/%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /echo/-%d HTTP/1.1\r\nHost: x\r\n\r\n"
        % (number, number)
        for number in range(300)
    )
    async with served.client() as client:
        client.ask(target="/slow")
        for begin in range(0, len(many), 7_001):
            client.send(many[begin : begin + 7_001])
            await asyncio.sleep(0)
        await served.begun.wait()
        assert served.seen == ["/slow"]
        served.finish.set()
        assert (await client.answer()).body == b"done"
        for number in range(300):
            assert (await client.answer()).json[:2] == ["POST", f"/echo/{number}"]
            assert (await client.answer()).json[:2] == ["GET", f"/echo/-{number}"]


async def test_byte_by_byte(served: Any) -> None:
    """A request may come in pieces of any size."""
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
            assert (await client.answer()).json == ["POST", "/echo/a b", "c=%20d", headers, 5, "abcde"]


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
    """The path is without its escapes and the query with them, also of a target that is a whole URL."""
    async with served.client() as client:
        client.ask(target=target)
        assert (await client.answer()).json[1:3] == [path, query]
        client.ask("OPTIONS", "*")
        assert (await client.answer()).status == 404


async def test_fields_sent_several_times(served: Any) -> None:
    """Values of one name are joined by a comma, and found in any case."""
    async with served.client() as client:
        client.send(b"GET /echo HTTP/1.1\r\nHost: x\r\nAccept: a \r\nX: \xc3\xa9\r\nACCEPT: b\r\n\r\n")
        assert (await client.answer()).json[3] == {"host": "x", "accept": "a, b", "x": "é"}


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
    """HTTP/1.0 is kept where it asks for that, HTTP/1.1 where it does not ask for the contrary."""
    async with served.client() as client:
        client.send(f"GET /echo {request_line}\r\nHost: x\r\n{header}\r\n".encode())
        answer = await client.answer()
        assert answer.status == 200
        if kept:
            assert answer.headers.get("connection", "keep-alive") == "keep-alive"
            client.ask()
            assert (await client.answer()).status == 200
        else:
            assert answer.headers["connection"] == "close"
            assert await client.rest() == b""


async def test_bytes_after_the_last_request(served: Any) -> None:
    """What follows a request that was to be the last one is not read as another."""
    async with served.client() as client:
        client.ask(Connection="close")
        client.ask(target="/echo/second")
        assert b"second" not in await client.rest()
        assert served.seen == ["/echo"]


async def test_head(served: Any) -> None:
    """HEAD is answered without a body, and the connection can be used on."""
    async with served.client() as client:
        for target, status in (("/status?200", 200), ("/nothing", 404)):
            client.ask("HEAD", target)
            assert (await client.answer(bodiless=True)).status == status
        client.ask()
        assert (await client.answer()).status == 200


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body(served: Any, status: int) -> None:
    """204 and 304 have no body and no length of one, whatever the endpoint says."""
    async with served.client() as client:
        client.ask(target=f"/status?{status}")
        answer = await client.answer(bodiless=True)
        assert answer.status == status
        assert not {"content-length", "transfer-encoding"} & set(answer.headers)
        client.ask(target="/status?294")
        assert (await client.answer()).body == b"text"


async def test_a_line_break_in_a_header(served: Any) -> None:
    """An endpoint cannot be made to send headers that are not its own: nothing is sent at all."""
    async with served.client() as client:
        client.ask(target="/split")
        assert await client.rest() == b""


async def test_other_protocols(served: Any) -> None:
    """A wish for HTTP/2 is passed over, and the body behind it is read: Java's client sends it with every request."""
    wish = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"}
    async with served.client() as client:
        client.ask("POST", body=b"GET /echo/smuggled HTTP/1.1\r\nHost: x\r\n\r\n", **wish)
        client.ask(target="/echo/next", **wish)
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n")
        client.send(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        client.ask(target="/echo/last")
        assert (await client.answer()).json[4] == 40
        assert (await client.answer()).json[1] == "/echo/next"
        assert (await client.answer()).json[5] == "abc"
        assert (await client.answer()).json[1] == "/echo/last"
    assert served.seen == ["/echo", "/echo/next", "/echo", "/echo/last"]


async def test_ipv6(serve: Any) -> None:
    """It listens on IPv6 as well."""
    served = await serve(host="::1")
    reader, writer = await asyncio.open_connection(*served.server.address)
    writer.write(b"GET /echo HTTP/1.0\r\n\r\n")
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()
    await writer.wait_closed()
