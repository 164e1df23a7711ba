"""Many callers, random faults, and afterwards the books: what was acknowledged is there, once, and nothing else.

`GATEWAY_SOAK_SECONDS` (default 12, so that the whole suite stays short; issue 4 asks for 60),
`GATEWAY_SOAK_SEED` and `GATEWAY_SOAK_CLIENT` (the HTTP client, by default the seed's choice) may be set. The numbers
are in the test's output (`pytest -rP`).
"""

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from faults.callers import Caller, Tally
from faults.conftest import Troubled
from faults.test_replicas import of_process
from faults.toxic import Toxic
from redis.asyncio import Redis

from gateway.sandbox.store import Select
from gateway.sources.http.clients import CLIENTS

SECONDS = float(os.environ.get("GATEWAY_SOAK_SECONDS", "12"))
SEED = int(os.environ.get("GATEWAY_SOAK_SEED", str(random.SystemRandom().randrange(10**9))))
CLIENT = os.environ.get("GATEWAY_SOAK_CLIENT", list(CLIENTS)[SEED % len(CLIENTS)])
CALLERS = 200
# Where each of the sandbox's other systems keeps its users, and the column that the updates set.
TABLES = {"softwareone": ("marketplace_users", "first_name"), "reseller": ("reseller_users", "company")}
GROWTH = 1.05

CREATE = "mutation ($v: String!) { createAccountUser(input: {email: $v, name: $v}) { sourceId email } }"
UPDATES = {
    "account": (
        "mutation ($id: ID!, $v: String!) { updateAccountUser(id: $id, input: {name: $v}) { sourceId v: name } }"
    ),
    "softwareone": (
        "mutation ($id: ID!, $v: String!) { updateSoftwareOneUser(id: $id, input: {firstName: $v}) "
        "{ sourceId v: firstName } }"
    ),
    "reseller": (
        "mutation ($id: ID!, $v: String!) { updateResellerUser(id: $id, input: {company: $v}) { sourceId v: company } }"
    ),
}
READ = "query ($id: ID!, $s: UserSource!) { user(id: $id, source: $s) { sourceId name } }"
DEEP = "query ($id: ID!, $s: UserSource!) { user(id: $id, source: $s) { sourceId role { name owner { type } } } }"
# Of what does not grow: pages that were read ahead are kept by their cursors, on purpose and within a bound.
LIST = "{ users(first: 5, filter: {sources: [SOFTWAREONE, RESELLER]}) { nodes { id } unavailable { code } } }"


def dice(seed: float | str) -> random.Random:
    """Chance that can be had again."""
    return random.Random(seed)  # noqa: S311 - no secret depends on it


