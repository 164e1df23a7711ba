"""The fast path of an endpoint on both servers: what it cannot handle goes to the handler, with the same result."""

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, get_args

import pytest

from gateway.api.web import aiohttp_server
from gateway.api.web.cors import Cors
from gateway.api.web.http import FixedHeaders, Route, WebRequest, WebResponse
from gateway.api.web.lean.options import ServerOptions
from gateway.api.web.lean.server import LeanServer
from gateway.api.web.open_connections import ConnectionLimit
from gateway.api.web.servers import HttpServer, ServerName, serve
from gateway.api.web.site import Site
from gateway.telemetry.report import RequestReport
from gateway.telemetry.telemetry import Telemetry

FIXED = FixedHeaders(("Content-Type", "text/plain"), ("Cache-Control", "no-store"))
HOST = "Host: x\r\n"


@dataclass
class Endpoint:
    """An endpoint that responds with the query of the request and its body, by three ways.

    The target chooses the way: `?now` gets a response at once, `?wait` after a wait, and `?handler` by the handler.
    """

    ways: list[str] = field(default_factory=list)
    reports: list[RequestReport] = field(default_factory=list)
    telemetry: Telemetry = field(init=False)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def site(self, *, fast_path: bool = True) -> Site:
        """Return a site with this endpoint."""
        route = Route(("GET", "POST"), "/fast", self.handle, self.try_handle)
        self.telemetry = Telemetry([self.reports.extend])
        cors = Cors(["https://app.example"])
        return Site([route], cors=cors, telemetry=self.telemetry, fast_path=fast_path)

    def statuses(self) -> list[tuple[Any, ...]]:
        """Return what was reported about each request."""
        self.telemetry.flush()
        return [(report.method, report.route, report.status, report.bytes, report.codes) for report in self.reports]

    async def handle(self, request: WebRequest) -> WebResponse:
        """Respond, as a handler does."""
        self.ways.append("handler")
        return await self.response(request, await request.read(100_000))

    def try_handle(self, request: WebRequest) -> "Fast | None":
        """Decide about a request, as a fast path does."""
        if request.query == "broken":
            raise RuntimeError("a defect")
        if request.query == "handler":
            return None
        self.ways.append("fast")
        return Fast(self, request)

    async def response(self, request: WebRequest, body: bytes) -> WebResponse:
        """Return the response, for `?forever` never."""
        if request.query == "forever":
            self.started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        await asyncio.sleep(0)
        return self.text(request, body)

    def text(self, request: WebRequest, body: bytes) -> WebResponse:
        """Return the response to a complete request."""
        if request.query.startswith("fail"):
            raise RuntimeError("a defect")
        text = f"{request.method} {request.query} {request.headers.get('X')} ".encode() + body
        if request.query.startswith("large"):
            text *= 20_000
        return WebResponse(200, text, FIXED.with_fields(("X-Request-ID", request.report.request_id)))


@dataclass
class Fast:
    """Implements `gateway.api.web.http.Handling`."""

    endpoint: Endpoint
    request: WebRequest

    @property
    def immediate(self) -> bool:
        """Whether the query ends in `now`."""
        return self.request.query.endswith("now")

    def respond_now(self) -> WebResponse:
        """Respond at once."""
        assert isinstance(self.request.body, bytes)
        return self.endpoint.text(self.request, self.request.body)

    async def respond(self) -> WebResponse:
        """Respond after a wait."""
        assert isinstance(self.request.body, bytes)
        return await self.endpoint.response(self.request, self.request.body)


Connect = Callable[[], Any]


@pytest.fixture(params=get_args(ServerName))
def name(request: pytest.FixtureRequest) -> ServerName:
    """The server."""
    server: ServerName = request.param
    return server


@asynccontextmanager
async def serving(name: ServerName, site: Site) -> AsyncIterator[Connect]:
    """Serve a site; what is yielded opens a connection to it."""
    server = await serve(name, site, "127.0.0.1", 0, grace=0.1)
    try:
        yield lambda: asyncio.open_connection(*server.address)
    finally:
        await server.stop()


async def read(reader: asyncio.StreamReader) -> bytes:
    """Read a response."""
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        return head + await reader.readexactly(int(length[1]) if length and b"no body" not in head else 0)


