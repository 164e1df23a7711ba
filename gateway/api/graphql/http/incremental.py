"""Ends an incremental response whose caller's credential is revoked."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextvars import copy_context
from typing import Any, TypeVar

from gateway.api.graphql.execution.incoming import Incoming
from gateway.api.graphql.execution.result import error_result
from gateway.errors import GatewayError

__all__ = ["until_revoked"]

Part = dict[str, Any]
T = TypeVar("T")


async def until_revoked(parts: AsyncIterator[Part], incoming: Incoming) -> AsyncGenerator[Part]:
    """Yield the parts, which are an async generator; after a revocation, yield an error instead of the next part."""
    loop = asyncio.get_running_loop()
    revoked: asyncio.Future[GatewayError] = loop.create_future()
    context = copy_context()  # one for all steps: the generator sets and resets context variables

    def end(reason: GatewayError) -> None:
        if not revoked.done():
            revoked.set_result(reason)

    def start(step: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return loop.create_task(step, context=context)

    async def next_part() -> Part | None:
        return await anext(parts, None)

    step: asyncio.Task[Part | None] | None = None
    try:
        with incoming.while_valid(end):
            while True:
                step = start(next_part())
                either: tuple[asyncio.Future[Any], ...] = (step, revoked)
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if revoked.done():
                    yield error_result(revoked.result(), incoming).payload() | {"hasNext": False}
                    return
                part = step.result()
                if part is None:
                    return
                yield part
    finally:
        try:
            if step is not None:
                step.cancel()
                await asyncio.gather(step, return_exceptions=True)
        finally:  # the server may cancel this task meanwhile
            await start(_close(parts))


async def _close(parts: Any) -> None:
    await parts.aclose()
