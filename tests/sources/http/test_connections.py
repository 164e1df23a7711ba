"""How each transport keeps, closes, limits and secures its connections, over real sockets."""

import asyncio
import contextlib
import gc
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from moved_time import UNLIMITED, MovedTime
from ports import refusing_port
from sources.raw import KEEP, KeepOpen, read_request

from gateway.errors import Outcome, SourceError, SourceInvalidResponse, SourceTimeout, SourceUnavailable
from gateway.sources.http.exchange import Multipart, Part, Request

OK = b"HTTP/1.1 200 OK\r\n"
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def call(url: str, method: str = "GET", body: bytes | Multipart | None = None) -> Request:
    return Request("account", method, url, "/x", {"Content-Type": "application/json"}, body)


def form(size: int) -> Multipart:
    return Multipart((Part("icon", b"x" * size, "image/png", "icon"),))


@pytest.fixture
async def served() -> AsyncIterator[Callable[..., Awaitable[int]]]:
    """A function that starts a server with a handler for connections, and returns its port."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(handle: Handle, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> int:
            running: set[asyncio.Task[None]] = set()

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.current_task()
                assert task is not None
                running.add(task)
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await handle(reader, writer)
                writer.transport.abort()
                running.discard(task)

            server = await asyncio.start_server(serve, host, 0, ssl=tls)

            async def stop() -> None:
                server.close()
                for task in list(running):
                    task.cancel()
                if running:
                    await asyncio.wait(running)
                await server.wait_closed()

            stack.push_async_callback(stop)
            return server.sockets[0].getsockname()[1]

        yield start


async def read_head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Respond to every request."""
    while True:
        await read_head(reader)
        writer.write(KEEP)


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"{}"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + KEEP, b"{}"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", b""),
    ],
    ids=["chunked", "interim", "204", "304"],
)
async def test_kept(raw: Any, transport: Any, reply: bytes, body: bytes) -> None:
    """After a response whose end is known, the connection is used for the next call."""
    server = await raw(KeepOpen(reply))
    calls = transport()
    assert [(await calls.send(call(server.url))).body for _ in range(3)] == [body] * 3
    assert server.connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"\r\n{}",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
    ],
    ids=["close", "HTTP/1.0", "until the end", "HTTP/1.0 until the end"],
)
async def test_not_kept(raw: Any, transport: Any, reply: bytes) -> None:
    """A connection that the server closes with its response is not used again."""
    server = await raw(reply)
    calls = transport(connections=1)
    assert [(await calls.send(call(server.url))).body for _ in range(3)] == [b"{}"] * 3
    assert server.connections == 3


async def test_head(raw: Any, transport: Any) -> None:
    """A response to HEAD has no body, whatever its Content-Length."""
    server = await raw(KeepOpen(OK + b"Content-Length: 40\r\n\r\n"), KEEP)
    calls = transport()
    response = await calls.send(call(server.url, "HEAD"))
    assert (response.status, response.body, response.headers["content-length"]) == (200, b"", "40")
    assert (await calls.send(call(server.url))).body == b"{}"


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_closed_while_idle(served: Any, transport: Any, method: str) -> None:
    """A connection that the server closed between calls is not used, and the next call, also a change, succeeds."""
    accepted = 0
    closed = asyncio.Event()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        await read_head(reader)
        writer.write(KEEP)
        writer.write_eof()
        await reader.read()  # until the client has noticed the end of the connection, and closed it as well
        closed.set()

    url = f"http://127.0.0.1:{await served(once)}/"
    calls = transport()
    for _ in range(2):
        closed.clear()
        assert (await calls.send(call(url, method))).status == 200
        async with asyncio.timeout(30):
            await closed.wait()
    assert accepted == 2


