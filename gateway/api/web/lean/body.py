"""A request's body, read while it comes."""

import asyncio
from collections import deque
from typing import Protocol, Self

__all__ = ["Body", "Flow"]


class Flow(Protocol):
    """A connection, as those see it who read from it and write to it."""

    def hold(self) -> None:
        """Read no more for now."""

    def release(self) -> None:
        """Read on."""

    def go_on(self) -> None:
        """Tell a client that waits for it to send its body (RFC 9110, 10.1.1)."""

    def write(self, data: bytes) -> None:
        """Send; what is sent to a client that has gone is dropped."""

    async def room(self) -> None:
        """Wait until the client has read most of what was sent.

        Raises:
            Closed: it has gone.
        """

    def leave(self) -> None:
        """Close, once everything is sent and the client had the time to read it."""

    def abort(self) -> None:
        """Close at once."""


class Body:
    """Chunks as they came. Whoever reads them finds the client waiting where more than `held` bytes came ahead.

    `expected`: the client sends it only when it is told to go on. `whole`: all of it came.
    """

    __slots__ = ("_chunks", "_expected", "_failure", "_flow", "_held", "_size", "_unwanted", "_waiter", "whole")

    def __init__(self, flow: Flow, held: int, *, expected: bool) -> None:
        self._flow = flow
        self._held = held
        self._expected = expected
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self._unwanted = False
        self.whole = False

    def feed(self, chunk: bytes) -> None:
        """A chunk came."""
        if self._unwanted:
            return
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > self._held:
            self._flow.hold()
        if self._waiter is not None:
            self._wake()

    def end(self) -> None:
        """All of it came."""
        self.whole = True
        self._wake()

    def fail(self, failure: Exception) -> None:
        """No more of it will come; whoever reads on is told why."""
        self._failure = failure
        self._wake()

    def take(self) -> bytes:
        """All that came."""
        chunks = self._chunks
        content = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        if self._size > self._held:
            self._flow.release()
        self._size = 0
        return content

    def drop(self) -> None:
        """Nobody reads it any more."""
        self._unwanted = True
        self.take()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next chunk.

        Raises:
            Closed: the client has gone.
            Malformed: it sent what is no body.
        """
        while not self._chunks:
            if self._failure is not None:
                raise self._failure
            if self.whole:
                raise StopAsyncIteration
            await self._more()
        chunk = self._chunks.popleft()
        before, self._size = self._size, self._size - len(chunk)
        if before > self._held >= self._size:
            self._flow.release()
        return chunk

    async def _more(self) -> None:
        if self._expected:
            self._expected = False
            self._flow.go_on()
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
