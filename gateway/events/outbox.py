"""What was published and is on its way into the log."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Generic, TypeVar

from gateway.errors import SourceUnavailable

__all__ = ["Outbox", "pauses"]

T = TypeVar("T")
_LOG = logging.getLogger("gateway.events")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds


class Outbox(Generic[T]):
    """Items that are sent in their order, each until it was; of more than `most` that wait the oldest are lost."""

    def __init__(self, send: Callable[[T], Awaitable[None]], most: int, *, on_loss: Callable[[T], None]) -> None:
        self._send = send
        self._most = most
        self._on_loss = on_loss
        self._waiting: deque[T] = deque()
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def put(self, item: T) -> None:
        """Have it sent. Never waits."""
        if len(self._waiting) >= self._most:
            self._on_loss(self._waiting.popleft())
        self._waiting.append(item)
        self._news.set()
        self._empty.clear()

    async def run(self) -> None:
        """Send what comes, until it is cancelled."""
        while True:
            while self._waiting:
                await self._sent(self._waiting.popleft())
            self._empty.set()
            self._news.clear()
            await self._news.wait()

    async def emptied(self) -> None:
        """Wait until everything was sent."""
        await self._empty.wait()

    async def _sent(self, item: T) -> None:
        pause = pauses()
        while True:
            try:
                return await self._send(item)
            except SourceUnavailable:
                await asyncio.sleep(next(pause))
            except Exception:  # noqa: BLE001 - what cannot be sent must not hold up the rest
                _LOG.exception("an event could not be put into the log")
                return self._on_loss(item)


def pauses() -> Iterator[float]:
    """Seconds to wait before each next try: doubling up to one, and somewhat random to keep replicas apart."""
    pause = _FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - nothing is kept secret by it
        pause = min(2 * pause, _LONGEST_PAUSE)
