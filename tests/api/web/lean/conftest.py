"""A lean server in this process, on a real socket, and clients that send exactly the bytes that a test wants."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.api.web.http import Malformed, Route, SocketRoute, TooLarge, WebRequest, WebResponse
from gateway.api.web.lean.options import ServerOptions
from gateway.api.web.lean.server import LeanServer
from gateway.api.web.site import Site

METHODS = ("GET", "POST", "OPTIONS")
JSON = (("Content-Type", "application/json"),)


@dataclass
class Answer:
    """What a server has answered: status, header fields by lower-case names, and a body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """A client's side of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, *data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(b"".join(data))

    def ask(self, method: str = "GET", target: str = "/echo", body: bytes = b"", **headers: str) -> None:
        """Send a whole request."""
        named = {"Host": "x"} | {name.replace("_", "-"): value for name, value in headers.items()}
        if body:
            named["Content-Length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        self.send(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode(), body)

    async def answer(self, *, bodiless: bool = False) -> Answer:
        """The next answer."""
        async with asyncio.timeout(5):
            top = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = top[:-4].split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = b""
            if "transfer-encoding" in headers:
                while size := int(await self.reader.readline(), 16):
                    body += await self.reader.readexactly(size)
                    assert await self.reader.readline() == b"\r\n"
                assert await self.reader.readline() == b"\r\n"
            elif not bodiless:
                body = await self.reader.readexactly(int(headers.get("content-length", 0)))
            return Answer(int(status.split(" ")[1]), headers, body)

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        async with asyncio.timeout(5):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


@dataclass
class Served:
    """A server and what reached its endpoints."""

    server: LeanServer
    seen: list[str] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    finish: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self.server._open)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server.address[1]}"

    @asynccontextmanager
    async def client(self, **limits: int) -> AsyncIterator[Client]:
        """A connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.address[1], **limits)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that happens soon."""
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - the other side sets no event
                await asyncio.sleep(0.005)

    async def echo(self, request: WebRequest) -> WebResponse:
        """Tell what was asked for."""
        self.seen.append(request.path)
        try:
            body = await request.read(1_000_000)
        except TooLarge:
            return WebResponse(413)
        except Malformed:
            return WebResponse(400, b"malformed")
        headers = dict(request.headers)
        told = [request.method, request.path, request.query, headers, len(body), body[:100].decode("latin-1")]
        return WebResponse(200, json.dumps(told).encode(), JSON)

    async def status(self, request: WebRequest) -> WebResponse:
        """The status that the query names, with a body, whatever is sent."""
        self.seen.append(request.path)
        return WebResponse(int(request.query), b"text")

    async def slow(self, request: WebRequest) -> WebResponse:
        """Answer when the test wants it."""
        self.seen.append(request.path)
        self.begun.set()
        try:
            await self.finish.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return WebResponse(200, b"done")

    async def stream(self, request: WebRequest) -> WebResponse:
        """Chunks of as many bytes as the query says, until the test ends them."""
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
        """How large the chunks of the body are, read one by one when the test wants it."""
        self.begun.set()
        await self.finish.wait()
        sizes = [len(chunk) async for chunk in request.chunks()]
        return WebResponse(200, json.dumps(sizes).encode(), JSON)

    async def split(self, _request: WebRequest) -> WebResponse:
        """An answer that would be two."""
        return WebResponse(200, b"", (("X", "a\r\nSet-Cookie: b"),))


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Makes servers, with options of a test's own; when they have stopped, nothing of them is left."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:

        async def make(*sockets: SocketRoute, grace: float = 0.1, host: str = "127.0.0.1", **options: Any) -> Served:
            served = Served.__new__(Served)
            paths = ("echo", "status", "slow", "stream", "pieces", "split")
            routes = [Route(METHODS, f"/{path}", getattr(served, path)) for path in paths]
            site = Site([*routes, Route(METHODS, "/echo/{name}", served.echo)], sockets)
            served.__init__(  # type: ignore[misc]  # the endpoints are its own
                await LeanServer.start(site, host, 0, grace=grace, options=ServerOptions(**options))
            )
            stack.push_async_callback(served.server.stop)
            return served

        yield make
    async with asyncio.timeout(5):
        while asyncio.all_tasks() - before - {asyncio.current_task()}:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.01)


@pytest.fixture
async def served(serve: Serve) -> Served:
    """A server with the usual options."""
    return await serve()
