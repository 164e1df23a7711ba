"""Awaiting several at once."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

__all__ = ["together"]

T = TypeVar("T")


async def together(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What they give, in their order, as `asyncio.gather` does; a single one goes without a task of its own."""
    waiting = list(coroutines)
    return [await waiting[0]] if len(waiting) == 1 else await asyncio.gather(*waiting)
