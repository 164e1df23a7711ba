"""The body of a request, which is read while it arrives."""

import asyncio
from collections import deque
from typing import Protocol, Self

__all__ = ["Body", "ConnectionIO"]


class ConnectionIO(Protocol):
    """Input and output of a connection, as request bodies, response writers and WebSockets use them."""

    def pause_reading(self) -> None:
        """Read no more bytes for now."""

    def resume_reading(self) -> None:
        """Read bytes again."""

    def send_continue(self) -> None:
        """Let a client that waits for it send its body (RFC 9110, 10.1.1)."""

    def write(self, data: bytes) -> None:
        """Send bytes; they are dropped if the client has disconnected."""

    async def wait_writable(self) -> None:
        """Wait until the client has read most of what was written.

        Raises:
            Closed: the client has disconnected.
        """

    def half_close(self) -> None:
        """Close the sending side, and the connection when the client has had the time to read what was sent."""

    def abort(self) -> None:
        """Close the connection at once."""


class Body:
    """The chunks of a body as they arrived. While more than `read_ahead` bytes are unread, reading is paused.

    `expects_continue`: the client sends the body only after a 100 response. `is_complete`: all of it has arrived.
    """

    __slots__ = (
        "_chunks",
        "_connection",
        "_discarded",
        "_expects_continue",
        "_failure",
        "_read_ahead",
        "_unread",
        "_waiter",
        "is_complete",
    )

    def __init__(self, connection: ConnectionIO, read_ahead: int, *, expects_continue: bool) -> None:
        self._connection = connection
        self._read_ahead = read_ahead
        self._expects_continue = expects_continue
        self._chunks: deque[bytes] = deque()
        self._unread = 0  # bytes
        self._waiter: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self._discarded = False
        self.is_complete = False

    def feed(self, chunk: bytes) -> None:
        """Add a chunk."""
        if self._discarded:
            return
        self._chunks.append(chunk)
        self._unread += len(chunk)
        if self._unread > self._read_ahead:
            self._connection.pause_reading()
        if self._waiter is not None:
            self._wake()

    def complete(self) -> None:
        """Mark the end of the body."""
        self.is_complete = True
        self._wake()

    def fail(self, failure: Exception) -> None:
        """Raise an exception in the reader when it has read all chunks."""
        self._failure = failure
        self._wake()

    def read_nowait(self) -> bytes:
        """Return all chunks that have arrived, joined."""
        chunks = self._chunks
        content = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        if self._unread > self._read_ahead:
            self._connection.resume_reading()
        self._unread = 0
        return content

    def discard(self) -> None:
        """Drop the chunks, and all that are still to come."""
        self._discarded = True
        self.read_nowait()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk.

        Raises:
            Closed: the client has disconnected.
            Malformed: the chunks are not framed as RFC 9112, 7.1 requires.
        """
        while not self._chunks:
            if self._failure is not None:
                raise self._failure
            if self.is_complete:
                raise StopAsyncIteration
            await self._wait_for_chunk()
        chunk = self._chunks.popleft()
        before, self._unread = self._unread, self._unread - len(chunk)
        if before > self._read_ahead >= self._unread:
            self._connection.resume_reading()
        return chunk

    async def _wait_for_chunk(self) -> None:
        if self._expects_continue:
            self._expects_continue = False
            self._connection.send_continue()
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
