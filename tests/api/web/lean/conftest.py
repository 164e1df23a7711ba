"""A lean server in this process, on a real socket, and clients that send arbitrary bytes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from moved_time import MovedTime

from gateway.api.web.http import Malformed, Route, TooLarge, WebRequest, WebResponse
from gateway.api.web.lean.options import ServerOptions
from gateway.api.web.lean.server import LeanServer
from gateway.api.web.site import Site
from gateway.api.web.sockets import SocketRoute

METHODS = ("GET", "POST", "OPTIONS")
JSON = (("Content-Type", "application/json"),)


@dataclass
class Response:
    """A response: status, header fields by lower-case names, and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """The client of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, *data: bytes) -> None:
        """Send bytes unchanged."""
        self.writer.write(b"".join(data))

    def request(self, method: str = "GET", target: str = "/echo", body: bytes = b"", **headers: str) -> None:
        """Send a complete request."""
        fields = {"Host": "x"} | {name.replace("_", "-"): value for name, value in headers.items()}
        if body:
            fields["Content-Length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.send(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode(), body)

    async def response(self, *, bodiless: bool = False) -> Response:
        """Read the next response."""
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head[:-4].split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = b""
            if "transfer-encoding" in headers:
                while size := int(await self.reader.readline(), 16):
                    body += await self.reader.readexactly(size)
                    assert await self.reader.readline() == b"\r\n"
                assert await self.reader.readline() == b"\r\n"
            elif not bodiless:
                body = await self.reader.readexactly(int(headers.get("content-length", 0)))
            return Response(int(status.split(" ")[1]), headers, body)

    async def read_to_end(self) -> bytes:
        """Read all bytes until the server closes the connection."""
        async with asyncio.timeout(20):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


@dataclass
class Served:
    """A server with its endpoints; `seen` has the paths of the requests that reached them."""

    server: LeanServer
    time: MovedTime
    seen: list[str] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    finish: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self.server._connections)

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.server.address[1]}"

    @asynccontextmanager
    async def client(self, **limits: int) -> AsyncIterator[Client]:
        """Open a connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.address[1], **limits)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()

    async def until(self, condition: Callable[[], bool], *, passing: float = 0.0) -> None:
        """Wait until the condition is true, letting `passing` seconds pass each time that it is not."""
        async with asyncio.timeout(20 + 4_000 * passing):
            while not condition():
                await asyncio.sleep(0.005)
                self.time.move(passing)

    async def echo(self, request: WebRequest) -> WebResponse:
        """Respond with the parts of the request."""
        self.seen.append(request.path)
        try:
            body = await request.read(1_000_000)
        except TooLarge:
            return WebResponse(413)
        except Malformed:
            return WebResponse(400, b"malformed")
        headers = dict(request.headers)
        parts = [request.method, request.path, request.query, headers, len(body), body[:100].decode("latin-1")]
        return WebResponse(200, json.dumps(parts).encode(), JSON)

    async def status(self, request: WebRequest) -> WebResponse:
        """Respond with the status in the query and a text, without reading the body."""
        self.seen.append(request.path)
        return WebResponse(int(request.query), b"text")

    async def slow(self, request: WebRequest) -> WebResponse:
        """Respond when the test sets `finish`."""
        self.seen.append(request.path)
        self.started.set()
        try:
            await self.finish.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return WebResponse(200, b"done")

    async def stream(self, request: WebRequest) -> WebResponse:
        """Respond with chunks of the size in the query, until the test sets `finish`."""
        self.seen.append(request.path)
        return WebResponse(200, self._chunks(int(request.query or 5)))

    async def _chunks(self, size: int) -> AsyncIterator[bytes]:
        try:
            while not self.finish.is_set():
                yield b"x" * size
                self.sent += size
                yield b""
                await asyncio.sleep(0)
                if size < 100:
                    await self.finish.wait()
        finally:
            self.closed.set()

    async def pieces(self, request: WebRequest) -> WebResponse:
        """When the test has set `finish`, read the body, and respond with the sizes of its chunks."""
        self.started.set()
        await self.finish.wait()
        sizes = [len(chunk) async for chunk in request.chunks()]
        return WebResponse(200, json.dumps(sizes).encode(), JSON)

    async def split(self, _request: WebRequest) -> WebResponse:
        """Respond with a line break in a header field, which could add another field."""
        return WebResponse(200, b"", (("X", "a\r\nSet-Cookie: b"),))


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve(moved_time: MovedTime) -> AsyncIterator[Serve]:
    """Start servers with the given options; after they have stopped, none of their tasks is left."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:

        async def make(*sockets: SocketRoute, grace: float = 0.1, host: str = "127.0.0.1", **options: Any) -> Served:
            served = Served.__new__(Served)
            paths = ("echo", "status", "slow", "stream", "pieces", "split")
            routes = [Route(METHODS, f"/{path}", getattr(served, path)) for path in paths]
            site = Site([*routes, Route(METHODS, "/echo/{name}", served.echo)], sockets)
            served.__init__(  # type: ignore[misc]  # the endpoints are its methods
                await LeanServer.start(site, host, 0, grace=grace, options=ServerOptions(**options)), moved_time
            )
            stack.push_async_callback(served.server.stop)
            return served

        yield make
    async with asyncio.timeout(20):
        while asyncio.all_tasks() - before - {asyncio.current_task()}:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.01)


@pytest.fixture
async def served(serve: Serve) -> Served:
    """A server with the default options."""
    return await serve()
