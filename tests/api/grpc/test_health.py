"""The slots that clients without a credential share, and what a watch is sent."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from grpc_health.v1 import health_pb2

from gateway.api.grpc.health import ClientSlots, Health


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
        async with asyncio.timeout(30):
            assert await held[1] == "ipv4:10.0.0.2:1"
    async with slots.hold("ipv4:10.0.0.3:1"), AsyncExitStack() as stack:
        assert not held[0].done()
        assert not held[2].done()
        await stack.enter_async_context(slots.hold("ipv4:10.0.0.3:2"))
        async with asyncio.timeout(30):
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
    await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
    assert second.done()
    assert await first


class SlowContext:
    """The context of a watch, whose responses are written when the test lets them be."""

    def __init__(self, service: str) -> None:
        self._request = health_pb2.HealthCheckRequest(service=service).SerializeToString()
        self.written: list[str] = []
        self.writes, self.may_continue = asyncio.Event(), asyncio.Event()

    def peer(self) -> str:
        return "ipv4:10.0.0.1:1"

    async def read(self) -> bytes:
        return self._request

    async def write(self, response: Any) -> None:
        self.written.append(health_pb2.HealthCheckResponse.ServingStatus.Name(response.status))
        self.writes.set()
        await self.may_continue.wait()


@pytest.mark.parametrize(("service", "sent"), [("", ["SERVING", "NOT_SERVING"]), ("other", ["SERVICE_UNKNOWN"])])
async def test_draining_while_a_watch_begins(service: str, sent: list[str]) -> None:
    """A watch learns that the server drains, also if its first response is only being written then."""
    health, context = Health(()), SlowContext(service)
    watching = asyncio.create_task(health.watch(context))
    async with asyncio.timeout(20):
        await context.writes.wait()
        health.drain()
        health.close_watches()
        context.may_continue.set()
        await watching
    assert context.written == sent
