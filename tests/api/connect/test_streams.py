"""WatchUsers by Connect: the framing of its stream, its end, and the clients that leave."""

import asyncio
import gzip
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, web
from connect_client import status_of_json
from google.protobuf import json_format

from gateway import Gateway
from gateway.api.grpc.errors import RpcCode
from gateway.api.web import aiohttp_messages
from gateway.principal import Principal
from gateway.testing import Sandbox
from usergateway.v1 import users_pb2

ADA = "acus_adalovelace1"


def framed(message: bytes, flags: int = 0) -> bytes:
    """Return a message in its envelope."""
    return struct.pack(">BI", flags, len(message)) + message


@dataclass
class Stream:
    """A stream that has begun, and the end of one that has ended."""

    response: ClientResponse
    is_json: bool
    end: dict[str, Any] = field(default_factory=dict)

    async def read(self) -> Any:
        """Return the next event; None at the end of the stream, which is in `end` then."""
        content = self.response.content
        flags, size = struct.unpack(">BI", await content.readexactly(5))
        data = await content.readexactly(size)
        if flags & 1:
            data = gzip.decompress(data)
        if flags & 2:
            assert await content.read() == b""
            self.end = json.loads(data)
            return None
        if self.is_json:
            return json_format.Parse(data, users_pb2.UserEvent())
        return users_pb2.UserEvent.FromString(data)


@asynccontextmanager
async def watching(
    world: Any, body: bytes | None = None, *, is_json: bool = True, **sent: str
) -> AsyncIterator[Stream]:
    """Watch users; `body` is the whole request."""
    headers = {"Content-Type": f"application/connect+{'json' if is_json else 'proto'}"}
    headers |= {name.replace("_", "-"): value for name, value in sent.items()}
    body = framed(b"{}" if is_json else b"") if body is None else body
    async with world.client.session.post(world.client.path("WatchUsers"), data=body, headers=headers) as response:
        assert response.content_type == headers["Content-Type"]
        assert response.status == 200
        yield Stream(response, is_json)


async def rename(world: Any, name: str) -> None:
    """Change the name of a user, which is an event."""
    result = await world.client.call("UpdateAccountUser", id=ADA, user={"name": name})
    assert result.failure is None


@pytest.mark.parametrize("is_json", [False, True])
async def test_events(world: Any, *, is_json: bool) -> None:
    """Events are sent in envelopes; the token of the header and that of an event continue the stream."""
    async with watching(world, is_json=is_json) as stream:
        start = stream.response.headers["usergateway-resume-token"]
        assert len(stream.response.headers.getall("X-Request-ID")) == 1
        await rename(world, "Ada 1")
        first = await stream.read()
        assert (first.user.name, first.change) == ("Ada 1", users_pb2.USER_CHANGE_UPDATED)
    await rename(world, "Ada 2")
    for token, names in ((first.resume_token, ["Ada 2"]), (start, ["Ada 1", "Ada 2"])):
        request = users_pb2.WatchUsersRequest(resume_token=token)
        body = json_format.MessageToJson(request).encode() if is_json else request.SerializeToString()
        async with watching(world, framed(body), is_json=is_json) as stream:
            assert [(await stream.read()).user.name for _ in names] == names


async def test_the_end_of_a_drained_stream(world: Any) -> None:
    """A stream of a gateway that stops ends with the reason and the trailers, and later ones are refused."""
    async with watching(world) as stream:
        await world.gateway.drain()
        assert await stream.read() is None
        status = status_of_json(stream.end["error"])
        assert (status.code, status.message) == (
            RpcCode.UNAVAILABLE,
            "This server is stopping. Connect again and resume.",
        )
        assert stream.end["metadata"]["x-request-id"] == [stream.response.headers["X-Request-ID"]]
    async with watching(world) as stream:
        assert await stream.read() is None
        assert stream.end["error"]["code"] == "unavailable"
    await ended(world, 2)
    assert [(report.kind, report.status, report.http_status) for report in world.reports] == [
        ("stream", "UNAVAILABLE", 200),
        ("stream", "UNAVAILABLE", 200),
    ]


REFUSED: list[tuple[Any, ...]] = [
    (b"", {}, "unimplemented"),
    (framed(b"{}") + framed(b"{}"), {}, "unimplemented"),
    (framed(b"{}")[:3], {}, "invalid_argument"),
    (framed(b"{}")[:-1], {}, "invalid_argument"),
    (framed(b"{}", 2), {}, "invalid_argument"),
    (framed(b"{}", 1), {}, "internal"),
    (framed(b"{}", 1), {"Connect_Content_Encoding": "identity"}, "internal"),
    (framed(b"{}", 1), {"Connect_Content_Encoding": "gzip"}, "invalid_argument"),
    (framed(gzip.compress(b" " * 5_000_000), 1), {"Connect_Content_Encoding": "gzip"}, "resource_exhausted"),
    (framed(b"{}"), {"Connect_Content_Encoding": "snappy"}, "unimplemented"),
    (framed(b"{"), {}, "invalid_argument"),
    (framed(b'{"ids": ["x"]}'), {}, "invalid_argument"),
    (framed(b'{"resumeToken": "x"}'), {}, "invalid_argument"),
    (framed(b"{}"), {"Connect_Timeout_Ms": "1e3"}, "invalid_argument"),
]


