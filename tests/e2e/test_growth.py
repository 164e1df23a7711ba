"""Nothing grows: memory, tasks and sockets stay what they are, however many requests come."""

import asyncio
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from conftest import Running, command

REQUESTS = int(os.environ.get("GATEWAY_GROWTH_REQUESTS", "9000"))
_AT_ONCE = 32
_WARM = max(6_000, REQUESTS // 10)  # requests until caches are as full as they get

USER = "query U($id: ID!) { user(id: $id, source: ACCOUNT) { name role { name permissions } department { name } } }"
ROLE = "query R($id: ID!) { role(id: $id) { name } }"
USERS = "query L($first: Int!) { users(first: $first) { nodes { name role { name } } pageInfo { endCursor } } }"
UPDATE = 'mutation ($name: String!) { updateAccountUser(id: "acus_adalovelace1", input: {name: $name}) { name } }'
WRONG = "{ nothing }"


def _request(chance: random.Random, number: int) -> dict[str, Any]:
    """One of a mix: reads, lists, changes, mistakes, and documents that never come again."""
    kind = chance.random()
    if kind < 0.4:
        return {"query": ROLE, "variables": {"id": "nobody"}}
    if kind < 0.5:
        return {"query": USER, "variables": {"id": chance.choice(["acus_adalovelace1", f"acus_nobody{number:06d}"])}}
    if kind < 0.55:
        return {"query": USERS, "variables": {"first": chance.randrange(1, 20)}}
    if kind < 0.65:
        return {"query": UPDATE, "variables": {"name": f"Ada {number}"}}
    if kind < 0.7:
        return {"query": WRONG}
    return {"query": f'query Once{number} {{ user(id: "acus_adalovelace1", source: ACCOUNT) {{ a{number}: name }} }}'}


async def _send(session: ClientSession, url: str, numbers: range) -> None:
    chance = random.Random(numbers.start)  # noqa: S311 - the same mix every time
    left = ((number, _request(chance, number)) for number in numbers)

    async def one_after_another() -> None:
        for number, request in left:
            async with session.post(url, json=request, headers={"X-Request-ID": str(number)}) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()

    await asyncio.gather(*(one_after_another() for _ in range(_AT_ONCE)))


def _memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def _sockets(pid: int) -> int:
    return sum("socket:" in str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir())


@pytest.fixture
def served() -> Iterator[Running]:
    """`gateway serve` by itself: its sandbox is another process, for that one keeps a log."""
    with command("sandbox", "--no-rate-limits", "--port", "0", last="control") as sandbox:
        own = dict(re.findall(r"(GATEWAY_\w+)=(\S+)", sandbox.printed))
        own |= {"GATEWAY_HTTP_PORT": "0", "GATEWAY_GRPC_PORT": "0", "GATEWAY_ACCOUNT__RATE_LIMIT": "100000"}
        own |= {"GATEWAY_RESELLER__RATE_LIMIT": "100000", "GATEWAY_EVENTS_HELD": "100"}  # what is held is no growth
        own |= {"GATEWAY_EVENTS_WINDOW": "5"}
        own |= {"GATEWAY_DOCUMENTS__MEMORY": str(4 * 1024 * 1024)}
        with command("serve", last="metrics", **own) as running:
            yield running


async def test_nothing_grows(served: Running) -> None:
    """After a mix of many requests, a third of which send a document that never comes again, memory is what it was."""
    running, url = served, served.address("GraphQL")
    async with ClientSession(connector=TCPConnector(limit=_AT_ONCE)) as session:
        await _send(session, url, range(_WARM))
        before = _memory(running.pid)
        await _send(session, url, range(_WARM, max(REQUESTS, _WARM + 2_000)))
        after = _memory(running.pid)
        assert _sockets(running.pid) <= 4 * _AT_ONCE  # a caller's, and one to each system
    assert after <= before * 1.05, f"{before / 1e6:.1f} MB became {after / 1e6:.1f} MB"
