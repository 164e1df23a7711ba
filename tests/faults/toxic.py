"""A TCP proxy that breaks what passes through it, in the ways that networks do.

Between the gateway and a source it makes each call a connection of its own, so that trouble is counted in
calls, and leaves out the headers about rate limits: the sandbox tells those also where it does not enforce them,
and the gateway would keep to them. Between the gateway and anything else it passes bytes.
"""

import asyncio
import math
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["FOREVER", "Proxy", "Toxic", "proxied", "refusing"]

FOREVER = math.inf
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER for no seconds: closing is a RST
_TICK = 0.05
_LIMITS = re.compile(rb"(?im)^(X-)?Rate-?Limit-[^\r\n]*\r\n")


class Toxic(StrEnum):
    """What happens to a connection."""

    LATENCY = "latency"
    """The call is passed on late."""

    RESET_BEFORE = "reset before the request"
    """RST; the source never hears of the call."""

    RESET_AFTER = "reset after it was carried out"
    """The source answers; instead of its answer there is a RST."""

    HALF_BODY = "half a body"
    """The source's answer, and in the middle of its body the end."""

    GARBAGE = "garbage instead of HTTP"
    """The source answers; what arrives is no HTTP."""

    DRIP = "slow drip"
    """The source's answer, a few bytes at a time."""

    BLACK_HOLE = "black hole"
    """Taken, never passed on, never answered."""


@dataclass(slots=True)
class _Planned:
    toxic: Toxic
    times: float
    call: re.Pattern[str]


class Proxy:
    """A port of the loopback in front of `host:port`.

    `whim` is asked for each connection that no plan is for. `delay` is in seconds, `rate` in bytes a second.
    """

    def __init__(self, host: str, port: int, *, http: bool = True, delay: float = 0.1, rate: float = 200) -> None:
        self._to = host, port
        self._http = http
        self._delay = delay
        self._rate = rate
        self._planned: list[_Planned] = []
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self.whim: Callable[[], Toxic | None] = lambda: None
        self.accepted = 0
        self.troubled = 0
        self.port = 0

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def poison(self, toxic: Toxic, times: float = 1, *, call: str = "") -> None:
        """Trouble for the next `times` connections; `call` is searched in `METHOD /path?query` where that is known."""
        self._planned.append(_Planned(toxic, times, re.compile(call)))

    def heal(self) -> None:
        """No trouble any more."""
        self._planned.clear()
        self.whim = lambda: None

    async def start(self) -> None:
        """Listen, on the port of before if there was one."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections, and reset those that there are."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._open)
        for task in tasks:
            _reset(self._open[task])
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._server is not None:
            await self._server.wait_closed()  # from Python 3.12 on it waits for the connections, too

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        self.accepted += 1
        # Whoever goes away in the middle is no failure of the proxy's.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._pass(reader, writer)
        writer.close()
        del self._open[task]

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n") if self._http else b""
        toxic = self._toxic(head.partition(b" HTTP/")[0].decode())
        self.troubled += toxic is not None
        if toxic is Toxic.RESET_BEFORE:
            _reset(writer)
            return
        if toxic is Toxic.BLACK_HOLE:
            while await reader.read(65536):
                pass
            return
        if toxic is Toxic.LATENCY:
            await asyncio.sleep(self._delay)
        if not self._http:
            await self._both_ways(reader, writer)
            return
        await self._answer(await self._asked(head, reader), toxic, writer)

    async def _answer(self, answer: bytes, toxic: Toxic | None, writer: asyncio.StreamWriter) -> None:
        match toxic:
            case Toxic.RESET_AFTER:
                _reset(writer)
            case Toxic.GARBAGE:
                writer.write(b"\x00\x01 no HTTP at all\r\n\r\n")
            case Toxic.HALF_BODY:
                end = answer.index(b"\r\n\r\n") + 4
                writer.write(answer[: end + (len(answer) - end) // 2])
            case Toxic.DRIP:
                step = max(1, int(self._rate * _TICK))
                for at in range(0, len(answer), step):
                    writer.write(answer[at : at + step])
                    await writer.drain()
                    await asyncio.sleep(_TICK)
            case _:
                writer.write(answer)

    async def _asked(self, head: bytes, reader: asyncio.StreamReader) -> bytes:
        """The source's whole answer; ConnectionError where the asker goes away before it is there."""
        line, _, rest = head.partition(b"\r\n")
        from_source, to_source = await asyncio.open_connection(*self._to)
        to_source.write(line + b"\r\nConnection: close\r\n" + rest)
        request = asyncio.create_task(_pump(reader, to_source))
        answer = asyncio.create_task(from_source.read())
        try:
            await asyncio.wait({request, answer}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise ConnectionResetError
            top, end, body = answer.result().partition(b"\r\n\r\n")
            return _LIMITS.sub(b"", top + b"\r\n") + end[2:] + body
        finally:
            for task in (request, answer):
                task.cancel()
            to_source.close()

    async def _both_ways(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, there = await asyncio.open_connection(*self._to)
        ways = [asyncio.create_task(_pump(reader, there)), asyncio.create_task(_pump(back, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            there.close()

    def _toxic(self, call: str) -> Toxic | None:
        for planned in self._planned:
            if planned.call.search(call):
                planned.times -= 1
                if planned.times <= 0:
                    self._planned.remove(planned)
                return planned.toxic
        return self.whim()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        writer.transport.abort()


@asynccontextmanager
async def proxied(host: str, port: int, **how: float | bool) -> AsyncIterator[Proxy]:
    """A proxy that runs until the block ends."""
    proxy = Proxy(host, port, **how)  # type: ignore[arg-type]  # the options are spelled by the table
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


@contextmanager
def refusing() -> Iterator[int]:
    """A port that refuses connections, and that nobody else can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
