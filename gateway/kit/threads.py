"""Runs a blocking function beside the event loop, in a thread that does not keep the process alive."""

import asyncio
import contextlib
from collections.abc import Callable
from threading import Thread
from typing import TypeVar

__all__ = ["in_daemon_thread"]

Result = TypeVar("Result")


async def in_daemon_thread(function: Callable[[], Result], name: str) -> Result:
    """Return the result of a function that blocks, or raise its exception.

    If this is cancelled, the function goes on, and nobody gets its result. Unlike those of `asyncio.to_thread`, its
    thread is not waited for when the process ends: use it for what may block longer than the process may take to stop.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Result] = loop.create_future()

    def finish(value: Result | None, error: BaseException | None) -> None:
        if result.done():  # cancelled
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type] # None only if the function returns it

    def run() -> None:
        value, error = None, None
        try:
            value = function()
        except BaseException as raised:  # noqa: BLE001 - it is raised where the result is awaited
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits
            loop.call_soon_threadsafe(finish, value, error)

    Thread(target=run, name=name, daemon=True).start()
    return await result
