"""The gate: the bound on how many operations are executed, and on how many wait, at the same time."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType
from typing import Literal

from gateway.errors import SourceUnavailable
from gateway.kit.counts import Counts, share_of
from gateway.operation import seconds_left

__all__ = ["Gate", "Overloaded", "Slot"]

Event = Literal["waited", "full", "late"]


class Overloaded(SourceUnavailable):
    """The gateway has no slot for the operation; nothing was executed. HTTP 503, gRPC UNAVAILABLE."""


class Gate:
    """Has `slots` for operations; up to `queue` others wait, each at most `max_wait` seconds.

        async with gate.slot(caller):
            ...

    One caller may have at most the `share` of the slots, and of the queue, so the operations of a single caller cannot
    fill either. Slots that become free go to the waiting callers round robin, and to the operations of one caller in
    order of arrival. The empty name stands for callers that are not distinguished, and has no maximum.

    An operation does not wait past its deadline. `observe` is called for each that got no slot at once: `waited` (and
    got one), `full` and `late` (refused).
    """

    def __init__(
        self,
        slots: int,
        *,
        queue: int,
        max_wait: float,
        share: float = 1.0,
        observe: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        self._slots = slots
        self._queue = queue
        self._max_slots, self._max_waiting = share_of(slots, share), share_of(queue, share)  # of one caller
        self._max_wait = max_wait
        self._observe = observe
        self._inside = 0
        self._inside_of = Counts()
        # By caller, the caller first whose operation gets the next slot. While there is a free slot, all callers that
        # wait have their maximum.
        self._waiting: OrderedDict[str, dict[asyncio.Future[bool], None]] = OrderedDict()
        self._waiting_count = 0

    @property
    def inside(self) -> int:
        """The number of operations that have a slot."""
        return self._inside

    @property
    def waiting(self) -> int:
        """The number of operations that wait for a slot."""
        return self._waiting_count

    def slot(self, caller: str = "") -> "Slot":
        """Return the context manager that holds a slot for an operation of that caller.

        Entering it raises:
            Overloaded: the queue is full, or the wait was too long.
        """
        return Slot(self, caller)

    def may_enter(self, caller: str) -> bool:
        """Return whether `try_enter` would take a slot."""
        return self._inside < self._slots and (not caller or self._may_enter(caller))

    def try_enter(self, caller: str) -> bool:
        """Take a slot if that needs no wait; return whether it was taken."""
        if self._inside >= self._slots or (caller and not self._may_enter(caller)):
            return False
        self._take(caller)
        return True

    async def enter(self, caller: str) -> None:
        """Take a slot.

        Raises:
            Overloaded: the queue is full, or the wait was too long.
        """
        if not self.try_enter(caller):
            await self._wait(caller)

    def leave(self, caller: str) -> None:
        """Release a slot. The operation that is next gets it at once, so that no other takes it in between."""
        self._inside -= 1
        if caller:
            self._inside_of.remove(caller)
        for waiting in self._waiting:  # few are passed over: those that have their maximum
            if self._may_enter(waiting):
                self._assign(waiting)
                return

    def _may_enter(self, caller: str) -> bool:
        return not caller or self._inside_of[caller] < self._max_slots

    def _take(self, caller: str) -> None:
        self._inside += 1
        if caller:
            self._inside_of.add(caller)

    def _assign(self, caller: str) -> None:
        """Give a slot to the operation of that caller that has waited longest."""
        slot = next(iter(self._waiting[caller]))
        self._remove(caller, slot)
        if caller in self._waiting:
            self._waiting.move_to_end(caller)
        self._take(caller)
        slot.set_result(True)

    def _remove(self, caller: str, slot: asyncio.Future[bool]) -> None:
        """Take an operation out of the queue, where it still is in it."""
        waiting = self._waiting.get(caller, {})
        if slot in waiting:
            del waiting[slot]
            self._waiting_count -= 1
            if not waiting:
                del self._waiting[caller]

    async def _wait(self, caller: str) -> None:
        waiting = len(self._waiting.get(caller, ()))
        if self._waiting_count >= self._queue or (caller and waiting >= self._max_waiting):
            self._observe("full")
            raise self._overloaded()
        left = seconds_left()
        max_wait = self._max_wait if left is None else min(self._max_wait, left)
        loop = asyncio.get_running_loop()
        slot: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(max_wait, self._expire, caller, slot)
        self._waiting.setdefault(caller, {})[slot] = None
        self._waiting_count += 1
        try:
            is_assigned = await asyncio.shield(slot)
        except asyncio.CancelledError:
            if slot.done() and slot.result():
                self.leave(caller)  # the slot was assigned at the moment of the cancellation
            raise
        finally:
            timer.cancel()
            self._remove(caller, slot)
        if not is_assigned:
            self._observe("late")
            raise self._overloaded()
        self._observe("waited")

    def _expire(self, caller: str, slot: asyncio.Future[bool]) -> None:
        if not slot.done():
            self._remove(caller, slot)
            slot.set_result(False)

    def _overloaded(self) -> Overloaded:
        seconds = max(1.0, self._max_wait)
        return Overloaded(f"The gateway is overloaded. Retry after {math.ceil(seconds)} s.", retry_after=seconds)


class Slot:
    """Holds a slot of a gate for one operation."""

    # A class, since entering and leaving a generator takes twice the time.

    __slots__ = ("_caller", "_gate")

    def __init__(self, gate: Gate, caller: str) -> None:
        self._gate = gate
        self._caller = caller

    async def __aenter__(self) -> None:
        await self._gate.enter(self._caller)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._gate.leave(self._caller)
