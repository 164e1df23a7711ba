"""Following the log held in memory: first what was missed, out of the log; then what happens, out of a queue."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Self

from gateway.errors import GatewayError
from gateway.events.errors import SlowReader
from gateway.events.log import UserEvent

__all__ = ["MemorySubscription"]


class MemorySubscription:
    """See `gateway.events.log.Subscription`.

    `missed` gives what is to be read first, each when it is asked for; it raises SlowReader where that has gone
    meanwhile. Nothing is copied for it: many who resume at once cost no memory. `most` may wait in the queue;
    `on_slow` hears of it when it is one too many.
    """

    def __init__(
        self,
        start: str,
        missed: Iterator[UserEvent],
        wants: Callable[[UserEvent], bool],
        most: int,
        *,
        on_slow: Callable[[], None] = lambda: None,
    ) -> None:
        self.start = start
        self._missed = missed
        self._wants = wants
        self._most = most
        self._on_slow = on_slow
        self._queue: deque[UserEvent] = deque()
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._reason: GatewayError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> UserEvent:
        while True:
            event = self._taken()
            if event is not None:
                return event
            if self._reason is not None:
                raise self._reason
            self._news.clear()
            await self._news.wait()

    def offer(self, event: UserEvent) -> None:
        """Queue the event, if it is wanted here; one too many ends it all."""
        if self._reason is not None or not self._wants(event):
            return
        if len(self._queue) < self._most:
            self._queue.append(event)
            self._news.set()
        else:
            self._drop(SlowReader())

    def end(self, reason: GatewayError) -> None:
        if self._reason is None:
            self._reason = reason
            self._news.set()
            self._over.set()

    async def ended(self) -> GatewayError:
        await self._over.wait()
        assert self._reason is not None  # noqa: S101 - `end` sets it first
        return self._reason

    def _taken(self) -> UserEvent | None:
        try:
            for event in self._missed:
                if self._wants(event):
                    return event
        except SlowReader as slow:
            self._drop(slow)
        return self._queue.popleft() if self._queue else None

    def _drop(self, reason: SlowReader) -> None:
        self._missed = iter(())
        self._queue.clear()
        if self._reason is None:
            self._on_slow()
        self.end(reason)