@dataclass(slots=True)
class Book:
    """What one caller was told: the last acknowledged value of each of its records, and the users it made."""

    values: dict[tuple[str, str], str] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Child:
    """The gateway in its own process."""

    process: asyncio.subprocess.Process
    url: str = ""

    async def told(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            line = await self.process.stdout.readline()
        assert line, "the gateway ended by itself"
        return json.loads(line)

    async def measured(self) -> dict[str, int]:
        assert self.process.stdin is not None
        self.process.stdin.write(b"?\n")
        return await self.told()


@asynccontextmanager
async def child(**environment: str) -> AsyncIterator[Child]:
    """Run `measured.py` until the block ends."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("measured.py")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=clean | environment | {"PYTHONTRACEMALLOC": "1"},
    )
    running = Child(process)
    try:
        running.url = (await running.told())["url"]
        yield running
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(20):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_soak(troubled: Callable[..., Any], redis_url: str) -> None:
    """Two hundred callers under random faults: every acknowledged change is there, nothing is twice, nothing leaks."""
    sys.stdout.write(f"seed {SEED}, {CLIENT}\n")
    world = await troubled(users=CALLERS + 20, every={"timeout": 6, "try_timeout": 1.5})
    ids = {
        source: sorted(row["id"] for row in world.sandbox._store.select(Select("id", table)))
        for source, (table, _) in TABLES.items()
    }
    before = {one["id"] for one in await world.accounts()}
    books, tally, measures = [Book() for _ in range(CALLERS)], Tally(), []
    rng = dice(SEED)
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
        # The records are in Redis: what stays in the process is what a process keeps without them.
        client = {"GATEWAY_HTTP_CLIENT": CLIENT, "GATEWAY_REDIS_URL": redis_url}
        async with child(**of_process(world), **client) as gateway:
            for share in (0.2, 0.4, 0.4):  # the first warms up
                await _a_while(world, gateway.url, SECONDS * share, rng, books, ids, tally)
                measures.append(await _quiet(gateway, redis))
    sys.stdout.write(f"{asdict(tally)}\n{measures}\n")
    warm, first, second = measures
    # Nothing is left over: no task, no connection of a client's, no descriptor but those that are kept to Redis.
    for name in ("tasks", "connections", "descriptors"):
        assert first[name] == second[name] == warm[name]
    # Of all that Python holds. What grows on purpose, within bounds of its own, is the log of events.
    assert second["traced"] < first["traced"] * GROWTH
    sys.stdout.write(f"memory {second['traced'] / first['traced']:.4f}\n")
    await _balance(world, books, before, ids)
    assert tally.changes > SECONDS * 5
    assert tally.failed_reads < tally.reads / 2


async def _a_while(  # noqa: PLR0917 - all of the stage
    world: Troubled, url: str, seconds: float, rng: random.Random, books: list[Book], ids: dict[str, Any], tally: Tally
) -> None:
    """Callers and faults for so long; then health, until every caller has its answer."""
    until = time.monotonic() + seconds
    for proxy in world.proxies.values():
        proxy.whim = lambda: rng.choice(list(Toxic)) if rng.random() < 0.08 else None
    async with AsyncExitStack() as stack:
        working = []
        for number, book in enumerate(books):
            session = await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=0)))
            caller = Caller(session, url, dice(rng.random()), tally, leaves=0.05)
            own = {source: keys[number] for source, keys in ids.items()}
            working.append(asyncio.create_task(_work(caller, book, own, number, until)))
        trouble = asyncio.create_task(_trouble(world, rng))
        await asyncio.wait(working, timeout=seconds)
        trouble.cancel()
        await asyncio.wait([trouble])
        for proxy in world.proxies.values():
            proxy.heal()
        await (await world.session.delete(f"{world.control}/faults")).read()
        async with asyncio.timeout(60):
            await asyncio.gather(*working)


async def _trouble(world: Troubled, rng: random.Random) -> None:
    """What the sources themselves do wrong."""
    while True:
        fault: dict[str, Any] = {"kind": rng.choice(["status", "status", "slow", "html", "garbage"])}
        if fault["kind"] == "status":
            fault |= {"status": rng.choice([429, 500, 502, 503, 504]), "retryAfter": rng.choice([0, 0, 0, 1])}
        if fault["kind"] == "slow":
            fault["delay"] = 0.2  # short of a try's time: no change comes late, after its caller's next
        await world.fault(source=rng.choice(list(world.proxies)), times=rng.randint(1, 3), **fault)
        await asyncio.sleep(rng.uniform(0.3, 0.9))


async def _work(caller: Caller, book: Book, own: dict[str, str], number: int, until: float) -> None:
    rng = caller.rng
    made = len(book.made)
    pause = rng.uniform(0, 1)
    while time.monotonic() + pause < until:
        # As often as a traced process on one core can answer: what is to be waited for are the faults.
        await asyncio.sleep(pause)
        pause = rng.uniform(0.5, 3.5)
        source = rng.choice(["account", "softwareone", "reseller"])
        mine = rng.choice(list(book.made.values())) if source == "account" and book.made else own.get(source)
        kind = rng.random()
        if mine is None or kind < 0.1:
            made += 1
            email = f"caller-{number}-{made}@soak.example"
            record = await caller.change(CREATE, {"v": email})
            assert record["email"] == email
            book.made[email] = record["sourceId"]
            book.values["account", record["sourceId"]] = email
        elif kind < 0.45:
            value = f"v{rng.getrandbits(48):x}"
            record = await caller.change(UPDATES[source], {"id": mine, "v": value})
            assert record == {"sourceId": mine, "v": value}
            book.values[source, mine] = value
        elif kind < 0.55:
            await caller.read(LIST)
        else:
            data = await caller.read(DEEP if kind < 0.7 else READ, {"id": mine, "s": source.upper()})
            assert data is None or data["user"]["sourceId"] == mine


async def _quiet(gateway: Child, redis: Redis) -> dict[str, int]:
    """The gateway's measures once nothing is under way any more; its connections to Redis are no leak."""
    seen: list[dict[str, int]] = []
    for _ in range(100):
        seen.append(await gateway.measured())
        seen[-1]["descriptors"] -= (await redis.info("clients"))["connected_clients"]
        last = [(one["tasks"], one["descriptors"]) for one in seen[-4:]]
        if len(last) == 4 and len(set(last)) == 1:
            break
        await asyncio.sleep(0.1)
    return seen[-1]


async def _balance(world: Troubled, books: list[Book], before: set[str], ids: dict[str, Any]) -> None:
    """The sources' state is what was acknowledged, exactly."""
    there = [one for one in await world.accounts() if one["id"] not in before]
    assert {email: n for email, n in Counter(one["user"]["email"] for one in there).items() if n > 1} == {}
    made = {email: key for book in books for email, key in book.made.items()}
    assert {one["user"]["email"]: one["id"] for one in there} == made
    stored = {("account", one["id"]): one["user"]["name"] for one in there}
    told = {key: value for book in books for key, value in book.values.items()}
    for source, (table, column) in TABLES.items():
        rows = world.sandbox._store.select(Select(f"id, {column} AS value", table))
        assert {row["id"] for row in rows} == set(ids[source])
        # A value of a soak's is one that was told; who had none has the one of before.
        stored |= {(source, row["id"]): row["value"] for row in rows if (source, row["id"]) in told}
        assert not any((row["value"] or "").startswith("v") and (source, row["id"]) not in told for row in rows)
    assert stored == told


@pytest.mark.parametrize("lost", [Toxic.RESET_AFTER, Toxic.HALF_BODY])
async def test_lost_answers(troubled: Callable[..., Any], lost: Toxic) -> None:
    """A thousand keyed creates, three in ten answers lost: a thousand users, nobody twice, everybody's own answer."""
    sys.stdout.write(f"seed {SEED}\n")
    count = 1_000 if lost is Toxic.RESET_AFTER else 200
    world = await troubled(account={"timeout": 20})
    rng, tally, losing = dice(SEED), Tally(), []

    def whim() -> Toxic | None:
        # Three of each ten, in any order: by chance alone so many could follow each other that a circuit opens.
        if not losing:
            losing.extend(rng.sample([lost] * 3 + [None] * 7, 10))
        return losing.pop()

    world.proxies["account"].whim = whim
    waiting = asyncio.Semaphore(50)

    async def create(number: int) -> dict[str, Any]:
        caller = Caller(world.session, world.url, dice(f"{SEED} {number}"), tally)
        async with waiting:
            return await caller.change(CREATE, {"v": f"lost-{number}@soak.example"})

    answers = await asyncio.gather(*map(create, range(count)))
    proxy = world.proxies["account"]
    sys.stdout.write(f"{asdict(tally)} {proxy.accepted} calls, {proxy.troubled} answers lost\n")
    assert [one["email"] for one in answers] == [f"lost-{number}@soak.example" for number in range(count)]
    there = [one for one in await world.accounts() if (one["user"]["email"] or "").endswith("@soak.example")]
    assert len(there) == count
    assert {one["user"]["email"]: one["id"] for one in there} == {one["email"]: one["sourceId"] for one in answers}
    assert proxy.troubled >= count * 0.3
