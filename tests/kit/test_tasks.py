"""Cancelling background tasks."""

import asyncio

from gateway.kit.tasks import cancel_and_wait


async def test_a_lost_cancellation() -> None:
    """A task that loses a cancellation is cancelled again, until it is done; a task that is done is left alone."""
    started = asyncio.Event()

    async def stubborn() -> None:
        for _ in range(2):
            try:
                started.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass
        await asyncio.Event().wait()

    async def done() -> None:
        """Return at once."""

    tasks = [asyncio.create_task(stubborn()), asyncio.create_task(done())]
    await started.wait()
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await cancel_and_wait(*tasks)
    assert [task.cancelled() for task in tasks] == [True, False]
    await cancel_and_wait(*tasks)
    await cancel_and_wait()
