"""WebSocket frames as bytes, and clients without a credential that send them."""

import asyncio
import base64
import struct
from contextlib import suppress
from urllib.parse import urlsplit

from security.outside import RecordedProcess

__all__ = ["send_to_sockets", "websocket_frame"]


def websocket_frame(opcode: int, payload: bytes) -> bytes:
    """Return a masked WebSocket frame; the mask of zeros leaves the payload as it is."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = bytes([0x80 | 126]) + struct.pack(">H", size)
    else:
        length = bytes([0x80 | 127]) + struct.pack(">Q", size)
    return bytes([0x80 | opcode]) + length + bytes(4) + payload


async def send_to_sockets(target: RecordedProcess, data: bytes, count: int) -> None:
    """Open sockets without a credential, send the same bytes to all of them, and wait until they are closed or done."""
    address = urlsplit(target.address("GraphQL"))
    key = base64.b64encode(b"0" * 16).decode()
    upgrade = (
        "GET /graphql HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    ).encode()
    opened = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(upgrade)
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        opened.append((reader, writer))
    for _, writer in opened:
        writer.write(data)
    await asyncio.gather(*(_read_for(reader, 0.7) for reader, _ in opened))
    for _, writer in opened:
        writer.transport.abort()


async def _read_for(reader: asyncio.StreamReader, seconds: float) -> None:
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(seconds):
            while await reader.read(65_536):
                pass
