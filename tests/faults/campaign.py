"""Concurrent clients of two replicas, while sources, Redis and replicas fail; everything they receive is recorded."""

import asyncio
import json
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from faults.disruptions import Disruptions
from faults.history import Attempt, Change, Delivery, Follower, History, Sight, Walk
from faults.replica import Replica, environment_of
from faults.sending import send_by_graphql, send_by_grpc, signed_webhook
from faults.stand_in import FIELDS, Fault, StandIn
from state.server import RedisServer

__all__ = ["Campaign"]

_RESPONSE_TIMEOUT = 12.0
_MAX_ATTEMPTS = 12
_STABLE, _CONTENDED = 40, 5  # users of each source: those that stay, and those of them that are changed
_WRITERS, _READERS, _WALKERS, _FOLLOWERS = 8, 4, 3, 4
_FAULT_RATE = 0.15
_SHORT = [0.001, 0.003, 0.01, 0.1]  # seconds until a deadline
_SENDERS = 8  # of one change at the same time
_TRANSPORT_ERRORS = (ClientError, TimeoutError, ConnectionError)

_READ = "query ($id: ID!, $s: UserSource!) { user(id: $id, source: $s) { name firstName company } }"
_LIST = (
    "query ($after: String) { users(first: 7, after: $after) "
    "{ nodes { source sourceId } pageInfo { hasNextPage endCursor } unavailable { code } } }"
)
_FOLLOW = (
    "subscription ($after: String) { userChanged(after: $after) "
    "{ id change user { source sourceId name firstName company } } }"
)


