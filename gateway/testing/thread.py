"""Runs an asynchronous context manager in an event loop of its own, in a thread."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

__all__ = ["LoopThread"]

_Result = TypeVar("_Result")


class LoopThread:
    """A thread whose event loop keeps a context manager entered.

    What is in it can be used by synchronous tests, and by tests of any event loop, while that loop waits.
    """

    def __init__(self, name: str, manager: AbstractAsyncContextManager[object]) -> None:
        self._manager = manager
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._end = asyncio.Event()
        # A daemon: a test program that forgets to stop it still ends.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Enter the context manager; what it raises is raised here."""
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            if self._started.done():  # else the wait was interrupted, and the thread goes on
                self._thread.join()
            raise

    def stop(self) -> None:
        """Exit the context manager, and end the thread."""
        self._started.result().call_soon_threadsafe(self._end.set)
        self._thread.join()

    def call(self, function: Callable[[], _Result]) -> _Result:
        """Call a function in the thread, and return its result."""

        async def called() -> _Result:
            return function()

        return self.submit(called()).result()

    def submit(self, coroutine: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        """Run a coroutine in the event loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._started.result())

    def _run(self) -> None:
        # Not the loop of the host's policy: the faults of the sandbox abort connections of asyncio's transports.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._hold())

    async def _hold(self) -> None:
        try:
            await self._manager.__aenter__()
        except BaseException as error:  # noqa: BLE001 (`start` raises it)
            self._started.set_exception(error)
            return
        self._started.set_result(asyncio.get_running_loop())
        try:
            await self._end.wait()
        finally:
            await self._manager.__aexit__(None, None, None)
