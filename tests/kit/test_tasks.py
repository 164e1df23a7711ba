"""Ending what runs in the background."""

import asyncio

from gateway.kit.tasks import cancel_and_wait


async def test_a_cancellation_that_is_lost() -> None:
    """A task that loses a cancellation is cancelled again, until it is over; one that is over is left alone."""
    begun = asyncio.Event()

    async def deaf() -> None:
        for _ in range(2):
            try:
                begun.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass
        await asyncio.Event().wait()

    async def done() -> None:
        """At once."""

    tasks = [asyncio.create_task(deaf()), asyncio.create_task(done())]
    await begun.wait()
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await cancel_and_wait(*tasks)
    assert [task.cancelled() for task in tasks] == [True, False]
    await cancel_and_wait(*tasks)
    await cancel_and_wait()
