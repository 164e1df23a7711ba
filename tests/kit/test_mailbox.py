"""The bounded queue of one client."""

import asyncio

import pytest

from gateway.kit.mailbox import Mailbox


async def test_a_timeout_loses_nothing() -> None:
    """Waiting with timeouts that expire again and again loses no item and keeps the order."""
    mailbox: Mailbox[int] = Mailbox(5)

    async def fill() -> None:
        for number in range(200):
            await mailbox.put(number)
            if number % 7 == 0:
                await asyncio.sleep(0.001)
        mailbox.close()

    filling = asyncio.ensure_future(fill())
    read = []
    while not mailbox.is_exhausted:
        item = await mailbox.next_within(0.0005)
        if item is not None:
            read.append(item)
    await filling
    assert read == list(range(200))


async def test_a_cancelled_reader() -> None:
    """An item that is added in the moment when its reader is cancelled stays for the next reader."""
    mailbox: Mailbox[str] = Mailbox(5)
    reading = asyncio.ensure_future(anext(mailbox))
    await asyncio.sleep(0)
    mailbox.offer("a")
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await anext(mailbox) == "a"


async def test_a_full_queue() -> None:
    """`put` waits until the queue is not full; closing the queue ends all waiting, and no more items are accepted."""
    mailbox: Mailbox[int] = Mailbox(1)
    await mailbox.put(1)
    putting = [asyncio.ensure_future(mailbox.put(number)) for number in (2, 3)]
    await asyncio.sleep(0)
    assert mailbox.is_full
    assert [await anext(mailbox), await anext(mailbox)] == [1, 2]
    await putting[0]
    mailbox.close()
    await putting[1]
    assert [item async for item in mailbox] in ([], [3])
    await mailbox.put(4)
    assert mailbox.is_exhausted


async def test_ways_to_close() -> None:
    """After `close` the items can be read, after `close_with` only the last one, after `abort` none."""
    closed, replaced, aborted = (Mailbox[str](2) for _ in range(3))
    for mailbox in (closed, replaced, aborted):
        mailbox.offer("a")
    closed.close()
    replaced.close_with("too slow")
    aborted.abort()
    assert [[item async for item in mailbox] for mailbox in (closed, replaced, aborted)] == [["a"], ["too slow"], []]
    assert [mailbox.is_aborted for mailbox in (closed, replaced, aborted)] == [False, False, True]
    replaced.close_with("again")
    assert replaced.is_exhausted
