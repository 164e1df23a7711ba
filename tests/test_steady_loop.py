"""The event loop of the tests in one process, for which no time passes while the process is stopped."""

import asyncio
import time

import pytest
from steady_loop import SteadyLoop


def test_a_stop() -> None:
    """A time limit does not run out while the process is stopped, nor at once when it goes on."""

    async def be_stopped() -> None:
        async with asyncio.timeout(0.6):
            for _ in range(3):
                time.sleep(1)  # noqa: ASYNC251 - for the loop it is the same as a stop
                await asyncio.sleep(0.01)

    with asyncio.Runner(loop_factory=SteadyLoop) as runner:
        runner.run(be_stopped())


def test_waiting() -> None:
    """A time limit runs out by waiting."""

    async def wait() -> None:
        async with asyncio.timeout(0.05):
            await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=SteadyLoop) as runner, pytest.raises(TimeoutError):
        runner.run(wait())