@dataclass(slots=True)
class Campaign:
    """One run. All decisions depend on `rng`, the order of events on the machine."""

    rng: random.Random
    sources: StandIn
    redis: RedisServer
    replicas: list[Replica]
    session: ClientSession
    flushes: bool
    history: History = field(default_factory=History)
    _stable: set[str] = field(default_factory=set)
    _contended: dict[str, list[str]] = field(default_factory=dict)
    _numbers: int = 0

    @classmethod
    @asynccontextmanager
    async def running(
        cls, rng: random.Random, sources: StandIn, redis: RedisServer, folder: Path, *, flushes: bool = False
    ) -> AsyncIterator["Campaign"]:
        """Start Redis and two replicas in front of the sources, until the block ends."""
        async with AsyncExitStack() as stack:
            redis.start()
            stack.callback(redis.stop)
            environment = environment_of(sources.url, redis.url)
            replicas = [Replica(environment, folder / f"replica-{number}.log") for number in range(2)]
            for replica in replicas:
                stack.push_async_callback(replica.stop, signal.SIGTERM)
                await replica.start()
            connector = TCPConnector(limit=0, force_close=True)
            timeout = ClientTimeout(total=None)
            session = await stack.enter_async_context(ClientSession(connector=connector, timeout=timeout))
            campaign = cls(rng, sources, redis, replicas, session, flushes)
            for source in FIELDS:
                users = [sources.add(source) for _ in range(_STABLE)]
                campaign._stable |= {f"{source} {user}" for user in users}
                campaign._contended[source] = users[:_CONTENDED]
            yield campaign

    async def run(self, seconds: float) -> None:
        """Run clients and failures, end the failures, and wait until every follower has had time to receive all."""
        async with asyncio.TaskGroup() as group:
            starting = [asyncio.Event() for _ in range(_FOLLOWERS)]
            self.history.followers += [Follower() for _ in starting]
            followers = [
                group.create_task(self._follow(follower, number % 2, starting[number]))
                for number, follower in enumerate(self.history.followers)
            ]
            async with asyncio.timeout(60):
                for started in starting:
                    await started.wait()
            await asyncio.sleep(1.5)  # until the time in which an event may be missed has passed
            self.sources.choose_fault = self._choose_fault
            webhooks: set[asyncio.Task[None]] = set()

            def send_webhook(source: str, user: dict[str, Any]) -> None:
                if source == "reseller":
                    task = group.create_task(self._send_webhook(user))
                    webhooks.add(task)
                    task.add_done_callback(webhooks.discard)

            self.sources.on_change = send_webhook
            deadline = time.monotonic() + seconds
            clients = [
                *(group.create_task(self._write(deadline)) for _ in range(_WRITERS)),
                *(group.create_task(self._read(deadline, number % 2)) for number in range(_READERS)),
                *(group.create_task(self._walk(deadline)) for _ in range(_WALKERS)),
                group.create_task(self._churn(deadline)),
            ]
            await self._break_things(deadline)
            self.sources.choose_fault = lambda _source, _writes: None
            await asyncio.wait(clients)
            while webhooks:
                await asyncio.wait(webhooks)
            await self._settle()
            self.sources.on_change = lambda _source, _user: None
            for follower in followers:
                follower.cancel()

    # Failures

    def _choose_fault(self, _source: str, writes: bool) -> Fault | None:  # noqa: FBT001 - the interface of the stand-in
        if self.rng.random() >= _FAULT_RATE:
            return None
        return self.rng.choice(
            list(Fault)
            if writes
            else [Fault.CLOSED_BEFORE, Fault.SLOW, Fault.HALF_BODY, Fault.LATE, Fault.OTHER_RECORD]
        )

    async def _break_things(self, deadline: float) -> None:
        """Disturb Redis and replicas, one after the other, until the deadline."""
        disruptions = Disruptions(self.rng, self.redis, self.replicas)
        while True:
            wait = self.rng.uniform(0.5, 1.5)
            if time.monotonic() + wait > deadline:
                await asyncio.sleep(max(0.0, deadline - time.monotonic()))
                return
            await asyncio.sleep(wait)
            if await disruptions.cause_one(flushes=self.flushes):
                self.history.forgotten.append(time.monotonic())

    # Clients

    async def _write(self, deadline: float) -> None:
        rng = random.Random(self.rng.random())  # noqa: S311 - no secret depends on it
        while time.monotonic() < deadline:
            self._numbers += 1
            source = rng.choice(list(FIELDS))
            creates = source == "account" and rng.random() < 0.3
            value = f"new-{self._numbers}@campaign.example" if creates else f"v{self._numbers}"
            user = "" if creates else rng.choice(self._contended[source])
            change = Change(source, user, value, keyed=rng.random() < 0.9)
            self.history.changes.append(change)
            if change.keyed and rng.random() < 0.1:
                await self._carry_out_at_once(change, rng, creates=creates)
            else:
                await self._carry_out(change, rng, creates=creates)
            await asyncio.sleep(rng.uniform(0, 0.3))

    async def _carry_out_at_once(self, change: Change, rng: random.Random, *, creates: bool) -> None:
        """Send one change under one key from several clients at the same time."""
        each = [Change(change.source, change.user, change.value) for _ in range(_SENDERS)]
        seeds = [rng.random() for _ in each]
        await asyncio.gather(
            *(
                self._carry_out(sent, random.Random(seed), creates=creates)  # noqa: S311 - no secret depends on it
                for sent, seed in zip(each, seeds, strict=True)
            )
        )
        # One client cannot know what the others have caused: a refusal is only untrue if it is one of the last ones.
        attempts = [attempt for sent in each for attempt in sent.attempts]
        change.attempts += sorted(
            (replace(a, unknown=a.unknown or a.code is not None) for a in attempts), key=lambda a: a.ended
        )
        change.user = next((sent.user for sent in each if sent.user), change.user)
        self.history.replica_of.pop(change.value, None)  # more than one

    async def _carry_out(self, change: Change, rng: random.Random, *, creates: bool) -> None:
        """Send a change under one key until its outcome is known; now and then leave before the response."""
        for _ in range(_MAX_ATTEMPTS if change.keyed else 1):
            number = rng.randrange(2)
            patience = rng.uniform(0.01, 0.5) if rng.random() < 0.1 else _RESPONSE_TIMEOUT
            deadline = rng.choice(_SHORT) if rng.random() < 0.1 else _RESPONSE_TIMEOUT
            send = send_by_grpc if rng.random() < 0.3 and not creates else send_by_graphql
            began = time.monotonic()
            try:
                async with asyncio.timeout(patience):
                    record, extensions = await send(self.session, self.replicas[number], change, deadline)
            except _TRANSPORT_ERRORS:
                change.attempts.append(Attempt(began, time.monotonic(), unknown=True))
                await asyncio.sleep(0.1)
                continue
            ended = time.monotonic()
            if record is not None:
                change.user = record
                change.attempts.append(Attempt(began, ended))
                self.history.replica_of[change.value] = number
                return
            unknown = extensions.get("outcome") == "unknown" or extensions["code"] == "IDEMPOTENCY_IN_PROGRESS"
            change.attempts.append(Attempt(began, ended, extensions["code"], unknown))
            if not (unknown or extensions.get("retryable")):
                return
            await asyncio.sleep(min(extensions.get("retryAfter", 0.2), 2.0) * rng.uniform(1, 1.5))

    async def _send_webhook(self, user: dict[str, Any]) -> None:
        """Send the webhook of a change until a replica accepts it, and now and then once more."""
        await asyncio.sleep(self.rng.uniform(0, 0.5))
        body, headers = signed_webhook(user)
        left = self.rng.choice([1, 1, 1, 2])
        while left:
            with suppress(*_TRANSPORT_ERRORS):
                url = f"{self.rng.choice(self.replicas).url}/webhooks/reseller"
                async with (
                    asyncio.timeout(_RESPONSE_TIMEOUT),
                    self.session.post(url, data=body, headers=headers) as response,
                ):
                    assert response.status in {200, 503}, await response.text()
                    left -= response.status == 200
            await asyncio.sleep(0.2)

    async def _read(self, deadline: float, number: int) -> None:
        rng = random.Random(self.rng.random())  # noqa: S311 - no secret depends on it
        while time.monotonic() < deadline:
            source = rng.choice(list(FIELDS))
            await self._look(number, source, rng.choice(self._contended[source]))
            await asyncio.sleep(rng.uniform(0, 0.1))

    async def _look(self, number: int, source: str, user: str) -> None:
        began = time.monotonic()
        with suppress(*_TRANSPORT_ERRORS):
            answer = await self._graphql(number, _READ, {"id": user, "s": source.upper()}, _RESPONSE_TIMEOUT)
            record = (answer.get("data") or {}).get("user")
            if record is not None:
                value = record[FIELDS[source]]
                self.history.sights.append(Sight(number, source, user, value, began, time.monotonic()))
            else:
                assert answer.get("errors"), f"{source} {user} is there, but was null"

    async def _walk(self, deadline: float) -> None:
        """Walk through the list of all users, each page at any replica, as long as all sources are available."""
        rng = random.Random(self.rng.random())  # noqa: S311 - no secret depends on it
        while time.monotonic() < deadline:
            found: list[str] = []
            after, complete = None, False
            for _ in range(200):
                try:
                    answer = await self._graphql(rng.randrange(2), _LIST, {"after": after}, _RESPONSE_TIMEOUT)
                except _TRANSPORT_ERRORS:
                    continue  # the same page again
                page = (answer.get("data") or {}).get("users")
                if page is None or page["unavailable"]:
                    continue  # the same page again: a page without a source skips that one
                found += [f"{node['source'].lower()} {node['sourceId']}" for node in page["nodes"]]
                if not page["pageInfo"]["hasNextPage"]:
                    complete = True
                    break
                after = page["pageInfo"]["endCursor"]
                await asyncio.sleep(rng.uniform(0, 0.05))
            if complete:
                self.history.walks.append(Walk(found, frozenset(self._stable)))

    async def _churn(self, deadline: float) -> None:
        """Add and remove users in the sources while others list them."""
        rng = random.Random(self.rng.random())  # noqa: S311 - no secret depends on it
        added: list[tuple[str, str]] = []
        while time.monotonic() < deadline:
            source = rng.choice(list(FIELDS))
            if added and rng.random() < 0.5:
                self.sources.remove(*added.pop(rng.randrange(len(added))))
            else:
                added.append((source, self.sources.add(source)))
            await asyncio.sleep(rng.uniform(0, 0.1))

    async def _graphql(
        self, number: int, query: str, variables: dict[str, Any], patience: float, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        async with (
            asyncio.timeout(patience),
            self.session.post(f"{self.replicas[number].url}/graphql", json=body, headers=headers or {}) as response,
        ):
            return await response.json()  # type: ignore[no-any-return]  # it is an object

    # Followers

    async def _follow(self, follower: Follower, number: int, following: asyncio.Event) -> None:
        """Receive the events of a replica, resume after the last one, and note where events may be missing."""
        after: str | None = None
        left = time.monotonic()
        while True:
            body = {"query": _FOLLOW, "variables": {"after": after}}
            headers = {"Accept": "text/event-stream"}
            with suppress(*_TRANSPORT_ERRORS):
                url = f"{self.replicas[number].url}/graphql"
                async with self.session.post(url, json=body, headers=headers) as response:
                    if after is None:
                        follower.gaps.append((left, time.monotonic() + 1))
                        following.set()
                    async for line in response.content:
                        if not line.startswith(b"data: {"):
                            continue
                        payload = json.loads(line[len(b"data: ") :])
                        if codes := [error["extensions"]["code"] for error in payload.get("errors", [])]:
                            if "NOT_FOUND" in codes:
                                after = None
                            break
                        event = payload["data"]["userChanged"]
                        after, left = event["id"], time.monotonic()
                        user, source = event["user"], event["user"]["source"].lower()
                        follower.deliveries.append(Delivery(source, user["sourceId"], user[FIELDS[source]], left))
            await asyncio.sleep(0.1)

    async def _settle(self) -> None:
        """Read all contended users at both replicas, and wait until the followers receive nothing more."""
        for source, users in self._contended.items():
            for user in users:
                for number in range(2):
                    await self._look(number, source, user)
        before = -1
        for _ in range(20):
            received = sum(len(follower.deliveries) for follower in self.history.followers)
            if received == before:
                return
            before = received
            await asyncio.sleep(1.5)
