"""Forms whose content is somewhere else: read while they are sent, by each transport over real sockets."""

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
from sources.raw import KEEP, read_request

from gateway.errors import Outcome, SourceTimeout, SourceUnavailable
from gateway.kit.blob import Blob, BlobWriter
from gateway.sources.http.exchange import Content, Multipart, Part, Request

CHUNK = b"x" * 65_536
LARGE = 1_024  # chunks: more than all the sockets' buffers take
TOO_LARGE = KEEP.replace(b"200 OK", b"413 Too Large")


@dataclass
class Counted:
    """Content that counts how many chunks of it were read; after so many of them its file breaks."""

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


class Stubborn:
    """A server that reads a call's head, and the rest of it when it is told to."""

    def __init__(self, answer: bytes = b"") -> None:
        self.answer = answer
        self.heard = asyncio.Event()
        self.listens = asyncio.Event()
        self.body = 0
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        left = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        self.heard.set()
        writer.write(self.answer)
        waiting = asyncio.ensure_future(self.listens.wait())
        try:
            await waiting
            while left and (read := await reader.read(65_536)):
                self.body += len(read)
                left -= len(read)
            if not left and not self.answer:
                writer.write(KEEP)
        except ConnectionError:
            pass
        finally:
            self.ended.set()
            writer.close()


@pytest.fixture
async def stubborn() -> AsyncIterator[Callable[..., Awaitable[tuple[str, Stubborn]]]]:
    """Starts such a server."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(answer: bytes = b"") -> tuple[str, Stubborn]:
            behaviour = Stubborn(answer)
            server = await asyncio.start_server(behaviour.serve, "127.0.0.1", 0)

            async def stop() -> None:
                behaviour.listens.set()
                server.close()
                if behaviour.heard.is_set():
                    async with asyncio.timeout(10):
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
async def test_the_same_on_the_wire(raw: Any, transport: Any, size: int) -> None:
    """Content from elsewhere is sent as bytes are, with a length; and again when it is sent again."""
    server = await raw(KEEP)
    calls, content = transport(), os.urandom(size)
    streamed = put(server.url, blob(content))
    for one in (put(server.url, content), streamed, streamed):
        assert (await calls.send(one)).status == 200
    as_bytes, first, second = [without_boundary(*request) for request in server.requests]
    assert as_bytes == first == second
    assert content in as_bytes[1]
    assert as_bytes[0].lower().count(b"content-type:") == 1
    assert server.connections == 1


async def test_read_as_it_is_taken(stubborn: Any, transport: Any) -> None:
    """Where the source reads slowly, no more is read than the sockets hold; in the end all of it has arrived."""
    url, server = await stubborn()
    content = Counted()
    sending = asyncio.create_task(transport().send(put(url, content)))
    await server.heard.wait()
    before = -1
    while content.read != before:  # until it waits
        before = content.read
        await asyncio.sleep(0.1)
    assert 0 < content.read < LARGE / 2
    server.listens.set()
    assert (await sending).status == 200
    assert content.read == LARGE
    assert server.body > content.size


async def test_answered_before_the_end(stubborn: Any, transport: Any) -> None:
    """An answer that comes before all was sent is the answer, and the rest is not read for it any more."""
    url, _ = await stubborn(TOO_LARGE)
    content = Counted()
    calls = transport(connections=1)
    assert (await calls.send(put(url, content))).status == 413
    await calls.aclose()
    read = content.read
    assert read < LARGE
    await asyncio.sleep(0.05)
    assert content.read == read


async def test_left_in_the_middle(stubborn: Any, transport: Any) -> None:
    """A call that its caller leaves while it is sent ends there, and the source sees that it does."""
    url, server = await stubborn()
    content = Counted()
    sending = asyncio.create_task(transport().send(put(url, content)))
    await server.heard.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    server.listens.set()
    async with asyncio.timeout(10):
        await server.ended.wait()
    assert server.body < content.size
    assert content.read < LARGE


async def test_not_sent_in_time(stubborn: Any, transport: Any) -> None:
    """A source that does not take all of a change in time may have taken enough of it."""
    url, _ = await stubborn()
    with pytest.raises(SourceTimeout) as caught:
        await transport(total=0.3).send(put(url, Counted()))
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("breaks", [0, 1, LARGE - 1])
async def test_a_file_that_breaks(stubborn: Any, transport: Any, breaks: int) -> None:
    """Content that cannot be read to its end ends the call in our words, and its connection with it."""
    url, server = await stubborn()
    server.listens.set()
    with pytest.raises(SourceUnavailable) as caught:
        await transport().send(put(url, Counted(breaks=breaks)))
    assert caught.value.outcome is Outcome.UNKNOWN
    async with asyncio.timeout(10):
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
    """The same through TLS, which has buffers of its own."""
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(*certificate)
    received: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(len((await read_request(reader))[1]))
        writer.write(KEEP)
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=own)
    async with server:
        calls = transport(tls=ssl.create_default_context(cafile=str(certificate[0])))
        content = Counted(chunks_of_it=200)
        port = server.sockets[0].getsockname()[1]
        assert (await calls.send(put(f"https://localhost:{port}/", content))).status == 200
        await calls.aclose()
    assert received[0] > content.size
    assert content.read == 200
