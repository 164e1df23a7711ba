"""Many callers under random faults: afterwards every acknowledged change is in its source once, and nothing else.

`TEST_SOAK_SECONDS` (12 by default, which keeps the suite short; 60 is a thorough run), `TEST_SOAK_SEED` and
`TEST_SOAK_CLIENT` (the HTTP client; by default the seed selects it) may be set. The figures are in the output of the
test (`pytest -rP`).
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
from conftest import FAST_PATH
from faults.callers import Caller, Tally
from faults.conftest import FaultyWorld
from faults.test_replicas import environment_of
from faults.toxic import Toxic
from redis.asyncio import Redis

from gateway.sandbox.store import Select
from gateway.sources.http.clients import CLIENTS

SECONDS = float(os.environ.get("TEST_SOAK_SECONDS", "12"))
SEED = int(os.environ.get("TEST_SOAK_SEED", str(random.SystemRandom().randrange(10**9))))
CLIENT = os.environ.get("TEST_SOAK_CLIENT", list(CLIENTS)[SEED % len(CLIENTS)])
CALLERS = 200
# The table of the users of each other source in the sandbox, and the column that the updates set.
TABLES = {"softwareone": ("marketplace_users", "first_name"), "reseller": ("reseller_users", "company")}
MAX_GROWTH = 1.05

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
# Only sources without prefetched users, which are kept in memory on purpose and within a bound.
LIST = "{ users(first: 5, filter: {sources: [SOFTWAREONE, RESELLER]}) { nodes { id } unavailable { code } } }"


def seeded(seed: float | str) -> random.Random:
    """Return a reproducible random generator."""
    return random.Random(seed)  # noqa: S311 - no secret depends on it


@dataclass(slots=True)
class Ledger:
    """What one caller received: the last acknowledged value of each of its records, and the users that it created."""

    values: dict[tuple[str, str], str] = field(default_factory=dict)
    created: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Child:
    """A gateway in another process (`measured.py`)."""

    process: asyncio.subprocess.Process
    url: str = ""

    async def read_report(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            line = await self.process.stdout.readline()
        assert line, "the gateway stopped unexpectedly"
        return json.loads(line)

    async def measure(self) -> dict[str, int]:
        assert self.process.stdin is not None
        self.process.stdin.write(b"?\n")
        return await self.read_report()


@asynccontextmanager
async def child(**environment: str) -> AsyncIterator[Child]:
    """Run `measured.py` until the block ends."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_") or name == FAST_PATH}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("measured.py")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=clean | environment | {"PYTHONTRACEMALLOC": "1"},
    )
    running = Child(process)
    try:
        running.url = (await running.read_report())["url"]
        yield running
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(60):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_soak(faulty_world: Callable[..., Any], redis_url: str) -> None:
    """With 200 callers under random faults, every acknowledged change is stored, nothing is repeated, nothing leaks."""
    sys.stdout.write(f"seed {SEED}, {CLIENT}\n")
    world = await faulty_world(users=CALLERS + 20, every={"timeout": 6, "try_timeout": 1.5})
    ids = {
        source: sorted(row["id"] for row in world.sandbox._parts.store.select(Select("id", table)))
        for source, (table, _) in TABLES.items()
    }
    before = {user["id"] for user in await world.accounts()}
    ledgers, tally, measures = [Ledger() for _ in range(CALLERS)], Tally(), []
    rng = seeded(SEED)
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
        # The idempotency records are in Redis, so that they do not count as memory of the process.
        client = {"GATEWAY_HTTP_CLIENT": CLIENT, "GATEWAY_REDIS_URL": redis_url}
        async with child(**environment_of(world), **client) as gateway:
            for share in (0.2, 0.4, 0.4):  # the first one is the warm-up
                await _run_phase(world, gateway.url, SECONDS * share, rng, ledgers, ids, tally)
                measures.append(await _measure_idle(gateway, redis))
    sys.stdout.write(f"{asdict(tally)}\n{measures}\n")
    warm, first, second = measures
    # No task, no connection of a client and no descriptor is left, except the connections to Redis.
    for name in ("tasks", "connections", "descriptors"):
        assert first[name] == second[name] == warm[name]
    # All memory of Python. Only the event log grows on purpose, within its bound.
    assert second["traced"] < first["traced"] * MAX_GROWTH
    sys.stdout.write(f"memory {second['traced'] / first['traced']:.4f}\n")
    await _check_sources(world, ledgers, before, ids)
    assert tally.changes > SECONDS * 5
    assert tally.failed_reads < tally.reads / 2


async def _run_phase(  # noqa: PLR0917 - the whole state of the test
    world: FaultyWorld,
    url: str,
    seconds: float,
    rng: random.Random,
    ledgers: list[Ledger],
    ids: dict[str, Any],
    tally: Tally,
) -> None:
    """Run callers and faults for some seconds; then remove the faults, until every caller has its response."""
    deadline = time.monotonic() + seconds
    for proxy in world.proxies.values():
        proxy.random_toxic = lambda: rng.choice(list(Toxic)) if rng.random() < 0.08 else None
    async with AsyncExitStack() as stack:
        workers = []
        for number, ledger in enumerate(ledgers):
            session = await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=0)))
            caller = Caller(session, url, seeded(rng.random()), tally, disconnect_rate=0.05)
            users = {source: keys[number] for source, keys in ids.items()}
            workers.append(asyncio.create_task(_work(caller, ledger, users, number, deadline)))
        faults = asyncio.create_task(_inject_faults(world, rng))
        await asyncio.wait(workers, timeout=seconds)
        faults.cancel()
        await asyncio.wait([faults])
        for proxy in world.proxies.values():
            proxy.heal()
        await (await world.session.delete(f"{world.control}/faults")).read()
        async with asyncio.timeout(60):
            await asyncio.gather(*workers)


