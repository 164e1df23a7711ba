"""The queue of WebSockets whose bytes wait to be parsed."""

import asyncio
import time

from gateway.api.web.lean.parse_queue import ParseQueue


class Busy:
    """Has that many pieces, each of which takes that long to parse."""

    def __init__(self, pieces: int, seconds: float = 0.0) -> None:
        self.left = pieces
        self.seconds = seconds

    def parse_piece(self) -> bool:
        time.sleep(self.seconds)
        self.left -= 1
        return self.left > 0


class Broken:
    def parse_piece(self) -> bool:
        raise RuntimeError("a defect")


async def test_rotation() -> None:
    """Others run between the pieces, and one with few pieces does not wait for one with many."""
    queue, long, short = ParseQueue(), Busy(1_000, 0.001), Busy(2, 0.001)
    queue.add(long)
    queue.add(short)
    most, before = 0, long.left
    while short.left:
        await asyncio.sleep(0)
        most, before = max(most, before - long.left), long.left
    assert long.left > 900
    assert most < 100


async def test_a_defect() -> None:
    """An exception with one WebSocket does not stop the others."""
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context["exception"]))
    queue, good = ParseQueue(), Busy(10)
    for socket in (Broken(), Broken(), good):
        queue.add(socket)
    async with asyncio.timeout(20):
        while good.left:  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.001)
    assert [str(error) for error in reported] == ["a defect", "a defect"]
