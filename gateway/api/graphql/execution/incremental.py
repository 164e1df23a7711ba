"""Incremental delivery: the parts of a response are computed in a task, whatever the speed at which they are read."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from inspect import CORO_CREATED, getcoroutinestate, iscoroutine
from typing import Any, TypeGuard

from graphql.pyutils import is_awaitable

from gateway.kit.mailbox import Mailbox

__all__ = ["StartedCoroutines", "deliver"]

_COMPLETION_TIME = 0.5  # seconds after the deadline: calls that timed out then become errors of their fields

Part = dict[str, Any]
"""A payload of the incremental delivery proposal."""

_NEVER_AWAITABLE = frozenset({str, int, float, bool, type(None), list, dict, tuple})
"""The types of nearly all values: a cheaper test than `is_awaitable`."""


class StartedCoroutines:
    """Notes the coroutines of an execution by graphql-core, so that those which never started can be closed.

    graphql-core wraps the coroutine of a resolver in others, and makes a task of the outermost one. If that task is
    cancelled before its first step, the inner coroutines are never awaited, of which Python warns.
    """

    __slots__ = ("_noted",)

    def __init__(self) -> None:
        self._noted: list[Coroutine[Any, Any, Any]] = []

    def is_awaitable(self, value: Any) -> TypeGuard[Awaitable[Any]]:
        """Return whether it is awaitable. graphql-core passes every result of a resolver, and what it makes of them."""
        if type(value) in _NEVER_AWAITABLE or not is_awaitable(value):
            return False
        if iscoroutine(value):
            self._noted.append(value)
        return True

    async def close_unstarted(self) -> None:
        """Close those that never started. Call it when the execution has ended."""
        try:
            await asyncio.sleep(0)  # until the cancelled tasks have ended: a task cannot run a closed coroutine
        finally:
            for coroutine in self._noted:
                if getcoroutinestate(coroutine) == CORO_CREATED:
                    coroutine.close()


async def deliver(
    parts: AsyncGenerator[Part], *, max_seconds: float | None, timed_out: Callable[[], Mapping[str, Any]]
) -> AsyncGenerator[Part]:
    """Yield parts that are computed in a task of their own, so that a slow reader does not delay the computation.

    Parts that are not read yet wait in memory: in all they are at most as large as a response in one part, which the
    limit of the cost bounds. `max_seconds` after the start the response ends: parts that were not read by then are
    dropped, and every one that was announced and not completed gets the error of `timed_out`, a GraphQL error as a map.
    """
    loop = asyncio.get_running_loop()
    waiting: Mailbox[Part] = Mailbox(sys.maxsize)
    task = loop.create_task(_compute(parts, waiting))
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        task.cancel()  # closes the mailbox; the client may not read for a long time

    timer = None if max_seconds is None else loop.call_later(max_seconds + _COMPLETION_TIME, expire)
    pending: dict[str, None] = {}
    begun = has_next = False
    try:
        async for part in waiting:
            if expired:
                break
            begun, has_next = True, part.get("hasNext", False)
            pending |= {announced["id"]: None for announced in part.get("pending", ())}
            for completed in part.get("completed", ()):
                pending.pop(completed["id"], None)
            yield part
        if not expired:
            await task  # raises the exception that ended it
        elif has_next:
            yield {"completed": [{"id": part_id, "errors": [timed_out()]} for part_id in pending], "hasNext": False}
        elif not begun:
            yield {"errors": [timed_out()], "hasNext": False}
    finally:
        if timer is not None:
            timer.cancel()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _compute(parts: AsyncGenerator[Part], waiting: Mailbox[Part]) -> None:
    try:
        async with aclosing(parts):
            async for part in parts:
                waiting.offer(part)
                await asyncio.sleep(0)  # otherwise parts without calls are computed without a pause for other tasks
    finally:
        waiting.close()