async def _inject_faults(world: FaultyWorld, rng: random.Random) -> None:
    """Make the sources fail at random."""
    while True:
        fault: dict[str, Any] = {"kind": rng.choice(["status", "status", "slow", "html", "garbage"])}
        if fault["kind"] == "status":
            fault |= {"status": rng.choice([429, 500, 502, 503, 504]), "retryAfter": rng.choice([0, 0, 0, 1])}
        if fault["kind"] == "slow":
            # Less than the timeout of an attempt, so that no change arrives after the next one of its caller.
            fault["delay"] = 0.2
        await world.fault(source=rng.choice(list(world.proxies)), times=rng.randint(1, 3), **fault)
        await asyncio.sleep(rng.uniform(0.3, 0.9))


async def _work(caller: Caller, ledger: Ledger, users: dict[str, str], number: int, deadline: float) -> None:
    """Make random requests for one caller until the deadline."""
    rng = caller.rng
    created = len(ledger.created)
    pause = rng.uniform(0, 1)
    while time.monotonic() + pause < deadline:
        # A rate that a traced process on one core sustains: the delays are to come from the faults.
        await asyncio.sleep(pause)
        pause = rng.uniform(0.5, 3.5)
        source = rng.choice(["account", "softwareone", "reseller"])
        user = (
            rng.choice(list(ledger.created.values())) if source == "account" and ledger.created else users.get(source)
        )
        kind = rng.random()
        if user is None or kind < 0.1:
            created += 1
            email = f"caller-{number}-{created}@soak.example"
            record = await caller.change(CREATE, {"v": email})
            assert record["email"] == email
            ledger.created[email] = record["sourceId"]
            ledger.values["account", record["sourceId"]] = email
        elif kind < 0.45:
            value = f"v{rng.getrandbits(48):x}"
            record = await caller.change(UPDATES[source], {"id": user, "v": value})
            assert record == {"sourceId": user, "v": value}
            ledger.values[source, user] = value
        elif kind < 0.55:
            await caller.read(LIST)
        else:
            data = await caller.read(DEEP if kind < 0.7 else READ, {"id": user, "s": source.upper()})
            assert data is None or data["user"]["sourceId"] == user


async def _measure_idle(gateway: Child, redis: Redis) -> dict[str, int]:
    """Return the measures of the gateway once nothing is running; its connections to Redis are not counted."""
    measures: list[dict[str, int]] = []
    for _ in range(100):
        measures.append(await gateway.measure())
        measures[-1]["descriptors"] -= (await redis.info("clients"))["connected_clients"]
        last = [(measure["tasks"], measure["descriptors"]) for measure in measures[-4:]]
        if len(last) == 4 and len(set(last)) == 1:
            break
        await asyncio.sleep(0.1)
    return measures[-1]


async def _check_sources(world: FaultyWorld, ledgers: list[Ledger], before: set[str], ids: dict[str, Any]) -> None:
    """Check that the sources contain exactly what was acknowledged."""
    new = [user for user in await world.accounts() if user["id"] not in before]
    assert {email: n for email, n in Counter(user["user"]["email"] for user in new).items() if n > 1} == {}
    created = {email: key for ledger in ledgers for email, key in ledger.created.items()}
    assert {user["user"]["email"]: user["id"] for user in new} == created
    stored = {("account", user["id"]): user["user"]["name"] for user in new}
    acknowledged = {key: value for ledger in ledgers for key, value in ledger.values.items()}
    for source, (table, column) in TABLES.items():
        rows = world.sandbox._parts.store.select(Select(f"id, {column} AS value", table))
        assert {row["id"] for row in rows} == set(ids[source])
        # Each value of the test was acknowledged; a user without an acknowledged change has its former value.
        stored |= {(source, row["id"]): row["value"] for row in rows if (source, row["id"]) in acknowledged}
        assert not any((row["value"] or "").startswith("v") and (source, row["id"]) not in acknowledged for row in rows)
    assert stored == acknowledged


@pytest.mark.parametrize("lost", [Toxic.RESET_AFTER, Toxic.HALF_BODY])
async def test_lost_responses(faulty_world: Callable[..., Any], lost: Toxic) -> None:
    """A thousand creates with keys, of which 30 % of the responses are lost, create a thousand users, each once."""
    sys.stdout.write(f"seed {SEED}\n")
    count = 1_000 if lost is Toxic.RESET_AFTER else 200
    world = await faulty_world(account={"timeout": 20})
    rng, tally, losing = seeded(SEED), Tally(), []

    def random_toxic() -> Toxic | None:
        # Three of each ten, in any order: by chance alone, a series of them could open the circuit.
        if not losing:
            losing.extend(rng.sample([lost] * 3 + [None] * 7, 10))
        return losing.pop()

    world.proxies["account"].random_toxic = random_toxic
    concurrency = asyncio.Semaphore(50)

    async def create(number: int) -> dict[str, Any]:
        caller = Caller(world.session, world.url, seeded(f"{SEED} {number}"), tally)
        async with concurrency:
            return await caller.change(CREATE, {"v": f"lost-{number}@soak.example"})

    users = await asyncio.gather(*map(create, range(count)))
    proxy = world.proxies["account"]
    sys.stdout.write(f"{asdict(tally)} {proxy.accepted} calls, {proxy.faulty} responses lost\n")
    assert [user["email"] for user in users] == [f"lost-{number}@soak.example" for number in range(count)]
    stored = [user for user in await world.accounts() if (user["user"]["email"] or "").endswith("@soak.example")]
    assert len(stored) == count
    assert {user["user"]["email"]: user["id"] for user in stored} == {user["email"]: user["sourceId"] for user in users}
    assert proxy.faulty >= count * 0.3
