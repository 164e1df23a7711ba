"""A relay in front of a server: a test decides when requests arrive there, and when connections are lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

__all__ = ["Relay", "relayed"]


class Relay:
    """Forwards all connections to a server. From `hold` to `release`, what clients send waits in it."""

    def __init__(self, url: str) -> None:
        self.url = ""
        self._server = urlsplit(url)
        self._is_open, self._is_waiting = asyncio.Event(), asyncio.Event()
        self._is_open.set()
        self._writers: set[asyncio.StreamWriter] = set()

    def hold(self) -> None:
        """Forward nothing more to the server."""
        self._is_open.clear()
        self._is_waiting.clear()

    async def holds_something(self) -> None:
        """Wait until something has arrived that is not forwarded."""
        async with asyncio.timeout(30):
            await self._is_waiting.wait()

    def release(self) -> None:
        """Forward what was held, and all that comes later."""
        self._is_open.set()

    def cut(self) -> None:
        """Reset all connections."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        further, sink = await asyncio.open_connection(self._server.hostname, self._server.port)
        self._writers |= {writer, sink}
        with suppress(ConnectionError):
            await asyncio.gather(self._copy(reader, sink, self._is_open), self._copy(further, writer))

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_open: asyncio.Event | None = None
    ) -> None:
        try:
            while data := await reader.read(65_536):
                if is_open is not None and not is_open.is_set():
                    self._is_waiting.set()
                    await is_open.wait()
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def relayed(url: str) -> AsyncIterator[Relay]:
    """Run a relay in front of the server of a URL; its own has the same path."""
    relay = Relay(url)
    async with await asyncio.start_server(relay._accept, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        relay.url = urlsplit(url)._replace(netloc=f"127.0.0.1:{port}").geturl()
        try:
            yield relay
        finally:
            relay.release()
            relay.cut()
