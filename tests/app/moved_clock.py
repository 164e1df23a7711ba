"""A clock that a test moves on: real time, plus what it was moved."""

import asyncio
import time

__all__ = ["MovedClock"]


class MovedClock:
    def __init__(self) -> None:
        self.moved = 0.0
        self._moves = asyncio.Event()

    def time(self) -> float:
        return time.time() + self.moved

    def monotonic(self) -> float:
        return time.monotonic() + self.moved

    async def sleep(self, seconds: float, /) -> None:
        end = self.monotonic() + seconds
        await asyncio.sleep(0)
        while (left := end - self.monotonic()) > 0:
            moves = self._moves
            await asyncio.wait([waiting := asyncio.ensure_future(moves.wait())], timeout=left)
            waiting.cancel()

    def move(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self.moved += seconds
        moves, self._moves = self._moves, asyncio.Event()
        moves.set()