async def exchange(name: ServerName, site: Site, requests: Sequence[bytes]) -> list[bytes]:
    """Send requests on one connection; return the responses without the values that differ each time."""
    responses = []
    async with serving(name, site) as connect:
        reader, writer = await connect()
        for request in requests:
            for piece in request.split(b"|"):
                writer.write(piece)
                for _ in range(50 if b"|" in request else 0):  # iterations, in which the server reads the piece alone
                    await asyncio.sleep(0.0001)
            responses.append(re.sub(rb"(Date|X-Request-ID): [^\r]+|[0-9a-f]{32}", b"", await read(reader)))
        writer.close()
    return responses


def post(query: str, body: str = "", headers: str = HOST) -> bytes:
    """Return a request, in which `|` separates pieces that are sent one after the other."""
    length = len(body.replace("|", ""))
    return f"POST /fast?{query} HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}".encode()


REQUESTS = {
    "now": (post("now", "body"), "fast"),
    "waiting": (post("wait", "body"), "fast"),
    "handler": (post("handler", "body"), "handler"),
    "with_a_body_in_pieces": (post("now", "bo|dy"), "handler"),
    "with_an_empty_body": (post("now"), "fast"),
    "get": (f"GET /fast?now HTTP/1.1\r\n{HOST}X:  y\t \r\n\r\n".encode(), "fast"),
    "without_a_route": (f"GET /slow?now HTTP/1.1\r\n{HOST}\r\n".encode(), ""),
    "with_another_method": (f"DELETE /fast?now HTTP/1.1\r\n{HOST}\r\n".encode(), ""),
    "preflight": (
        f"OPTIONS /fast HTTP/1.1\r\n{HOST}Origin: https://app.example\r\n"
        "Access-Control-Request-Method: POST\r\n\r\n".encode(),
        "",
    ),
    "of_a_page": (post("now", "b", HOST + "Origin: https://app.example\r\n"), "fast"),
    "of_a_strange_page": (post("wait", "b", HOST + "Origin: https://evil.example\r\n"), "fast"),
    "with_http_1_0": (b"POST /fast?now HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", "fast"),
    "with_a_defect": (post("fail"), "fast"),
    "with_a_defect_at_once": (post("fail-now"), "fast"),
    "with_an_unusual_field": (post("wait", "b", HOST + "X: a\r\nX: b\r\n"), "fast"),
}


@pytest.mark.parametrize(("request_", "way"), REQUESTS.values(), ids=REQUESTS)
async def test_the_same_responses(name: ServerName, request_: bytes, way: str) -> None:
    """The fast path has the responses and the reports of the handler; where it cannot decide, the handler responds."""
    fast, slow = Endpoint(), Endpoint()
    requests = [request_, post("wait", "next"), request_]
    responses = await exchange(name, fast.site(), requests)
    assert responses == await exchange(name, slow.site(fast_path=False), requests)
    assert fast.ways == [*filter(None, [way]), "fast", *filter(None, [way])]
    assert set(slow.ways) <= {"handler"}
    assert fast.statuses() == slow.statuses()
    assert len(fast.reports) == 3


async def test_a_defect_of_the_decision(name: ServerName, caplog: pytest.LogCaptureFixture) -> None:
    """An exception of the decision is a 500 without details, is logged, and the connection serves the next request."""
    endpoint = Endpoint()
    with caplog.at_level(logging.ERROR):
        broken, following = await exchange(name, endpoint.site(), [post("broken"), post("now")])
    assert broken.startswith(b"HTTP/1.1 500 ")
    assert b"a defect" not in broken
    assert following.startswith(b"HTTP/1.1 200 ")
    assert "a defect" in caplog.text
    assert [status for _, _, status, _, _ in endpoint.statuses()] == [500, 200]


async def test_a_client_that_disconnects(name: ServerName) -> None:
    """The fast path is cancelled when the client disconnects."""
    endpoint = Endpoint()
    async with serving(name, endpoint.site()) as connect, asyncio.timeout(20):
        _, writer = await connect()
        writer.write(post("forever"))
        await endpoint.started.wait()
        writer.transport.abort()
        await endpoint.cancelled.wait()
        while not endpoint.reports:  # noqa: ASYNC110 - sinks set no event
            await asyncio.sleep(0.01)
    assert endpoint.ways == ["fast"]
    assert endpoint.reports[0].status == 499


