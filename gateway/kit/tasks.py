"""Ending what runs in the background."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

__all__ = ["cancel_and_wait", "gather"]

_AGAIN = 0.05  # seconds


async def cancel_and_wait(*tasks: "asyncio.Task[None]") -> None:
    """Cancel the tasks until they are over.

    Once may not do: before Python 3.12 `asyncio.wait_for`, which the Redis client writes through, loses a
    cancellation that comes just as what it waits for is done (python/cpython#86296).
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN)


T = TypeVar("T")


async def gather(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What they give, in their order, as `asyncio.gather` does; a single one goes without a task of its own."""
    waiting = list(coroutines)
    return [await waiting[0]] if len(waiting) == 1 else await asyncio.gather(*waiting)
