"""A fake transport with fixed responses, a server that sends any bytes, and the sources and transports under test."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from sources.raw import KeepOpen, RawServer, read_request

from gateway.app.sources import build
from gateway.settings import AccountSettings, ResellerSettings, Settings, SoftwareOneSettings
from gateway.sources.http.aiohttp_transport import AiohttpTransport
from gateway.sources.http.exchange import Request, Response, Transport, TransportLimits
from gateway.sources.http.lean.transport import LeanTransport
from gateway.users.model import UserSource

UNREACHED = {"total": 60.0, "connect": 60.0, "read": 60.0, "keep_alive": 60.0}  # seconds
"""Limits of a transport whose calls succeed."""


@dataclass
class FakeTransport:
    """A transport in memory: it returns `responses` in their order, and repeats the last one."""

    requests: list[Request] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    def respond(self, body: Any = b"", status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Add a response; a body that is not bytes is encoded as JSON."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        self.responses.append(Response(status, headers or {}, content))

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        return self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]

    async def aclose(self) -> None:
        """Do nothing."""


@pytest.fixture
def fake() -> FakeTransport:
    """A transport in memory."""
    return FakeTransport()


@pytest.fixture
def settings() -> Settings:
    """Settings with three configured sources; the base URL of the reseller source has a path."""
    return Settings(
        account=AccountSettings.model_validate(
            {"base_url": "https://account.test", "token": "a-token", "account_id": "ac_1"}
        ),
        softwareone=SoftwareOneSettings.model_validate(
            {"base_url": "https://market.test/", "token": "s-token", "icon_bytes": 8}
        ),
        reseller=ResellerSettings.model_validate(
            {"base_url": "https://proxy.test/reseller", "token": "r-token", "reseller_id": "t1"}
        ),
    )


@pytest.fixture
def source(fake: FakeTransport, settings: Settings) -> Callable[..., Any]:
    """A function that builds a source over the fake transport; keyword arguments replace its settings."""

    def make(name: UserSource, **replaced: Any) -> Any:
        source_settings = getattr(settings, name.value).model_copy(update=replaced)
        return build(name, settings.model_copy(update={name.value: source_settings}), fake.send)

    return make


@pytest.fixture
def variants() -> Callable[..., Iterator[tuple[str, Any]]]:
    """A function that returns copies of a document, in each of which one field is missing or has another value."""

    def each(document: Any, replaced: Callable[[Any], Any] | None = None) -> Iterator[tuple[str, Any]]:
        for path in _paths(document):
            copy = deepcopy(document)
            holder = copy
            for step in path[:-1]:
                holder = holder[step]
            if replaced is None:
                del holder[path[-1]]
            else:
                holder[path[-1]] = replaced(holder[path[-1]])
            yield ".".join(map(str, path)), copy

    return each


def _paths(document: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    steps = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in steps:
        if isinstance(document, dict):
            yield (*above, name)
        if isinstance(value, dict | list):
            yield from _paths(value, (*above, name))


@pytest.fixture
async def raw() -> AsyncIterator[Callable[..., Awaitable[RawServer]]]:
    """A function that starts a server with these replies, which it sends in their order, repeating the last one.

    A reply is bytes, after which the server closes the connection unless they are `KeepOpen`; empty bytes, to close it
    at once; None, to never respond; or a pair of bytes and None, to send the bytes and never continue.
    """
    async with contextlib.AsyncExitStack() as stack:

        async def start(*replies: Any) -> RawServer:
            raw_server = RawServer("", [])
            stopped = asyncio.Event()

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                raw_server.connections += 1
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    while True:
                        request = await read_request(reader)
                        async with raw_server.arrivals:
                            raw_server.requests.append(request)
                            raw_server.arrivals.notify_all()
                        reply = replies[min(len(raw_server.requests), len(replies)) - 1]
                        content, end = reply if isinstance(reply, tuple) else (reply, reply)
                        writer.write(content or b"")
                        await writer.drain()
                        if end is None:
                            raw_server.on_silence()
                            await stopped.wait()
                        if not isinstance(reply, KeepOpen):
                            break
                writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)

            async def stop() -> None:
                stopped.set()
                server.close()
                await server.wait_closed()
                await asyncio.sleep(0)

            stack.push_async_callback(stop)
            raw_server.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            return raw_server

        yield start


@pytest.fixture(params=[AiohttpTransport, LeanTransport], ids=["aiohttp", "lean"])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Transport]]:
    """A function that makes a real transport with these limits; tests run once with each.

    The other limits are longer than anything takes.
    """
    async with contextlib.AsyncExitStack() as stack:

        def make(*, tls: ssl.SSLContext | None = None, **limits: Any) -> Transport:
            made = request.param(TransportLimits(**UNREACHED | limits), tls=tls)
            stack.push_async_callback(made.aclose)
            return made

        yield make
