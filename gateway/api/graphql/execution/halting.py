"""Executes an operation until its first error, for the error behavior `HALT`."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from graphql import ExecutionResult

from gateway.api.graphql.execution.context import Context
from gateway.api.graphql.execution.prepared import Executed

__all__ = ["until_first_error"]


async def until_first_error(
    execution: Coroutine[Any, Any, Executed | ExecutionResult], context: Context
) -> Executed | ExecutionResult:
    """Return the result of an execution, or at its first error null and that error; what is under way is cancelled.

    In a task: a field that fails also cancels calls that others have in common with it, and an execution that is not
    awaited can end with whichever exception comes of that.
    """
    first_error = context.first_error = asyncio.get_running_loop().create_future()
    task = asyncio.get_running_loop().create_task(execution)
    try:
        await asyncio.wait((task, first_error), return_when=asyncio.FIRST_COMPLETED)
        return Executed(None, [first_error.result()]) if first_error.done() else task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
