"""What is on its way to one client."""

import asyncio
from collections import deque
from typing import Generic, Self, TypeVar

__all__ = ["Mailbox"]

T = TypeVar("T")


class Mailbox(Generic[T]):
    """A queue with one reader, who iterates over it; at most `most` items wait.

    Nothing is lost where the wait for an item is cancelled. `is_cut`: it ended in the middle of what it was for.
    """

    __slots__ = ("_most", "_news", "_over", "_room", "_waiting", "is_cut")

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[T] = deque()
        self._over = False
        self._news: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self.is_cut = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._waiting:
            if self._over:
                raise StopAsyncIteration
            self._news = asyncio.get_running_loop().create_future()
            try:
                await self._news
            finally:
                self._news = None
        item = self._waiting.popleft()
        _wake(self._room)
        return item

    async def within(self, seconds: float) -> T | None:
        """The next item; None where none has come by then, or none will."""
        try:
            async with asyncio.timeout(seconds):
                return await anext(self, None)
        except TimeoutError:
            return None

    @property
    def is_over(self) -> bool:
        """Whether everything was read, and there will be no more."""
        return self._over and not self._waiting

    @property
    def has_ended(self) -> bool:
        """Whether it takes nothing more."""
        return self._over

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= self._most

    def offer(self, item: T) -> None:
        """Put an item in, if it has not ended; that there is room is for the caller to know."""
        if not self._over:
            self._waiting.append(item)
            _wake(self._news)

    async def put(self, item: T) -> None:
        """Put an item in, once there is room."""
        while self.is_full and not self._over:
            if self._room is None or self._room.done():
                self._room = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._room)
        self.offer(item)

    def end(self) -> None:
        """Take nothing more; what waits can still be read."""
        self._over = True
        _wake(self._news)
        _wake(self._room)

    def drop(self, last: T) -> None:
        """End with that item instead of what waits."""
        if not self._over:
            self._waiting.clear()
            self.offer(last)
            self.end()

    def cut(self) -> None:
        """End in the middle."""
        if not self._over:
            self._waiting.clear()
            self.is_cut = True
            self.end()


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