async def test_pipelined_requests(name: ServerName) -> None:
    """Pipelined requests are responded to in their order, whichever path each of them takes."""
    endpoint = Endpoint()
    async with serving(name, endpoint.site()) as connect:
        reader, writer = await connect()
        kinds = ("now", "wait", "handler", "large-now") * 3
        writer.write(post("wait") + b"".join(map(post, kinds)))
        for kind in ("wait", *kinds):
            assert b"POST " + kind.encode() in await read(reader)
        writer.close()


async def test_a_client_that_does_not_read(name: ServerName, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not read immediate responses gets no more of them, and is disconnected."""
    endpoint = Endpoint()
    async with not_read(name, endpoint.site(), monkeypatch, seconds=0.3) as (server, silent):
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            with suppress(OSError):  # it is disconnected
                while True:
                    await loop.sock_sendall(silent, post("large-now", "x" * 20))
                    await asyncio.sleep(0.002)
            while server.connections:  # noqa: ASYNC110 - the server sets no event
                await asyncio.sleep(0.01)
    assert len(endpoint.ways) < 40


async def test_a_connection_with_unread_responses_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Responses that nobody reads keep no connection open that has to be closed for a new one."""
    limit = ConnectionLimit(connections=1, highest_descriptor=1_000_000)
    async with not_read("aiohttp", Endpoint().site(), monkeypatch, seconds=60, limit=limit) as (server, silent):
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            while not _unsent(server):
                await loop.sock_sendall(silent, post("large-now", "x" * 20))
                await asyncio.sleep(0)
        assert server.connections == 1
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(post("now"))
        assert b"POST now" in await read(reader)
        async with asyncio.timeout(20):
            while server.connections != 1:  # noqa: ASYNC110 - the server sets no event
                await asyncio.sleep(0.01)
        writer.close()


def _unsent(server: HttpServer) -> int:
    """Return how many bytes of responses aiohttp's server holds back."""
    assert isinstance(server, aiohttp_server.AiohttpServer)
    transports = [connection.transport for connection in server._connections.all()]
    return sum(transport.get_write_buffer_size() for transport in transports if transport is not None)


@asynccontextmanager
async def not_read(
    name: ServerName,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    *,
    seconds: float,
    limit: ConnectionLimit | None = None,
) -> AsyncIterator[tuple[HttpServer, socket.socket]]:
    """Start a server that waits so many seconds for a client to read; yield it with a connection to it."""
    monkeypatch.setattr(aiohttp_server, "_WRITE_TIMEOUT", seconds)
    server: HttpServer
    if name == "lean":
        options = ServerOptions(write_timeout=seconds)
        server = await LeanServer.start(site, "127.0.0.1", 0, grace=0.1, limit=limit, options=options)
    else:
        server = await aiohttp_server.AiohttpServer.start(site, "127.0.0.1", 0, grace=0.1, limit=limit)
    try:
        with socket.socket() as silent:
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            silent.setblocking(False)
            await asyncio.get_running_loop().sock_connect(silent, server.address)
            yield server, silent
    finally:
        await server.stop()


async def test_the_longest_idle_connection(name: ServerName) -> None:
    """An immediate response makes its connection the one that has been idle for the shortest time."""
    limit = ConnectionLimit(connections=2, highest_descriptor=1_000_000)
    server = await serve(name, Endpoint().site(), "127.0.0.1", 0, grace=0.1, limit=limit)
    try:
        connections = [await asyncio.open_connection(*server.address) for _ in range(2)]
        for reader, writer in reversed(connections):
            writer.write(post("now"))
            await read(reader)
        (still, writer), (closed, _) = connections
        _, third = await asyncio.open_connection(*server.address)
        async with asyncio.timeout(20):
            assert await closed.read() == b""
        writer.write(post("now"))
        assert b"POST now" in await read(still)
        for one in (writer, connections[1][1], third):
            one.close()
    finally:
        await server.stop()
