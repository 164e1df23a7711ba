"""The one gate of all executions: so many at once, so many waiting for so long, and no more."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Literal

from gateway.errors import SourceUnavailable
from gateway.operation import seconds_left

__all__ = ["Gate", "Overloaded"]

Event = Literal["waited", "full", "late"]


class Overloaded(SourceUnavailable):
    """The gateway has as much to do as it takes on; nothing was executed. HTTP 503, gRPC UNAVAILABLE."""


class Gate:
    """Lets `most` in at once; up to `queue` others wait in their order, each `patience` seconds at the most.

        async with gate:
            ...

    Nobody waits past the deadline of the operation that enters it.
    `observe` is called for those that did not get in at once: `waited` (and got in), `full` and `late` (refused).
    """

    def __init__(
        self,
        most: int,
        *,
        queue: int,
        patience: float,
        observe: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        self._most = most
        self._queue = queue
        self._patience = patience
        self._observe = observe
        self._inside = 0
        self._waiting: dict[asyncio.Future[None], None] = {}  # in order; while there are any, nobody else gets in

    @property
    def inside(self) -> int:
        """How many are being executed."""
        return self._inside

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def __aenter__(self) -> None:
        """Get in.

        Raises:
            Overloaded: the queue is full, or the wait was too long.
        """
        if self._inside < self._most:
            self._inside += 1
        else:
            await self._wait()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    async def _wait(self) -> None:
        if len(self._waiting) >= self._queue:
            self._observe("full")
            raise self._overloaded()
        left = seconds_left()
        patience = self._patience if left is None else min(self._patience, left)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            await asyncio.wait((turn,), timeout=patience)
        except asyncio.CancelledError:
            if turn.done():
                self._leave()  # the place came together with the cancellation
            raise
        finally:
            self._waiting.pop(turn, None)
        if not turn.done():
            self._observe("late")
            raise self._overloaded()
        self._observe("waited")

    def _leave(self) -> None:
        """Hand the place on to who waits longest, so that nobody gets in between."""
        if self._waiting:
            turn = next(iter(self._waiting))
            del self._waiting[turn]
            turn.set_result(None)
        else:
            self._inside -= 1

    def _overloaded(self) -> Overloaded:
        return Overloaded("The gateway has too much to do.", retry_after=max(1.0, self._patience))
