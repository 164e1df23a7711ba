"""A client that sends any bytes."""

import asyncio
import re
from urllib.parse import urlsplit

__all__ = ["exchange", "statuses"]

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_HANGS = 30.0  # seconds without a byte: nothing comes any more, however slow the machine is


async def exchange(url: str, *sent: bytes, first: float = _HANGS, quiet: float = _HANGS) -> bytes:
    """Send bytes on one connection, and return what is received until it is closed.

    Where it may stay open, that is what is received until nothing comes for `quiet` seconds. Before the first byte that
    is `first` seconds: how soon a response begins depends on the machine.
    """
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    received = b""
    try:
        for piece in sent:
            writer.write(piece)
            await asyncio.sleep(0)
        while True:
            try:
                data = await asyncio.wait_for(reader.read(65536), quiet if received else first)
            except (TimeoutError, ConnectionError):
                return received
            if not data:
                return received
            received += data
    finally:
        writer.transport.abort()


def statuses(received: bytes) -> list[int]:
    """Return the statuses of the responses."""
    return [int(status) for status in _STATUS.findall(received)]
