"""The wire in two forms: one in memory that answers as told, and a raw server that says any bytes."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from sources.raw import RawServer, Staying, read_request

from gateway.app.sources import build
from gateway.settings import AccountSettings, ResellerSettings, Settings, SoftwareOneSettings
from gateway.sources.http.exchange import Request, Response, Transport, TransportLimits
from gateway.sources.http.lean.transport import LeanTransport
from gateway.sources.http.transport import AiohttpTransport
from gateway.users.model import UserSource


@dataclass
class Wire:
    """A transport in memory: gives the answers in their order, the last one again and again."""

    requests: list[Request] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)

    def answer(self, body: Any = b"", status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Give this answer next; what is no bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        self.answers.append(Response(status, headers or {}, content))

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def aclose(self) -> None:
        """Nothing is open."""


@pytest.fixture
def wire() -> Wire:
    """The wire, in memory."""
    return Wire()


@pytest.fixture
def settings() -> Settings:
    """Three configured systems; the reseller's stands behind a path of its own."""
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
def source(wire: Wire, settings: Settings) -> Callable[..., Any]:
    """Builds a system over the wire in memory; keywords alter its settings."""

    def make(name: UserSource, **altered: Any) -> Any:
        own = getattr(settings, name.value).model_copy(update=altered)
        return build(name, settings.model_copy(update={name.value: own}), wire.send)

    return make


@pytest.fixture
def variants() -> Callable[..., Iterator[tuple[str, Any]]]:
    """Every copy of a document in which one field is missing, or has another value."""

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
    """Starts raw servers.

    Each gives its replies in their order, the last one again and again: bytes, after which it hangs up unless they
    are `Staying`; no bytes, to hang up at once; None, to never answer; a pair of bytes and None, to never end.
    """
    async with contextlib.AsyncExitStack() as stack:

        async def start(*replies: Any) -> RawServer:
            found = RawServer("", [])
            over = asyncio.Event()

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                found.connections += 1
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    while True:
                        found.requests.append(await read_request(reader))
                        reply = replies[min(len(found.requests), len(replies)) - 1]
                        said, stalls = reply if isinstance(reply, tuple) else (reply, reply)
                        writer.write(said or b"")
                        await writer.drain()
                        if stalls is None:
                            await over.wait()
                        if not isinstance(reply, Staying):
                            break
                writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)

            async def stop() -> None:
                over.set()
                server.close()
                await server.wait_closed()
                await asyncio.sleep(0)

            stack.push_async_callback(stop)
            found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            return found

        yield start


@pytest.fixture(params=[AiohttpTransport, LeanTransport], ids=["aiohttp", "lean"])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Transport]]:
    """Makes each of the real transports with these limits."""
    async with contextlib.AsyncExitStack() as stack:

        def make(*, tls: ssl.SSLContext | None = None, **limits: Any) -> Transport:
            made = request.param(TransportLimits(**limits), tls=tls)
            stack.push_async_callback(made.aclose)
            return made

        yield make
