"""Calls with a time limit that is a part of what is tested."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc

__all__ = ["in_time"]

_ATTEMPTS = 8
_Result = TypeVar("_Result")


async def in_time(attempt: Callable[[], Awaitable[_Result]]) -> _Result:
    """Make a call again while it has a TimeoutError or DEADLINE_EXCEEDED.

    The gateway responds a moment before the deadline of a client: a machine that stops just then leaves no time for it.

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
