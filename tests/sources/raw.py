"""What a raw server has read, and what it may say."""

import asyncio
from dataclasses import dataclass

__all__ = ["KEEP", "RawServer", "Staying", "read_request"]


@dataclass
class RawServer:
    """A server that answers bytes: its address, and the requests that it has read, each head and body."""

    url: str
    requests: list[tuple[bytes, bytes]]
    connections: int = 0

    @property
    def methods(self) -> list[str]:
        """The methods of the requests so far."""
        return [head.split(b" ", 1)[0].decode() for head, _ in self.requests]


class Staying(bytes):
    """An answer after which the server does not hang up."""


KEEP = Staying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    return head, await reader.readexactly(int(fields.get(b"content-length", 0)))
