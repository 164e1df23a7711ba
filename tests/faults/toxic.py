"""A TCP proxy with the faults of a network.

Between the gateway and a source it uses one connection for each call, so that faults are counted in calls, and it
removes the headers about rate limits: the sandbox sends them also where it does not enforce a limit, and the gateway
would obey them. Between the gateway and Redis it forwards bytes.
"""

import asyncio
import math
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["FOREVER", "Proxy", "Toxic", "proxied"]

FOREVER = math.inf
_LINGER = struct.pack("ii", 1, 0)  # SO_LINGER of 0 seconds: closing sends a RST
_TICK = 0.05  # seconds
_RATE_LIMIT_HEADERS = re.compile(rb"(?im)^(X-)?Rate-?Limit-[^\r\n]*\r\n")


class Toxic(StrEnum):
    """A fault of a connection."""

    LATENCY = "latency"
    """The call is forwarded late."""

    LATENCY_AFTER = "late response"
    """The source responds at once; the gateway gets the response late."""

    RESET_BEFORE = "reset before the request"
    """RST; the source does not receive the call."""

    RESET_AFTER = "reset after it was carried out"
    """The source responds; the gateway gets a RST instead."""

    HALF_BODY = "half a body"
    """The response of the source ends in the middle of its body."""

    GARBAGE = "garbage instead of HTTP"
    """The source responds; the gateway gets bytes that are not HTTP."""

    DRIP = "slow drip"
    """The response of the source, a few bytes at a time."""

    BLACK_HOLE = "black hole"
    """The call is accepted, but neither forwarded nor answered."""


@dataclass(slots=True)
class _Planned:
    toxic: Toxic
    times: float
    call: re.Pattern[str]


class Proxy:
    """A port of the loopback interface in front of `host:port`.

    `random_toxic` returns the fault of each connection for which none is planned. `delay` is in seconds, `rate` in
    bytes per second. Late responses wait for `released` in place of the delay, where it is set.
    """

    def __init__(self, host: str, port: int, *, http: bool = True, delay: float = 0.1, rate: float = 200) -> None:
        self._target = host, port
        self._http = http
        self.delay = delay
        self._rate = rate
        self._planned: list[_Planned] = []
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self.released: asyncio.Event | None = None
        self.random_toxic: Callable[[], Toxic | None] = lambda: None
        self.accepted = 0
        self.faulty = 0
        self.port = 0

    @property
    def open(self) -> int:
        """The number of open connections."""
        return len(self._open)

    def poison(self, toxic: Toxic, times: float = 1, *, call: str = "") -> None:
        """Plan a fault for the next `times` connections; if HTTP, those whose `METHOD /path?query` contains `call`."""
        self._planned.append(_Planned(toxic, times, re.compile(call)))

    def redirect(self, port: int) -> None:
        """Lead new connections to another port; the open ones stay where they are."""
        self._target = self._target[0], port

    def heal(self) -> None:
        """Remove all faults."""
        self._planned.clear()
        self.random_toxic = lambda: None

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse new connections, and reset the open ones."""
        if self._server is not None:
            # A connection that was just accepted has no task yet, and asyncio would forget it in a closed server.
            for listening in self._server.sockets:
                asyncio.get_running_loop().remove_reader(listening.fileno())
            await asyncio.sleep(_TICK)
            self._server.close()
        tasks = list(self._open)
        for task in tasks:
            _reset(self._open[task])
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._server is not None:
            await self._server.wait_closed()  # since Python 3.12 it waits for the connections too

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        self.accepted += 1
        # A peer that disconnects is not a failure of the proxy.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._forward(reader, writer)
        writer.close()
        del self._open[task]

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n") if self._http else b""
        toxic = self._next_toxic(head.partition(b" HTTP/")[0].decode())
        self.faulty += toxic is not None
        if toxic is Toxic.RESET_BEFORE:
            _reset(writer)
            return
        if toxic is Toxic.BLACK_HOLE:
            while await reader.read(65536):
                pass
            return
        if toxic is Toxic.LATENCY:
            await asyncio.sleep(self.delay)
        if not self._http:
            await self._both_ways(reader, writer)
            return
        await self._respond(await self._call(head, reader), toxic, writer)

    async def _respond(self, response: bytes, toxic: Toxic | None, writer: asyncio.StreamWriter) -> None:
        match toxic:
            case Toxic.RESET_AFTER:
                _reset(writer)
            case Toxic.LATENCY_AFTER:
                await (asyncio.sleep(self.delay) if self.released is None else self.released.wait())
                writer.write(response)
            case Toxic.GARBAGE:
                writer.write(b"\x00\x01 not HTTP at all\r\n\r\n")
            case Toxic.HALF_BODY:
                end = response.index(b"\r\n\r\n") + 4
                writer.write(response[: end + (len(response) - end) // 2])
            case Toxic.DRIP:
                step = max(1, int(self._rate * _TICK))
                for start in range(0, len(response), step):
                    writer.write(response[start : start + step])
                    await writer.drain()
                    await asyncio.sleep(_TICK)
            case _:
                writer.write(response)

    async def _call(self, head: bytes, reader: asyncio.StreamReader) -> bytes:
        """Return the whole response of the source; ConnectionError where the gateway disconnects before its end."""
        line, _, rest = head.partition(b"\r\n")
        from_source, to_source = await asyncio.open_connection(*self._target)
        to_source.write(line + b"\r\nConnection: close\r\n" + rest)
        request = asyncio.create_task(_pump(reader, to_source))
        response = asyncio.create_task(from_source.read())
        try:
            await asyncio.wait({request, response}, return_when=asyncio.FIRST_COMPLETED)
            if not response.done():
                raise ConnectionResetError
            response_head, end, body = response.result().partition(b"\r\n\r\n")
            return _RATE_LIMIT_HEADERS.sub(b"", response_head + b"\r\n") + end[2:] + body
        finally:
            for task in (request, response):
                task.cancel()
            to_source.close()

    async def _both_ways(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_target, to_target = await asyncio.open_connection(*self._target)
        directions = [asyncio.create_task(_pump(reader, to_target)), asyncio.create_task(_pump(from_target, writer))]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            to_target.close()

    def _next_toxic(self, call: str) -> Toxic | None:
        for planned in self._planned:
            if planned.call.search(call):
                planned.times -= 1
                if planned.times <= 0:
                    self._planned.remove(planned)
                return planned.toxic
        return self.random_toxic()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
        writer.transport.abort()


@asynccontextmanager
async def proxied(host: str, port: int, **options: float | bool) -> AsyncIterator[Proxy]:
    """Run a proxy until the block ends."""
    proxy = Proxy(host, port, **options)  # type: ignore[arg-type]  # the options are those of Proxy
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
