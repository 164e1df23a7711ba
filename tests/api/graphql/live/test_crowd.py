"""Two thousand subscribers of one process."""

import asyncio
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession
from api.graphql.live.crowd import USER, Crowd, address, memory
from conftest import Running, command

SUBSCRIBERS, EVENTS = 2_000, 30


@pytest.fixture
def demo() -> Iterator[Running]:
    """Start a demo; raise the limit of open files for both processes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    try:
        with command("demo", "--http-port", "0", "--grpc-port", "off", "--no-rate-limits", last="{ user(") as running:
            yield running
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_two_thousand_subscribers(demo: Running) -> None:
    """All get every change once and in order; an idle one takes less than 30 KiB, and no socket is left at the end."""
    url = demo.address("GraphQL")
    async with ClientSession() as session:

        async def change(number: int) -> None:
            mutation = f'mutation {{ updateAccountUser(id: "{USER}", input: {{name: "n{number}"}}) {{ id }} }}'
            async with session.post(url, json={"query": mutation}) as answer:
                assert "errors" not in await answer.json()

        await change(0)
        crowd = Crowd(*address(url))
        await crowd.join(100)
        before, descriptors = memory(demo.pid), _descriptors(demo)
        await crowd.join(SUBSCRIBERS - 100)
        assert (memory(demo.pid) - before) / (SUBSCRIBERS - 100) < 30
        for number in range(EVENTS):
            await change(number)
        await crowd.until(EVENTS, 120)
        assert crowd.is_in_order()
        assert _descriptors(demo) >= descriptors + SUBSCRIBERS - 100
        await crowd.leave()
        async with asyncio.timeout(30):
            while _descriptors(demo) > descriptors - 100:  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.05)


def _descriptors(running: Running) -> int:
    return sum(1 for _ in Path(f"/proc/{running.pid}/fd").iterdir())
