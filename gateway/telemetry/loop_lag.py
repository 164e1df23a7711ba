"""Measures how late the timers of the event loop are: while it executes one long step, it serves nothing else."""

import asyncio
from collections.abc import Callable
from typing import Self

__all__ = ["LoopLag"]

_INTERVAL = 0.5  # seconds


class LoopLag:
    """Passes the seconds by which a timer was late to `observe`, twice a second. `last` is the latest of these values.

    async with LoopLag(histogram.observe): ...
    """

    def __init__(self, observe: Callable[[float], None], interval: float = _INTERVAL) -> None:
        self._observe = observe
        self._interval = interval
        self._timer: asyncio.TimerHandle | None = None
        self.last = 0.0

    async def __aenter__(self) -> Self:
        self._set_timer()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._measure)

    def _measure(self) -> None:
        timer = self._timer
        if timer is not None:
            self.last = max(0.0, asyncio.get_running_loop().time() - timer.when())
            self._observe(self.last)
            self._set_timer()
