"""The slots that clients without a credential share."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from gateway.api.grpc.health import ClientSlots


async def hold(slots: ClientSlots, peer: str) -> str:
    """Hold a slot until it is lost; return the address."""
    with pytest.raises(TimeoutError):
        async with slots.hold(peer):
            await asyncio.sleep(10)
    return peer


async def test_the_address_with_the_most_loses_its_oldest() -> None:
    """Beyond the limit, the address with the most slots loses the oldest of them, whatever the ports are."""
    slots = ClientSlots(3)
    held = [asyncio.create_task(hold(slots, f"ipv4:10.0.0.{address}")) for address in ("1:1", "2:1", "2:2")]
    await asyncio.sleep(0)
    async with slots.hold("ipv6:[::1]:1"):
        async with asyncio.timeout(10):
            assert await held[1] == "ipv4:10.0.0.2:1"
    async with slots.hold("ipv4:10.0.0.3:1"), AsyncExitStack() as stack:
        assert not held[0].done()
        assert not held[2].done()
        await stack.enter_async_context(slots.hold("ipv4:10.0.0.3:2"))
        async with asyncio.timeout(10):
            await asyncio.wait({held[0], held[2]}, return_when=asyncio.FIRST_COMPLETED)
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)


async def test_a_burst_is_served() -> None:
    """Slots that are held for a shorter time than the minimum are not lost, however many there are."""
    slots = ClientSlots(2, min_seconds=5)

    async def briefly(port: int) -> None:
        async with slots.hold(f"ipv4:10.0.0.1:{port}"):
            await asyncio.sleep(0.01)

    await asyncio.gather(*(briefly(port) for port in range(100)))


async def test_a_slot_is_lost_after_its_time() -> None:
    """A slot is lost after the maximum time, and beyond the limit after the minimum."""
    slots = ClientSlots(1, seconds=0.2, min_seconds=0.05)
    first, second = (asyncio.create_task(hold(slots, f"ipv4:10.0.0.1:{port}")) for port in (1, 2))
    await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED, timeout=5)
    assert second.done()
    assert await first
