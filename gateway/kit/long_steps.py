"""Spreads steps that occupy the event loop for milliseconds over its iterations, so that others run in between."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable

__all__ = ["LongSteps"]


_BUDGET = 0.01  # seconds of one iteration


class LongSteps:
    """Lets long steps begin in an iteration of the event loop for 10 ms, and then one in each, in rotation by caller.

        await long_steps.wait(caller)
        ...  # the step: work that does not wait

    One iteration executes everything that is ready. If a hundred operations are ready at the same moment, for example
    because they waited for the same response of a source, nothing else runs until all have done their work: no
    connection is read, and no health check is answered. The first steps of an iteration begin at once: an iteration for
    each of many short ones would cost more than they do.
    """

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began = 0.0  # when the first step of this iteration began
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()  # the next caller first
        self._loop: asyncio.AbstractEventLoop | None = None  # in which a step has begun in this iteration

    async def wait(self, caller: str = "") -> None:
        """Wait until a step of that caller may begin."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._waiting.clear()  # of a loop that was closed
            self._loop = loop
            self._began = self._clock()
            loop.call_soon(self._next)
            return
        if not self._waiting and self._clock() - self._began < _BUDGET:
            return
        step: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(caller, deque()).append(step)
        await step

    def _next(self) -> None:
        """Let the next step begin. It is called once in each iteration while steps wait."""
        while self._waiting:
            caller, steps = next(iter(self._waiting.items()))
            step = steps.popleft()
            if steps:
                self._waiting.move_to_end(caller)
            else:
                del self._waiting[caller]
            if not step.done():  # it is done if its task was cancelled
                step.set_result(None)
                asyncio.get_running_loop().call_soon(self._next)
                return
        self._loop = None