async def test_refused_streams(world: Any) -> None:
    """A stream that is refused has the status 200, and its error at its end, as Connect states it."""
    for body, sent, code in REFUSED:
        async with watching(world, body, **sent) as stream:
            assert await stream.read() is None
            assert stream.end["error"]["code"] == code, (body, sent)


async def test_the_size_of_a_request(world: Any) -> None:
    """The message may have so many bytes, in addition to its envelope."""
    longest = 512 * 1024
    for size, message in ((longest, "is not the id of an event"), (longest + 1, f"may have {longest} bytes at most")):
        request = users_pb2.WatchUsersRequest(resume_token="x" * (size - 4))  # 4: its tag and its length
        async with watching(world, framed(request.SerializeToString()), is_json=False) as stream:
            assert await stream.read() is None
            assert message in stream.end["error"]["message"]


async def test_compressed_events(world: Any) -> None:
    """A compressed request is read; a large event is compressed for a client that accepts it."""
    sent = {"Connect_Content_Encoding": "gzip", "Connect_Accept_Encoding": "gzip"}
    async with watching(world, framed(gzip.compress(b"{}"), 1), **sent) as stream:
        assert stream.response.headers["Connect-Content-Encoding"] == "gzip"
        await rename(world, "A" * 200)
        head = await stream.response.content.readexactly(5)
        data = gzip.decompress(await stream.response.content.readexactly(int.from_bytes(head[1:])))
        assert (head[0], json.loads(data)["user"]["name"]) == (1, "A" * 200)


async def test_a_deadline(world: Any) -> None:
    """A stream ends at the deadline of its client."""
    async with watching(world, Connect_Timeout_Ms="150") as stream:
        assert await stream.read() is None
        assert stream.end["error"]["code"] == "deadline_exceeded"


async def test_a_client_that_leaves(open_world: Any) -> None:
    """The subscription of a client that leaves ends, and its place among the open calls is free."""

    async def authenticate(_connection: Any) -> Principal:
        return Principal("reader", frozenset({"users:read"}))

    async with open_world(authenticate, grpc_calls_each=1) as world:
        endpoint = world.gateway._parts.connect
        async with watching(world) as stream:
            assert endpoint._endpoint._admission.open_calls._number == 1
            async with watching(world) as second:
                assert await second.read() is None
                assert second.end["error"]["code"] == "resource_exhausted"
            stream.response.close()
        await ended(world, 2)
        assert endpoint._endpoint._admission.open_calls._number == 0
        assert not endpoint._endpoint._watching._subscriptions._open
        assert {report.status for report in world.reports} == {499, "RESOURCE_EXHAUSTED"}


async def test_a_client_that_leaves_a_mounted_application(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream without events ends after its client, also where aiohttp does not cancel what handles a request."""
    monkeypatch.setattr(aiohttp_messages, "_CHECK_INTERVAL", 0.02)
    async with Sandbox() as sandbox, Gateway(sandbox.settings(grpc_port=None)) as gateway:
        runner = web.AppRunner(gateway.aiohttp_app())  # `handler_cancellation` is False by default
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/usergateway.v1.UserService/WatchUsers"
        headers = {"Content-Type": "application/connect+json"}
        async with ClientSession() as session, session.post(url, data=framed(b"{}"), headers=headers) as response:
            assert response.headers["usergateway-resume-token"]
            open_calls = gateway._parts.connect._endpoint._admission.open_calls
            assert open_calls._number == 1
        async with asyncio.timeout(20):
            while open_calls._number:  # noqa: ASYNC110 - no event shows it
                await asyncio.sleep(0.01)
        await runner.cleanup()


async def test_a_revoked_credential(open_world: Any) -> None:
    """The stream of a caller that is revoked ends."""

    async def authenticate(_connection: Any) -> Principal:
        return Principal("reader", frozenset({"users:read"}))

    async with open_world(authenticate) as world, watching(world) as stream:
        world.gateway.revoke("reader")
        assert await stream.read() is None
        assert stream.end["error"]["code"] == "unauthenticated"


async def ended(world: Any, count: int) -> None:
    """Wait until so many requests have ended."""
    async with asyncio.timeout(20):
        while len(world.reports) < count:
            await asyncio.sleep(0.01)
            world.gateway._telemetry.flush()
