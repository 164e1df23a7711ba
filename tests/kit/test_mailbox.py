"""The mailbox of one client, by itself."""

import asyncio

import pytest

from gateway.kit.mailbox import Mailbox


async def test_nothing_is_lost_to_the_timer() -> None:
    """Waiting in turns, each cut off by its time, loses no item and keeps their order."""
    mailbox: Mailbox[int] = Mailbox(5)

    async def fill() -> None:
        for number in range(200):
            await mailbox.put(number)
            if number % 7 == 0:
                await asyncio.sleep(0.001)
        mailbox.end()

    filling = asyncio.ensure_future(fill())
    read = []
    while not mailbox.is_over:
        item = await mailbox.within(0.0005)
        if item is not None:
            read.append(item)
    await filling
    assert read == list(range(200))


async def test_a_reader_that_is_cancelled() -> None:
    """An item that comes together with the cancellation of its reader is there for the next one."""
    mailbox: Mailbox[str] = Mailbox(5)
    reading = asyncio.ensure_future(anext(mailbox))
    await asyncio.sleep(0)
    mailbox.offer("a")
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await anext(mailbox) == "a"


async def test_room() -> None:
    """Who puts waits for room; when the mailbox ends nobody waits any longer, and nothing more is taken."""
    mailbox: Mailbox[int] = Mailbox(1)
    await mailbox.put(1)
    putting = [asyncio.ensure_future(mailbox.put(number)) for number in (2, 3)]
    await asyncio.sleep(0)
    assert mailbox.is_full
    assert [await anext(mailbox), await anext(mailbox)] == [1, 2]
    await putting[0]
    mailbox.end()
    await putting[1]
    assert [item async for item in mailbox] in ([], [3])
    await mailbox.put(4)
    assert mailbox.is_over


async def test_ends() -> None:
    """What waits can be read after the end; a drop leaves its own word instead, a cut nothing."""
    ended, dropped, cut = (Mailbox[str](2) for _ in range(3))
    for mailbox in (ended, dropped, cut):
        mailbox.offer("a")
    ended.end()
    dropped.drop("too slow")
    cut.cut()
    assert [[item async for item in mailbox] for mailbox in (ended, dropped, cut)] == [["a"], ["too slow"], []]
    assert [mailbox.is_cut for mailbox in (ended, dropped, cut)] == [False, False, True]
    dropped.drop("again")
    assert dropped.is_over
