"""The bounded queue of responses for one client."""

import asyncio
from collections import deque
from typing import Generic, Self, TypeVar

__all__ = ["Mailbox"]

T = TypeVar("T")


class Mailbox(Generic[T]):
    """A queue of at most `max_items` items with one reader, which iterates over it.

    No item is lost when the wait for it is cancelled. `is_aborted`: the queue was closed before its work was done.
    """

    __slots__ = ("_closed", "_item_added", "_item_removed", "_items", "_max_items", "is_aborted")

    def __init__(self, max_items: int) -> None:
        self._max_items = max_items
        self._items: deque[T] = deque()
        self._closed = False
        self._item_added: asyncio.Future[None] | None = None
        self._item_removed: asyncio.Future[None] | None = None
        self.is_aborted = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            self._item_added = asyncio.get_running_loop().create_future()
            try:
                await self._item_added
            finally:
                self._item_added = None
        item = self._items.popleft()
        _wake(self._item_removed)
        return item

    async def next_within(self, seconds: float) -> T | None:
        """Return the next item; None if there is none after so many seconds, or the queue is exhausted."""
        try:
            async with asyncio.timeout(seconds):
                return await anext(self, None)
        except TimeoutError:
            return None

    @property
    def is_exhausted(self) -> bool:
        """Whether the queue is closed and all items were read."""
        return self._closed and not self._items

    @property
    def is_closed(self) -> bool:
        """Whether the queue accepts no more items."""
        return self._closed

    @property
    def is_full(self) -> bool:
        return len(self._items) >= self._max_items

    def offer(self, item: T) -> None:
        """Add an item, unless the queue is closed. `max_items` is not checked: callers check `is_full` first."""
        if not self._closed:
            self._items.append(item)
            _wake(self._item_added)

    async def put(self, item: T) -> None:
        """Add an item as soon as the queue is not full, unless it is closed."""
        while self.is_full and not self._closed:
            if self._item_removed is None or self._item_removed.done():
                self._item_removed = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._item_removed)
        self.offer(item)

    def close(self) -> None:
        """Accept no more items; those in the queue can still be read."""
        self._closed = True
        _wake(self._item_added)
        _wake(self._item_removed)

    def close_with(self, last: T) -> None:
        """Replace the items in the queue by a last one, and close it."""
        if not self._closed:
            self._items.clear()
            self.offer(last)
            self.close()

    def abort(self) -> None:
        """Discard the items in the queue, and close it before its work is done."""
        if not self._closed:
            self._items.clear()
            self.is_aborted = True
            self.close()


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