async def test_closed_when_unused(served: Any, transport: Any) -> None:
    """A connection that is not used is closed after a while."""
    ended = asyncio.Event()

    async def watched(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(KEEP)
        assert await reader.read() == b""
        ended.set()

    calls = transport(keep_alive=0.05)
    await calls.send(call(f"http://127.0.0.1:{await served(watched)}/"))
    async with asyncio.timeout(30):
        await ended.wait()


async def test_bytes_after_a_response(raw: Any, transport: Any) -> None:
    """Bytes after a response are no response to the next call, and the connection is not used again."""
    server = await raw(KeepOpen(KEEP + OK + b"Content-Length: 5\r\n\r\nwrong"))
    calls = transport()
    for _ in range(3):
        assert (await calls.send(call(server.url))).body == b"{}"
    assert server.connections == 3


async def test_cancelled_call(served: Any, transport: Any) -> None:
    """A call that is cancelled closes its connection, so its late response is given to no other call."""
    requested, ended = asyncio.Event(), asyncio.Event()
    first = True

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal first
        if not first:
            await polite(reader, writer)
        first = False
        await read_head(reader)
        writer.write(OK + b"Content-Length: 40\r\n\r\nhalf")
        requested.set()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        ended.set()

    url = f"http://127.0.0.1:{await served(slow)}/"
    calls = transport(connections=1)
    leaving = asyncio.create_task(calls.send(call(url)))
    await requested.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    async with asyncio.timeout(30):
        await ended.wait()
    assert (await calls.send(call(url))).body == b"{}"


async def test_cancelled_while_waiting(served: Any, transport: Any) -> None:
    """Calls that are cancelled while they wait for a connection do not take one, and the others get theirs."""
    connected, go = asyncio.Semaphore(0), asyncio.Event()

    async def waiting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        connected.release()
        while True:
            await go.wait()
            writer.write(KEEP)
            await read_head(reader)

    url = f"http://127.0.0.1:{await served(waiting)}/"
    calls = transport(connections=2)
    tasks = [asyncio.create_task(calls.send(call(url))) for _ in range(20)]
    for _ in range(2):
        await connected.acquire()
    for task in tasks[1:20:2]:
        task.cancel()
    go.set()
    responses = await asyncio.gather(*tasks, return_exceptions=True)
    assert [getattr(response, "body", None) for response in responses] == [b"{}", None] * 10
    assert (await calls.send(call(url))).body == b"{}"


async def test_cancelled_while_connecting(transport: Any) -> None:
    """A connection that is opened in the moment in which its call is cancelled is closed."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        url, client = f"http://127.0.0.1:{listening.getsockname()[1]}/x", transport()
        for steps in range(12):
            for _ in range(3):
                calling = asyncio.ensure_future(client.send(call(url)))
                for _ in range(steps):
                    await asyncio.sleep(0)
                calling.cancel()
                await asyncio.wait([calling])
        await client.aclose()
        gc.collect()  # pytest reports the warnings of unclosed sockets


async def test_connection_limit(served: Any, transport: Any) -> None:
    """There are never more connections than the limit, and all calls get a response."""
    current = maximum = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal current, maximum
        current += 1
        maximum = max(maximum, current)
        try:
            for _ in range(10):  # then it closes, and a new connection is opened instead
                await read_head(reader)
                await asyncio.sleep(0)
                writer.write(KEEP if _ < 9 else KEEP.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
            await writer.drain()
        finally:
            current -= 1

    url = f"http://127.0.0.1:{await served(counted)}/"
    calls = transport(connections=3)
    responses = await asyncio.gather(*(calls.send(call(url)) for _ in range(200)))
    assert {response.body for response in responses} == {b"{}"}
    assert maximum == 3


async def test_refused_while_waiting(transport: Any) -> None:
    """If a host cannot be reached, no call is left waiting."""
    with refusing_port() as port:
        calls = transport(connections=1)
        url = f"http://127.0.0.1:{port}/"
        responses = await asyncio.gather(*(calls.send(call(url)) for _ in range(5)), return_exceptions=True)
    assert [type(response) for response in responses] == [SourceUnavailable] * 5


async def test_closing_during_calls(raw: Any, transport: Any) -> None:
    """Closing the transport ends the calls under way and those that wait."""
    server = await raw(None)
    calls = transport(connections=1)
    under_way = [asyncio.create_task(calls.send(call(server.url, "PUT", b"{}"))) for _ in range(2)]
    await server.received(1)
    await calls.aclose()
    async with asyncio.timeout(30):
        first, second = await asyncio.gather(*under_way, return_exceptions=True)
    assert isinstance(first, SourceUnavailable)
    assert first.outcome is Outcome.UNKNOWN
    assert isinstance(second, SourceUnavailable | asyncio.CancelledError)


async def test_early_response(served: Any, transport: Any) -> None:
    """A response before the end of the request is returned, and the connection is not used again."""
    accepted = 0

    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        await read_head(reader)
        if accepted == 1:
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")
            await asyncio.sleep(0.3)  # closing at once would be a reset, which can overtake the response
            while await reader.read(65536):
                pass
        else:
            writer.write(KEEP)

    url = f"http://127.0.0.1:{await served(hasty)}/"
    calls = transport()
    assert (await calls.send(call(url, "PUT", form(20_000_000)))).status == 413
    assert (await calls.send(call(url))).status == 200
    assert accepted == 2


async def test_a_large_change(served: Any, transport: Any) -> None:
    """A body of megabytes arrives complete, and its connection is used again."""
    received: list[int] = []

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            received.append((await read_request(reader))[1].count(b"x"))
            writer.write(KEEP)

    url = f"http://127.0.0.1:{await served(counting)}/"
    calls = transport()
    for _ in range(2):
        assert (await calls.send(call(url, "PUT", form(5_000_000)))).status == 200
    assert received == [5_000_000] * 2


async def test_read_timeout(served: Any, transport: Any, moved_time: MovedTime) -> None:
    """The read timeout starts again with each read: a response may take longer in all."""
    piece = b"x" * 10_000_000  # more than the buffers of the sockets hold: the client has read some when it is written

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(0)
        await read_head(reader)
        writer.write(OK + b"Content-Length: %d\r\n\r\n" % (3 * len(piece)))
        for _ in range(3):
            writer.write(piece)
            await writer.drain()
            moved_time.move(600)

    calls = transport(**UNLIMITED | {"read": 1_000})
    assert (await calls.send(call(f"http://127.0.0.1:{await served(slow)}/"))).body == piece * 3


async def test_timeout_of_each_call(served: Any, transport: Any, moved_time: MovedTime) -> None:
    """The timeout of a call starts with it, whatever happened on its connection before."""
    replies = 0

    async def slower(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal replies
        while True:
            await read_head(reader)
            replies += 1
            for _ in range(5):  # a timer that fires late fires once more
                moved_time.move(100 if replies < 4 else 1_000)
                await asyncio.sleep(0)
            if replies < 4:
                writer.write(KEEP)

    calls = transport(**UNLIMITED | {"total": 1_300})
    url = f"http://127.0.0.1:{await served(slower)}/"
    for _ in range(3):
        assert (await calls.send(call(url))).status == 200
    with pytest.raises(SourceTimeout):
        await calls.send(call(url))


async def test_no_proxy(raw: Any, transport: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is not used, because calls carry credentials."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server = await raw(KEEP)
    assert (await transport().send(call(server.url))).status == 200


async def test_ipv6(served: Any, transport: Any) -> None:
    """An IPv6 address can be the host, and is in brackets in the header Host."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    hosts: list[bytes] = []

    async def record_host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hosts.extend(line for line in (await read_head(reader)).split(b"\r\n") if line.startswith(b"Host: "))
        writer.write(KEEP)

    try:
        port = await served(record_host, "::1")
    except OSError:
        pytest.skip("no IPv6 loopback here")
    assert (await transport().send(call(f"http://[::1]:{port}/"))).status == 200
    assert hosts == [b"Host: [::1]:%d" % port]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a certificate for `localhost` that is not trusted by default."""
    folder = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(folder / "key.pem")]
    command = ["openssl", "req", "-x509", *key, *names, "-out", str(folder / "cert.pem"), "-days", "2"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
async def secured(served: Any, authority: Path) -> tuple[int, list[str | None]]:
    """A server with TLS: its port, and the host names that clients sent in the handshake."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    return await served(polite, tls=context), names


def trusting(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority / "cert.pem"))


