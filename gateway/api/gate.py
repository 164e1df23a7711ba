"""The gate: the bound on how many operations are executed, and on how many wait, at the same time."""

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Literal

from gateway.errors import SourceUnavailable
from gateway.operation import seconds_left

__all__ = ["Gate", "Overloaded"]

Event = Literal["waited", "full", "late"]


class Overloaded(SourceUnavailable):
    """The gateway has no slot for the operation; nothing was executed. HTTP 503, gRPC UNAVAILABLE."""


class Gate:
    """Has `slots` for operations; up to `queue` others wait in order of arrival, each at most `max_wait` seconds.

        async with gate:
            ...

    An operation does not wait past its deadline. `observe` is called for each that got no slot at once: `waited` (and
    got one), `full` and `late` (refused).
    """

    def __init__(
        self,
        slots: int,
        *,
        queue: int,
        max_wait: float,
        observe: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        self._slots = slots
        self._queue = queue
        self._max_wait = max_wait
        self._observe = observe
        self._inside = 0
        self._waiting: dict[asyncio.Future[None], None] = {}  # in order; while there are any, no slot is free

    @property
    def inside(self) -> int:
        """The number of operations that have a slot."""
        return self._inside

    @property
    def waiting(self) -> int:
        """The number of operations that wait for a slot."""
        return len(self._waiting)

    async def __aenter__(self) -> None:
        """Take a slot.

        Raises:
            Overloaded: the queue is full, or the wait was too long.
        """
        if self._inside < self._slots:
            self._inside += 1
        else:
            await self._wait()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()

    async def _wait(self) -> None:
        if len(self._waiting) >= self._queue:
            self._observe("full")
            raise self._overloaded()
        left = seconds_left()
        max_wait = self._max_wait if left is None else min(self._max_wait, left)
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[slot] = None
        try:
            await asyncio.wait((slot,), timeout=max_wait)
        except asyncio.CancelledError:
            if slot.done():
                self._leave()  # the slot was assigned at the moment of the cancellation
            raise
        finally:
            self._waiting.pop(slot, None)
        if not slot.done():
            self._observe("late")
            raise self._overloaded()
        self._observe("waited")

    def _leave(self) -> None:
        """Assign the slot to the operation that has waited longest, so that no other takes it in between."""
        if self._waiting:
            slot = next(iter(self._waiting))
            del self._waiting[slot]
            slot.set_result(None)
        else:
            self._inside -= 1

    def _overloaded(self) -> Overloaded:
        seconds = max(1.0, self._max_wait)
        return Overloaded(f"The gateway is overloaded. Retry after {math.ceil(seconds)} s.", retry_after=seconds)
