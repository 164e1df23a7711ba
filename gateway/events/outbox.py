"""The queue of events that were published and are not yet in the log."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Generic, TypeVar

from gateway.errors import SourceUnavailable

__all__ = ["Outbox", "backoff"]

T = TypeVar("T")
_LOG = logging.getLogger("gateway.events")
_MIN_DELAY, _MAX_DELAY = 0.05, 1.0  # seconds


class Outbox(Generic[T]):
    """Sends items in their order until that succeeds; where more than `max_items` wait, the oldest are lost.

    `send` gets as many as wait, but at most `max_batch`: each round trip takes a while, and callers wait for it.
    """

    def __init__(
        self,
        send: Callable[[Sequence[T]], Awaitable[None]],
        max_items: int,
        *,
        on_loss: Callable[[T], None],
        max_batch: int = 1,
    ) -> None:
        self._send = send
        self._max_items = max_items
        self._max_batch = max_batch
        self._on_loss = on_loss
        self._items: deque[T] = deque()
        self._current: list[T] = []  # the items that are being sent
        self._put = self._done = 0  # the numbers of items that were put, and of those that were sent or lost
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()  # each until that many items are done
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def put(self, item: T) -> None:
        """Queue an item for sending. Never waits."""
        if len(self._items) >= self._max_items:
            self._on_loss(self._items.popleft())
            self._count_done(1)
        self._items.append(item)
        self._put += 1
        self._filled.set()
        self._empty.clear()

    async def run(self) -> None:
        """Send the items until it is cancelled."""
        while True:
            while self._items:
                self._current = [self._items.popleft() for _ in range(min(self._max_batch, len(self._items)))]
                await self._send_with_retries(self._current)
                self._count_done(len(self._current))
                self._current = []
            self._empty.set()
            self._filled.clear()
            await self._filled.wait()

    async def wait_empty(self) -> None:
        """Wait until all items were sent."""
        await self._empty.wait()

    async def wait_sent(self) -> None:
        """Wait until the items that were put so far were sent or lost."""
        if self._done < self._put:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((self._put, future))
            await future

    def _count_done(self, items: int) -> None:
        self._done += items
        while self._waiting and self._waiting[0][0] <= self._done:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)

    def give_up(self) -> list[T]:
        """Remove and return the items that were not sent. Call it after `run` was cancelled.

        Those that were being sent are among them, although they may have arrived.
        """
        items = [*self._current, *self._items]
        self._current = []
        self._items.clear()
        return items

    async def _send_with_retries(self, items: Sequence[T]) -> None:
        delays = backoff()
        while True:
            try:
                return await self._send(items)
            except SourceUnavailable:
                await asyncio.sleep(next(delays))
            except Exception:  # noqa: BLE001 - an item that cannot be sent must not hold up the rest
                if len(items) == 1:
                    _LOG.exception("an event was dropped: writing it to the event log failed")
                    return self._on_loss(items[0])
                for item in items:
                    await self._send_with_retries([item])
                return None


def backoff() -> Iterator[float]:
    """Yield the seconds to wait before each retry: doubling up to one, and random so that replicas spread out."""
    delay = _MIN_DELAY
    while True:
        yield delay * random.uniform(0.5, 1.0)  # noqa: S311 - nothing is kept secret by it
        delay = min(2 * delay, _MAX_DELAY)
