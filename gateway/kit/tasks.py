"""Cancels background tasks, tells cancellations apart, and runs coroutines concurrently."""

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any, TypeVar

__all__ = ["CalleeCancelledError", "callee_result", "cancel_and_wait", "gather", "is_cancelled"]

T = TypeVar("T")

_CANCEL_INTERVAL = 0.05  # seconds


async def cancel_and_wait(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel the tasks, again and again until they are done.

    Before Python 3.12 one cancellation may be lost: `asyncio.wait_for`, through which the Redis client writes, ignores
    one that arrives at the moment when the awaited future is done (python/cpython#86296).
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_INTERVAL)


def is_cancelled() -> bool:
    """Return whether the current task is being cancelled, and not only something that it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class CalleeCancelledError(Exception):
    """What a task awaited was cancelled, and not the task."""


async def callee_result(callee: Awaitable[T]) -> T:
    """Await code of the embedding program, and return its result.

    Raises:
        CalleeCancelledError: it raised CancelledError, although the current task is not cancelled.
    """
    try:
        return await callee
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise CalleeCancelledError("it was cancelled") from error


async def gather(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the results in the order of the coroutines, as `asyncio.gather` does; a single one needs no task."""
    pending = list(coroutines)
    return [await pending[0]] if len(pending) == 1 else await asyncio.gather(*pending)
