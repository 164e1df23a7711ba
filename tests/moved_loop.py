"""An event loop whose clock a test moves on, so that a time limit ends when the test wants it to.

A test that waits for a short limit instead fails where the machine stops its process for longer than that, before the
test has done what the limit has to interrupt.
"""

import asyncio

__all__ = ["MovedLoop", "move_on"]


class MovedLoop(asyncio.SelectorEventLoop):
    """Its clock is the real one, plus what it was moved."""

    moved = 0.0

    def time(self) -> float:
        return super().time() + self.moved


def move_on(seconds: float) -> None:
    """Let so much time pass at once: what is due by then runs in the next iteration of the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, MovedLoop)
    loop.moved += seconds
