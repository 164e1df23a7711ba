"""Memory and sockets of a process do not grow with the number of requests."""

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
from open_files import open_files

REQUESTS = int(os.environ.get("TEST_GROWTH_REQUESTS", "9000"))
_CONCURRENCY = 32
_WARM_UP = max(6_000, REQUESTS // 2)  # requests until all caches are full

USER = "query U($id: ID!) { user(id: $id, source: ACCOUNT) { name role { name permissions } department { name } } }"
ROLE = "query R($id: ID!) { role(id: $id) { name } }"
USERS = "query L($first: Int!) { users(first: $first) { nodes { name role { name } } pageInfo { endCursor } } }"
UPDATE = 'mutation ($name: String!) { updateAccountUser(id: "acus_adalovelace1", input: {name: $name}) { name } }'
WRONG = "{ nothing }"


def _request(rng: random.Random, number: int) -> dict[str, Any]:
    """Return a random request: a read, a list, a change, an error, or a document that is not repeated."""
    kind = rng.random()
    if kind < 0.4:
        return {"query": ROLE, "variables": {"id": "nobody"}}
    if kind < 0.5:
        return {"query": USER, "variables": {"id": rng.choice(["acus_adalovelace1", f"acus_nobody{number:06d}"])}}
    if kind < 0.55:
        return {"query": USERS, "variables": {"first": rng.randrange(1, 20)}}
    if kind < 0.65:
        return {"query": UPDATE, "variables": {"name": f"Ada {number}"}}
    if kind < 0.7:
        return {"query": WRONG}
    return {"query": f'query Once{number} {{ user(id: "acus_adalovelace1", source: ACCOUNT) {{ a{number}: name }} }}'}


async def _send(session: ClientSession, url: str, numbers: range) -> None:
    rng = random.Random(numbers.start)  # noqa: S311 - the same requests in each run
    remaining = ((number, _request(rng, number)) for number in numbers)

    async def send_sequentially() -> None:
        for number, request in remaining:
            async with session.post(url, json=request, headers={"X-Request-ID": str(number)}) as response:
                assert response.status == 200, await response.text()
                await response.read()

    await asyncio.gather(*(send_sequentially() for _ in range(_CONCURRENCY)))


def _memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def _sockets(pid: int) -> int:
    return sum(link.startswith("socket:") for link in open_files(pid))


@pytest.fixture
def served() -> Iterator[Running]:
    """`gateway serve` with the sandbox in another process, since the sandbox keeps a list of calls."""
    with command("sandbox", "--no-rate-limits", "--port", "0", last="control") as sandbox:
        environment = dict(re.findall(r"(GATEWAY_\w+)=(\S+)", sandbox.printed))
        environment |= {"GATEWAY_HTTP_PORT": "0", "GATEWAY_GRPC_PORT": "0", "GATEWAY_ACCOUNT__RATE_LIMIT": "100000"}
        environment |= {
            "GATEWAY_RESELLER__RATE_LIMIT": "100000",
            "GATEWAY_EVENTS_HELD": "100",
        }  # so that the event log is full soon
        environment |= {"GATEWAY_EVENTS_WINDOW": "5"}
        environment |= {
            "GATEWAY_DOCUMENTS__MEMORY": str(4 * 1024 * 1024),
            "GATEWAY_KEEP_MAX_BYTES": str(4 * 1024 * 1024),
        }
        with command("serve", last="metrics", **environment) as running:
            yield running


async def test_memory_does_not_grow(served: Running) -> None:
    """Memory is the same after many requests, a third of which send a document that is not repeated.

    On a busy machine some caches are not full after the warm-up: then it must be the same after the next ones. What is
    leaked grows each time.
    """
    running, url = served, served.address("GraphQL")
    sizes = []
    async with ClientSession(connector=TCPConnector(limit=_CONCURRENCY)) as session:
        await _send(session, url, range(_WARM_UP))
        sizes.append(_memory(running.pid))
        for first in range(_WARM_UP, _WARM_UP + 3 * REQUESTS, REQUESTS):
            await _send(session, url, range(first, first + REQUESTS))
            assert _sockets(running.pid) <= 4 * _CONCURRENCY  # one of the client, and one to each source
            sizes.append(_memory(running.pid))
            if sizes[-1] <= sizes[-2] * 1.05:
                break
    assert sizes[-1] <= sizes[-2] * 1.05, f"MB: {[round(size / 1e6, 1) for size in sizes]}"
