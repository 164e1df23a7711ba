"""Reacts to the signals that stop a process, beside the server of the embedding program."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["on_stop_signals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_Handler = Callable[[int, FrameType | None], Any] | int | None


@contextmanager
def on_stop_signals(react: Callable[[], Coroutine[Any, Any, None]]) -> Iterator[None]:
    """Run `react` in the event loop at the first SIGINT or SIGTERM, beside what the process does at it otherwise.

    Outside of the main thread, which alone gets signals, nothing is done: servers do the same there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before: dict[int, _Handler] = {number: signal.getsignal(number) for number in _SIGNALS}
    tasks: list[asyncio.Task[None]] = []

    def start() -> None:
        if not tasks:
            tasks.append(loop.create_task(react()))

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(start)
        otherwise = before[number]
        if callable(otherwise):
            otherwise(number, frame)
        elif otherwise == signal.SIG_DFL:  # nobody else handles it: the process ends
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for each in _SIGNALS:
        signal.signal(each, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is handle:  # else the server has replaced it in the meantime
                signal.signal(number, handler)
