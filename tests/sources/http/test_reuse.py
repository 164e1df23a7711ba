"""When a transport writes a request, and which connections it uses again, over real sockets."""

import asyncio
import fcntl
import select
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from ports import refusing_port
from sources.raw import KEEP

from gateway.errors import GatewayError, SourceUnavailable
from gateway.sources.http.exchange import Multipart, Part, Request

WRONG = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
FORM = Multipart((Part("icon", b"x" * 300_000, "image/png", "icon"),))


def call(url: str, method: str = "GET", body: Any = None, on_write: Callable[[], None] | None = None) -> Request:
    return Request("account", method, f"{url}/x", "/x", {}, body, on_write=on_write)


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", b"{}"), ("PUT", FORM)])
async def test_written(raw: Any, transport: Any, method: str, body: Any) -> None:
    """A transport reports each request once, before its first byte, on a new and on a kept connection."""
    server, calls, received = await raw(KEEP), transport(), []
    for _ in range(3):
        await calls.send(call(server.url, method, body, lambda: received.append(len(server.requests))))
    assert (received, server.connections) == ([0, 1, 2], 1)


async def test_written_with_a_connection(raw: Any, transport: Any) -> None:
    """A request that waits for a free connection is not reported as written before it has one."""
    server, calls = await raw((b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", None)), transport(connections=1)
    written: list[str] = []
    tasks = [
        asyncio.create_task(calls.send(call(server.url, on_write=lambda name=name: written.append(name))))
        for name in ("first", "second")
    ]
    await server.received(1)
    await asyncio.sleep(0.2)
    assert written == ["first"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_not_written(transport: Any) -> None:
    """A request that gets no connection is not reported as written."""
    written: list[str] = []
    with refusing_port() as port:
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(SourceUnavailable):
            await transport().send(call(url, "PATCH", b"{}", lambda: written.append("")))
    assert written == []


def _is_on_its_way(connection: socket.socket) -> bool:
    """Whether the other end of a connection has not received all that was sent to it."""
    [unacknowledged] = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))
    return bool(unacknowledged)


class TwiceAnswering:
    """A source in a thread that responds twice to the first request of each connection, the second time a bit later."""

    def __init__(self, pause: float) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.connections = 0
        self.answered_twice = threading.Semaphore(0)
        self._pause = pause
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                connection.sendall(KEEP)
                time.sleep(self._pause)
                connection.sendall(WRONG)
                # A connection that the client has ended is readable; what it had not received is never acknowledged.
                while _is_on_its_way(connection) and not select.select([connection], [], [], 0.001)[0]:
                    pass
                self.answered_twice.release()
                while connection.recv(65536):
                    connection.sendall(KEEP)
            except OSError:
                return

    def stop(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self.socket.close()


@pytest.fixture(params=[0.0, 0.01])
def twice(request: pytest.FixtureRequest) -> Iterator[TwiceAnswering]:
    source = TwiceAnswering(request.param)
    yield source
    source.stop()


async def test_answered_twice(twice: TwiceAnswering, transport: Any) -> None:
    """A connection with a response that nobody requested is not used again, even if the event loop has not read it."""
    calls = transport()
    bodies = []
    for _ in range(5):
        bodies.append((await calls.send(call(twice.url))).body)
        assert twice.answered_twice.acquire(timeout=30)  # the event loop is too busy to read what arrives meanwhile
    assert bodies == [b"{}"] * 5
    assert twice.connections == 5
    await calls.aclose()


async def test_answered_twice_to_waiting_calls(twice: TwiceAnswering, transport: Any) -> None:
    """A connection that a waiting call gets from another one is checked as well."""
    calls = transport(connections=1)

    async def one() -> bytes:
        body: bytes = (await calls.send(call(twice.url))).body
        assert twice.answered_twice.acquire(timeout=30)  # as above
        return body

    results = await asyncio.gather(*(one() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(result, GatewayError) or result == b"{}" for result in results), results
    await calls.aclose()


async def test_changed_request_is_the_same(raw: Any, transport: Any) -> None:
    """A copy of a request, as the steps make it, is sent like the request."""
    server = await raw(KEEP)
    request = call(server.url, "PATCH", b"{}")
    for sent in (request, replace(request, on_write=lambda: None)):
        await transport().send(sent)
    assert server.requests[0] == server.requests[1]
