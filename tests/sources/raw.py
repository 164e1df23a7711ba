"""A server that sends any bytes: what it received, and its responses."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["KEEP", "KeepOpen", "RawServer", "read_request"]


@dataclass
class RawServer:
    """The URL of a server, its received requests (pairs of head and body), and the number of connections.

    `on_silence` is called for each request that gets no complete response.
    """

    url: str
    requests: list[tuple[bytes, bytes]]
    connections: int = 0
    on_silence: Callable[[], None] = lambda: None
    arrivals: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def received(self, count: int) -> None:
        """Wait until so many requests have arrived."""
        async with asyncio.timeout(30), self.arrivals:
            await self.arrivals.wait_for(lambda: len(self.requests) >= count)

    @property
    def methods(self) -> list[str]:
        """The methods of the received requests."""
        return [head.split(b" ", 1)[0].decode() for head, _ in self.requests]


class KeepOpen(bytes):
    """A response after which the server does not close the connection."""


KEEP = KeepOpen(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    return head, await reader.readexactly(int(fields.get(b"content-length", 0)))
