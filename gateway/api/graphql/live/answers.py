"""An answer as it is written to any number of clients."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Self

import orjson

from gateway.api.graphql.execution.result import Result

__all__ = ["LiveAnswer", "Renderings"]


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """An answer as JSON. `errors` are there where it is the last one, instead of data: their list as JSON.

    `event` is the id of what it answers, where that is an event.
    """

    text: str
    errors: str | None = None
    event: str = ""

    @classmethod
    def of(cls, result: Result, event: str = "") -> Self:
        """The answer that a result is."""
        payload = result.payload()
        errors = None if result.executed else orjson.dumps(payload["errors"]).decode()
        return cls(orjson.dumps(payload).decode(), errors, event)


_FRESH = 1.0  # seconds: who is told later is told what is so by then


class Renderings:
    """An event's loaders are thus made once for identical subscriptions, and anew for each event.

    What is being written does not end with who asked first.
    """

    def __init__(self, *, fresh: float = _FRESH, clock: Callable[[], float] = time.monotonic) -> None:
        self._fresh = fresh
        self._clock = clock
        self._known: OrderedDict[Hashable, tuple[float, asyncio.Task[LiveAnswer]]] = OrderedDict()
        self._under_way: set[asyncio.Task[LiveAnswer]] = set()

    def get(self, key: Hashable, write: Callable[[], Coroutine[Any, Any, LiveAnswer]]) -> Awaitable[LiveAnswer]:
        """The answer of that key; `write` makes it, and does not raise."""
        now = self._clock()
        while self._known and next(iter(self._known.values()))[0] <= now:
            self._known.popitem(last=False)
        entry = self._known.get(key)
        if entry is None:
            # In a context of its own: whoever comes first has a deadline that is not everybody's.
            task = asyncio.get_running_loop().create_task(write(), context=Context())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            entry = self._known[key] = (now + self._fresh, task)
        return asyncio.shield(entry[1])

    async def aclose(self) -> None:
        """End what is being written."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
