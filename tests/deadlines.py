"""Calls whose response is sent a moment before the deadline of their client."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc

__all__ = ["in_time"]

_ATTEMPTS = 8
_Result = TypeVar("_Result")


async def in_time(attempt: Callable[[], Awaitable[_Result]]) -> _Result:
    """Make a call again while its client gives up first: a machine that stops just then leaves no time to respond.

    Raises:
        TimeoutError: no attempt had a response in time.
    """
    for _ in range(_ATTEMPTS):
        try:
            return await attempt()
        except TimeoutError:
            continue
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
    raise TimeoutError
