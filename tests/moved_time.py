"""A clock of the event loop that a test moves on, so that a time limit passes when the test lets it."""

import asyncio
import time
from typing import Any

import pytest

__all__ = ["UNLIMITED", "MovedTime"]

UNLIMITED = dict.fromkeys(["total", "connect", "read", "keep_alive"], 1e9)
"""Limits of a transport to which no test moves the time."""


class MovedTime:
    """The time of event loops and of their timers: real time, plus what it was moved.

    Limits of hundreds of seconds are reached at once, and are not reached because the machine is slow.
    A timer of the gateway that fires late fires once more: where a limit must not be reached, move the time in steps.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real = time.monotonic
        self._moved = 0.0
        monkeypatch.setattr(time, "monotonic", self.now)

    def now(self) -> float:
        """Return the time; use it as the clock of what does not take that of the event loop."""
        return self._real() + self._moved

    def move(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self._moved += seconds

    async def expire(self, *limited: "asyncio.Future[Any]") -> None:
        """Let time pass, ten seconds in each iteration of the loop, until these have ended."""
        while not all(future.done() for future in limited):
            self.move(10.0)
            await asyncio.sleep(0)
