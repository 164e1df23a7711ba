"""A client that sends any bytes."""

import asyncio
import re
from urllib.parse import urlsplit

__all__ = ["exchange", "statuses"]

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


async def exchange(url: str, *sent: bytes, quiet: float = 2.0) -> bytes:
    """Send bytes on one connection; return what is received until it is closed, or nothing comes any more."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    received = b""
    try:
        for piece in sent:
            writer.write(piece)
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while True:
                try:
                    data = await asyncio.wait_for(reader.read(65536), quiet)
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
