"""Connections that end at the worst moment: what was not sent is told from what may have been."""

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from sources.raw import KEEP

from gateway.errors import Outcome, SourceTimeout, SourceUnavailable
from gateway.sources.http.exchange import Request, TransportLimits
from gateway.sources.http.lean.transport import LeanTransport

AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER for no seconds: closing is a RST


class Threaded:
    """A server in a thread, so that it acts while the event loop does not look; each connection gets one answer."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(10)
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

    def hang_up(self, *, reset: bool) -> None:
        """End the first connection; it has arrived when this returns."""
        if reset:
            self.accepted[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self.accepted[0].close()

    def stop(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        for one in (self.socket, *self.accepted):
            one.close()


@pytest.fixture
def threaded() -> Iterator[Threaded]:
    server = Threaded()
    yield server
    server.stop()


@pytest.fixture
async def calls() -> AsyncIterator[Callable[..., LeanTransport]]:
    made: list[LeanTransport] = []

    def make(**limits: Any) -> LeanTransport:
        made.append(LeanTransport(TransportLimits(**limits)))
        return made[-1]

    yield make
    for one in made:
        await one.aclose()


async def until(truth: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not truth():  # noqa: ASYNC110 - nothing in there tells an event
            await asyncio.sleep(0.01)


def change(url: str) -> Request:
    return Request("account", "PUT", url, "/x", {}, b"{}")


async def test_reset_before_anything_was_sent(threaded: Threaded, calls: Any) -> None:
    """A change that the system would not send, for its connection had been reset, leaves nothing in doubt."""
    lean = calls()
    await lean.send(change(threaded.url))
    threaded.hang_up(reset=True)
    with pytest.raises(SourceUnavailable) as caught:
        await lean.send(change(threaded.url))
    assert caught.value.outcome is None
    assert (await lean.send(change(threaded.url))).status == 200


async def test_hung_up_unseen(threaded: Threaded, calls: Any) -> None:
    """A change sent into a connection that was closed a moment ago is not sent again, and its outcome is unknown."""
    lean = calls()
    await lean.send(change(threaded.url))
    threaded.hang_up(reset=False)
    with pytest.raises(SourceUnavailable) as caught:
        await lean.send(change(threaded.url))
    assert caught.value.outcome is Outcome.UNKNOWN
    assert len(threaded.accepted) == 1


async def test_hung_up_long_ago(threaded: Threaded, calls: Any) -> None:
    """A connection without calls for a second is looked at first, so that one that ended is not used."""
    lean = calls()
    await lean.send(change(threaded.url))
    [pool] = lean._pools.values()
    [connection] = pool._idle
    connection._kept_since -= 1
    threaded.hang_up(reset=False)
    assert (await lean.send(change(threaded.url))).status == 200
    assert len(threaded.accepted) == 2


async def test_said_something_while_idle(calls: Any) -> None:
    """What a server says between two calls is no answer: the connection is closed."""
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
        lean = calls()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for _ in range(3):
            assert (await lean.send(change(url))).body == b"{}"
            [pool] = lean._pools.values()
            await until(lambda pool=pool: not pool._idle)
        assert connections == 3
        await lean.aclose()


async def test_no_place_is_lost(raw: Any, calls: Any) -> None:
    """Whatever happens to calls, every place in the pool comes back."""
    lean = calls(connections=2, total=0.1, connect=0.05, kept=0.05)
    server, silent = await raw(KEEP), await raw(None)
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{refusing.getsockname()[1]}/"
        for url in (server.url, silent.url, nobody):
            tasks = [asyncio.create_task(lean.send(change(url))) for _ in range(12)]
            await asyncio.sleep(0)
            for task in tasks[::3]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    pools = list(lean._pools.values())
    await until(lambda: not any(pool._open for pool in pools))
    assert [(pool._places, pool._idle, list(pool._line)) for pool in pools] == [(2, [], [])] * 3


@pytest.mark.parametrize(
    ("reply", "rounds"), [(KEEP, 0), (KEEP.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), 1)], ids=["free", "gone"]
)
async def test_left_when_it_was_its_turn(raw: Any, calls: Any, reply: bytes, rounds: int) -> None:
    """Who leaves in the moment of getting a connection, or a place for one, passes it on."""
    server = await raw(reply)
    lean = calls(connections=1, connect=0.5)

    async def first() -> None:
        await lean.send(change(server.url))
        for _ in range(rounds):
            await asyncio.sleep(0)
        second.cancel()  # it has got its turn, and has not run since

    opening = asyncio.create_task(first())
    second = asyncio.create_task(lean.send(change(server.url)))
    third = asyncio.create_task(lean.send(change(server.url)))
    assert (await third).status == 200
    await opening
    assert second.cancelled()
    assert (await lean.send(change(server.url))).status == 200


async def test_one_timer(raw: Any, calls: Any) -> None:
    """However many calls there are, a connection has one timer, and closing takes it along."""
    server = await raw(KEEP)
    lean = calls(connections=1)
    await lean.send(change(server.url))
    [pool] = lean._pools.values()
    [connection] = pool._idle
    timer = connection._timer
    for _ in range(50):
        await lean.send(change(server.url))
    assert connection._timer is timer
    await lean.aclose()
    assert timer.cancelled()


async def test_a_late_one_after_many(raw: Any, calls: Any) -> None:
    """The one timer is in time also for a call that began long after it was set."""
    server = await raw(KEEP, KEEP, None)
    lean = calls(connections=1, total=0.4)
    for _ in range(2):
        await lean.send(change(server.url))
        await asyncio.sleep(0.3)
    begun = asyncio.get_running_loop().time()
    with pytest.raises(SourceTimeout):
        await lean.send(change(server.url))
    assert asyncio.get_running_loop().time() - begun >= 0.4
