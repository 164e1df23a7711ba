"""Forms whose content is not in memory: each transport reads it while it sends, over real sockets."""

import asyncio
import contextlib
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moved_time import UNLIMITED, MovedTime
from sources.raw import KEEP, read_request

from gateway.errors import Outcome, SourceTimeout, SourceUnavailable
from gateway.kit.blob import Blob, BlobWriter
from gateway.sources.http.exchange import Content, Multipart, Part, Request

CHUNK = b"x" * 65_536
LARGE = 1_024  # chunks: more than the buffers of the sockets hold
TOO_LARGE = KEEP.replace(b"200 OK", b"413 Too Large")


@dataclass
class CountedContent:
    """Content that counts the chunks that were read, and raises an error after `breaks` of them."""

    chunks_of_it: int = LARGE
    breaks: int = LARGE + 1
    read: int = 0
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.chunks_of_it * len(CHUNK)

    def chunks(self) -> Iterator[bytes]:
        for number in range(self.chunks_of_it):
            if number == self.breaks:
                raise OSError("the disk is gone")
            self.read += 1
            yield CHUNK


class SlowReader:
    """A server that reads the head of a request, and its body once `may_read` is set."""

    def __init__(self, reply: bytes = b"") -> None:
        self.reply = reply
        self.head_received = asyncio.Event()
        self.may_read = asyncio.Event()
        self.body = 0
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        left = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        self.head_received.set()
        writer.write(self.reply)
        waiting = asyncio.ensure_future(self.may_read.wait())
        try:
            await waiting
            while left and (read := await reader.read(65_536)):
                self.body += len(read)
                left -= len(read)
            if not left and not self.reply:
                writer.write(KEEP)
        except ConnectionError:
            pass
        finally:
            self.ended.set()
            writer.close()


@pytest.fixture
async def slow_reader() -> AsyncIterator[Callable[..., Awaitable[tuple[str, SlowReader]]]]:
    """Starts such a server."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(reply: bytes = b"") -> tuple[str, SlowReader]:
            behaviour = SlowReader(reply)
            server = await asyncio.start_server(behaviour.serve, "127.0.0.1", 0)

            async def stop() -> None:
                behaviour.may_read.set()
                server.close()
                if behaviour.head_received.is_set():
                    async with asyncio.timeout(30):
                        await behaviour.ended.wait()
                await server.wait_closed()
                await asyncio.sleep(0)

            stack.push_async_callback(stop)
            return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", behaviour

        yield start


def put(url: str, content: bytes | Content) -> Request:
    parts = (Part("icon", content, "image/png", "a.png"), Part("user", b"{}", "application/json"))
    return Request("softwareone", "PUT", url, "/x", {"content-type": "application/json"}, Multipart(parts))


def blob(content: bytes) -> Blob:
    writer = BlobWriter()
    writer.write(content)
    return writer.close()


def without_boundary(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    boundary = head.split(b"boundary=")[1].split(b"\r\n")[0]
    return head.split(b"\r\n\r\n")[0].replace(boundary, b"B"), body.replace(boundary, b"B")


@pytest.mark.parametrize("size", [0, 1, 65_536, 300_000])
async def test_same_bytes(raw: Any, transport: Any, size: int) -> None:
    """Content from a file is sent with a length and the same bytes as content in memory, also a second time."""
    server = await raw(KEEP)
    calls, content = transport(), os.urandom(size)
    streamed = put(server.url, blob(content))
    for request in (put(server.url, content), streamed, streamed):
        assert (await calls.send(request)).status == 200
    as_bytes, first, second = [without_boundary(*request) for request in server.requests]
    assert as_bytes == first == second
    assert content in as_bytes[1]
    assert as_bytes[0].lower().count(b"content-type:") == 1
    assert server.connections == 1


async def test_slow_source(slow_reader: Any, transport: Any) -> None:
    """While a source reads slowly, no more content is read than fits the buffers; in the end all of it arrives."""
    url, server = await slow_reader()
    content = CountedContent()
    sending = asyncio.create_task(transport().send(put(url, content)))
    await server.head_received.wait()
    before = -1
    while not content.read or content.read != before:  # until it pauses
        before = content.read
        await asyncio.sleep(0.1)
    assert 0 < content.read < LARGE / 2
    server.may_read.set()
    assert (await sending).status == 200
    assert content.read == LARGE
    assert server.body > content.size


async def test_early_response(slow_reader: Any, transport: Any) -> None:
    """A response before the end of the request is returned, and the rest of the content is not read."""
    url, _ = await slow_reader(TOO_LARGE)
    content = CountedContent()
    calls = transport(connections=1)
    assert (await calls.send(put(url, content))).status == 413
    await calls.aclose()
    read = content.read
    assert read < LARGE
    await asyncio.sleep(0.05)
    assert content.read == read


async def test_cancelled(slow_reader: Any, transport: Any) -> None:
    """A call that is cancelled while it is sent ends at once, and the source sees the connection close."""
    url, server = await slow_reader()
    content = CountedContent()
    sending = asyncio.create_task(transport().send(put(url, content)))
    await server.head_received.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    server.may_read.set()
    async with asyncio.timeout(30):
        await server.ended.wait()
    assert server.body < content.size
    assert content.read < LARGE


async def test_sending_times_out(slow_reader: Any, transport: Any, moved_time: MovedTime) -> None:
    """If a source does not read all of a change in time, the outcome is unknown."""
    url, server = await slow_reader()
    sending = asyncio.create_task(transport(**UNLIMITED | {"total": 300}).send(put(url, CountedContent())))
    await server.head_received.wait()
    await moved_time.expire(sending)
    with pytest.raises(SourceTimeout) as caught:
        await sending
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("breaks", [0, 1, LARGE - 1])
async def test_unreadable_content(slow_reader: Any, transport: Any, breaks: int) -> None:
    """Content that cannot be read to its end fails the call with an error of the gateway, and closes the connection."""
    url, server = await slow_reader()
    server.may_read.set()
    with pytest.raises(SourceUnavailable) as caught:
        await transport().send(put(url, CountedContent(breaks=breaks)))
    assert caught.value.outcome is Outcome.UNKNOWN
    async with asyncio.timeout(30):
        await server.ended.wait()
    assert server.body < LARGE * len(CHUNK)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of `localhost` and its key."""
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command = ["openssl", "req", "-x509", *kind, "-keyout", str(key), *names, "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


async def test_over_tls(transport: Any, certificate: tuple[Path, Path]) -> None:
    """The same works through TLS, which has additional buffers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    received: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(len((await read_request(reader))[1]))
        writer.write(KEEP)
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        calls = transport(tls=ssl.create_default_context(cafile=str(certificate[0])))
        content = CountedContent(chunks_of_it=200)
        port = server.sockets[0].getsockname()[1]
        assert (await calls.send(put(f"https://localhost:{port}/", content))).status == 200
        await calls.aclose()
    assert received[0] > content.size
    assert content.read == 200
