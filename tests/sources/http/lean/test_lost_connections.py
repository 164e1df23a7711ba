"""Connections that end at bad moments: a change that was not sent is distinguished from one that may have been."""

import asyncio
import select
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from moved_time import UNLIMITED, MovedTime
from ports import refusing_port
from sources.conftest import UNREACHED
from sources.raw import KEEP

from gateway.errors import Outcome, SourceTimeout, SourceUnavailable
from gateway.sources.http.exchange import Request, TransportLimits
from gateway.sources.http.lean.connection import ClientConnection
from gateway.sources.http.lean.transport import LeanTransport

LINGER_ZERO = struct.pack("ii", 1, 0)  # SO_LINGER of 0 seconds: closing sends a RST


class ThreadedServer:
    """A server in a thread, so that it acts while the event loop is busy; it sends one response on each connection."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(30)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        self.accepted: list[socket.socket] = []
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        for _ in range(2):
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            self.accepted.append(connection)
            connection.recv(65536)
            connection.sendall(KEEP)

    def close_first(self, lean: LeanTransport, *, reset: bool) -> ClientConnection:
        """Close the first connection; the socket of the client, whose connection is returned, has received that."""
        [pool] = lean._pools.values()
        [connection] = pool._idle
        assert connection._transport is not None
        if reset:
            self.accepted[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self.accepted[0].close()
        assert select.select([connection._transport.get_extra_info("socket")], [], [], 30)[0]
        return connection

    def stop(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        for opened in (self.socket, *self.accepted):
            opened.close()


@pytest.fixture
def threaded() -> Iterator[ThreadedServer]:
    server = ThreadedServer()
    yield server
    server.stop()


@pytest.fixture
async def lean_transport() -> AsyncIterator[Callable[..., LeanTransport]]:
    made: list[LeanTransport] = []

    def make(**limits: Any) -> LeanTransport:
        made.append(LeanTransport(TransportLimits(**UNREACHED | limits)))
        return made[-1]

    yield make
    for transport in made:
        await transport.aclose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the conditions have no event
            await asyncio.sleep(0.01)


def change(url: str) -> Request:
    return Request("account", "PUT", url, "/x", {}, b"{}")


async def test_reset_before_anything_was_sent(threaded: ThreadedServer, lean_transport: Any) -> None:
    """If the connection was reset before a change was sent, its outcome is not unknown."""
    lean = lean_transport()
    await lean.send(change(threaded.url))
    connection = threaded.close_first(lean, reset=True)
    with pytest.raises(SourceUnavailable) as caught:  # as if it had been reset after the check before its reuse
        connection.send(change(threaded.url), b"PUT", asyncio.get_running_loop().time() + 60)
    assert caught.value.outcome is None


async def test_closed_unnoticed(threaded: ThreadedServer, lean_transport: Any) -> None:
    """A change on a connection that is closed after the check before its reuse has an unknown outcome."""
    lean = lean_transport()
    await lean.send(change(threaded.url))
    connection = threaded.close_first(lean, reset=False)
    with pytest.raises(SourceUnavailable) as caught:
        await connection.send(change(threaded.url), b"PUT", asyncio.get_running_loop().time() + 60)
    assert caught.value.outcome is Outcome.UNKNOWN
    assert len(threaded.accepted) == 1


@pytest.mark.parametrize("reset", [True, False])
async def test_closed_before_the_reuse(threaded: ThreadedServer, lean_transport: Any, *, reset: bool) -> None:
    """A connection is checked before each reuse, so that a closed one is not used."""
    lean = lean_transport()
    await lean.send(change(threaded.url))
    threaded.close_first(lean, reset=reset)
    assert (await lean.send(change(threaded.url))).status == 200
    assert len(threaded.accepted) == 2


async def test_bytes_between_calls(lean_transport: Any) -> None:
    """Bytes between two calls are no response, and the connection is closed."""
    connections = 0

    async def chatty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(KEEP)
        await asyncio.sleep(0.01)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(chatty, "127.0.0.1", 0) as server:
        lean = lean_transport()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for _ in range(3):
            assert (await lean.send(change(url))).body == b"{}"
            [pool] = lean._pools.values()
            await until(lambda pool=pool: not pool._idle)
        assert connections == 3
        await lean.aclose()


async def test_no_slot_is_lost(raw: Any, lean_transport: Any) -> None:
    """However calls end, every slot of the pool becomes free again."""
    lean = lean_transport(connections=2, total=0.1, connect=0.05, keep_alive=0.05)
    server, silent = await raw(KEEP), await raw(None)
    with refusing_port() as port:
        unreachable = f"http://127.0.0.1:{port}/"
        for url in (server.url, silent.url, unreachable):
            tasks = [asyncio.create_task(lean.send(change(url))) for _ in range(12)]
            await asyncio.sleep(0)
            for task in tasks[::3]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    pools = list(lean._pools.values())
    await until(lambda: not any(pool._open for pool in pools))
    assert [(pool._free_slots, pool._idle, list(pool._waiters)) for pool in pools] == [(2, [], [])] * 3


@pytest.mark.parametrize(
    ("reply", "rounds"),
    [(KEEP, 0), (KEEP.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), 1)],
    ids=["connection", "slot"],
)
async def test_cancelled_with_a_connection(raw: Any, lean_transport: Any, reply: bytes, rounds: int) -> None:
    """A call that is cancelled when it has just got a connection or a slot passes it on."""
    server = await raw(reply)
    lean = lean_transport(connections=1)

    async def first() -> None:
        await lean.send(change(server.url))
        for _ in range(rounds):
            await asyncio.sleep(0)
        second.cancel()  # its waiter has a result, and the task has not continued yet

    opening = asyncio.create_task(first())
    second = asyncio.create_task(lean.send(change(server.url)))
    third = asyncio.create_task(lean.send(change(server.url)))
    assert (await third).status == 200
    await opening
    assert second.cancelled()
    assert (await lean.send(change(server.url))).status == 200


async def test_one_timer(raw: Any, lean_transport: Any) -> None:
    """A connection has one timer for all its calls, and closing cancels it."""
    server = await raw(KEEP)
    lean = lean_transport(connections=1)
    await lean.send(change(server.url))
    [pool] = lean._pools.values()
    [connection] = pool._idle
    timer = connection._timer
    for _ in range(50):
        await lean.send(change(server.url))
    assert connection._timer is timer
    await lean.aclose()
    assert timer.cancelled()


async def test_timer_of_a_later_call(raw: Any, lean_transport: Any, moved_time: MovedTime) -> None:
    """The one timer is also exact for a call that began long after it was set."""
    server = await raw(KEEP, KEEP, None)
    lean = lean_transport(connections=1, **UNLIMITED | {"total": 4_000})
    for _ in range(2):
        await lean.send(change(server.url))
        moved_time.move(3_000)
    started = moved_time.now()
    late = asyncio.ensure_future(lean.send(change(server.url)))
    await server.received(3)
    await moved_time.expire(late)
    assert 4_000 <= moved_time.now() - started < 6_000
    with pytest.raises(SourceTimeout):
        await late