async def test_tls(secured: tuple[int, list[str | None]], authority: Path, transport: Any) -> None:
    """A server with a trusted certificate is called by its name, on one connection."""
    port, names = secured
    calls = transport(tls=trusting(authority))
    for _ in range(3):
        assert (await calls.send(call(f"https://localhost:{port}/", "PUT", b""))).body == b"{}"
    assert names == ["localhost"]


async def test_tls_with_many_bytes(served: Any, authority: Path, transport: Any) -> None:
    """A body of megabytes is sent and received through TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_head(reader)
            writer.write(OK + b"Content-Length: 9000000\r\n\r\n" + 9 * (await reader.readexactly(1_000_000)))

    port = await served(echo, tls=context)
    calls = transport(tls=trusting(authority))
    body = bytes(range(250)) * 4_000
    for _ in range(2):
        assert (await calls.send(call(f"https://localhost:{port}/", "PUT", body))).body == body * 9


@pytest.mark.filterwarnings("ignore:.*")  # of the server, when a handshake is aborted
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_untrusted_certificate(
    secured: tuple[int, list[str | None]], authority: Path, transport: Any, host: str
) -> None:
    """A server whose certificate is not trusted, or has another name, is sent nothing."""
    tls = None if host == "localhost" else trusting(authority)
    with pytest.raises(SourceUnavailable) as caught:
        await transport(tls=tls).send(call(f"https://{host}:{secured[0]}/", "PUT", b"secret"))
    assert caught.value.outcome is None


@pytest.mark.parametrize("handle", ["plain", "silent"])
async def test_server_without_tls(served: Any, transport: Any, handle: str) -> None:
    """A port without TLS is sent nothing if the URL is https."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if handle == "plain":
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        else:
            await reader.read()

    limits = {} if handle == "plain" else {"connect": 0.3}
    with pytest.raises(SourceError) as caught:
        await transport(**limits).send(call(f"https://localhost:{await served(plain)}/", "PUT", b"{}"))
    assert type(caught.value) is (SourceUnavailable if handle == "plain" else SourceTimeout)
    assert caught.value.outcome is None


async def test_incomplete_response_over_tls(served: Any, authority: Path, transport: Any) -> None:
    """An incomplete response over TLS is an error, with an unknown outcome of a change."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(OK + b"Content-Length: 40\r\n\r\nhalf")
        await writer.drain()
        await asyncio.sleep(0.05)

    change = call(f"https://localhost:{await served(half, tls=context)}/", "PUT", b"{}")
    with pytest.raises(SourceUnavailable) as caught:
        await transport(tls=trusting(authority)).send(change)
    assert caught.value.outcome is Outcome.UNKNOWN


async def test_unaccepted_coding(raw: Any, transport: Any) -> None:
    """A body in a coding that was not accepted is an invalid response."""
    server = await raw(OK + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}")
    with pytest.raises(SourceInvalidResponse):
        await transport().send(call(server.url))
