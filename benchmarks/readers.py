"""Readers of the benchmark of kept records: an open load on several gateways, whose answers are recorded.

Requests begin at their times, however long earlier ones take: a latency begins at the time at which its request was to
be sent.
"""

import asyncio
import random
import time
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from benchmarks.history import popularity, user_id_of, version_of
from benchmarks.load import post

__all__ = ["Answers", "Readers"]

_READ = (
    "query Read($id: ID!) { user(id: $id, source: ACCOUNT) { email name status role { name } department { name } } }"
)
_CHANGE = 'mutation Change($id: ID!) { updateAccountUser(id: $id, input: {name: "Ada"}) { email } }'
_PAGE = """query Page($after: String) { users(first: 100, after: $after, filter: {sources: [ACCOUNT]}) {
  nodes { email name status role { name } department { name } } pageInfo { hasNextPage endCursor } } }"""
_TIMEOUT = 40.0  # seconds
_SAMPLES = 3  # errors of each code that are kept


@dataclass(slots=True)
class Answers:
    """What the readers received: for each answer the time its request was sent, and the user and its version.

    `late` has the latency of each answer in seconds. `known` are changes that were answered: the time, the user and the
    version. `stale` counts answers that were marked as older than their lifetime.
    """

    sent_at: "array[float]" = field(default_factory=lambda: array("d"))
    received_at: "array[float]" = field(default_factory=lambda: array("d"))
    users: "array[int]" = field(default_factory=lambda: array("i"))
    versions: "array[int]" = field(default_factory=lambda: array("i"))
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    known: list[tuple[float, int, int]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[str]] = field(default_factory=dict)
    stale: int = 0
    pages: int = 0
    requests: int = 0


class Readers:
    """Sends requests to gateways at these ports."""

    def __init__(self, ports: Sequence[int], *, count: int, exponent: float, seed: int = 1) -> None:
        self._ports = ports
        self._count = count
        self._weights = popularity(count, exponent)
        self._random = random.Random(seed)  # noqa: S311 - the same load in each run
        self._idle: dict[int, list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {port: [] for port in ports}
        self._pending: set[asyncio.Task[None]] = set()
        self.answers = Answers()

    async def run(self, seconds: float, *, rate: float, changes: float = 0.0) -> Answers:
        """Read for so long, and return the answers; `changes` per second are made through the gateways."""
        self.answers = Answers()
        start = time.monotonic()
        at, change_at = start, start + (1 / changes if changes else seconds)
        while at < start + seconds:
            if (wait := at - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            self._start(self._read(at, self._number(), self._random.choice(self._ports)))
            if at >= change_at:
                change_at += self._random.expovariate(changes)
                self._start(self._change(self._number()))
            at += self._random.expovariate(rate)
        while self._pending:
            await asyncio.wait(set(self._pending), timeout=_TIMEOUT)
        return self.answers

    async def walk(self, port: int) -> int:
        """Read all users page by page from one gateway, and return the number of pages."""
        after: str | None = None
        pages = 0
        while True:
            sent_at = time.monotonic()
            body = await self._send(port, {"query": _PAGE, "variables": {"after": after}})
            users = body["data"]["users"]
            for node in users["nodes"]:
                self._record(sent_at, sent_at, node)
            pages += 1
            self.answers.pages += 1
            if not users["pageInfo"]["hasNextPage"]:
                return pages
            after = users["pageInfo"]["endCursor"]

    async def aclose(self) -> None:
        """Close the connections."""
        for connections in self._idle.values():
            for _, writer in connections:
                writer.close()

    def _number(self) -> int:
        return bisect_left(self._weights, self._random.uniform(0, self._weights[-1]))

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _read(self, at: float, number: int, port: int) -> None:
        self.answers.requests += 1
        sent_at = time.monotonic()
        body = await self._send(port, {"query": _READ, "variables": {"id": user_id_of(number)}})
        self.answers.latencies.append(time.monotonic() - at)
        if self._has_errors(body):
            return
        self.answers.stale += len(body.get("extensions", {}).get("freshness", ()))
        self._record(max(sent_at, at), time.monotonic(), body["data"]["user"])

    async def _change(self, number: int) -> None:
        """Change a user through one gateway, and read it through another one as soon as the change is answered."""
        port = self._random.choice(self._ports)
        body = await self._send(port, {"query": _CHANGE, "variables": {"id": user_id_of(number)}})
        if self._has_errors(body):
            return
        _, version = version_of(body["data"]["updateAccountUser"]["email"])
        self.answers.known.append((time.monotonic(), number, version))
        others = [other for other in self._ports if other != port] or [port]
        await self._read(time.monotonic(), number, self._random.choice(others))

    def _has_errors(self, body: Any) -> bool:
        for error in body.get("errors", ()):
            code = error.get("extensions", {}).get("code", "")
            self.answers.errors[code] += 1
            if len(samples := self.answers.samples.setdefault(code, [])) < _SAMPLES:
                samples.append(error["message"])
        return "errors" in body

    def _record(self, sent_at: float, received_at: float, user: Any) -> None:
        number, version = version_of(user["email"])
        self.answers.sent_at.append(sent_at)
        self.answers.received_at.append(received_at)
        self.answers.users.append(number)
        self.answers.versions.append(version)

    async def _send(self, port: int, body: Any) -> Any:
        idle = self._idle[port]
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(_TIMEOUT):
                reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
                writer.write(post(port, "/graphql", orjson.dumps(body)))
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                content = await reader.readexactly(length)
        except (OSError, EOFError, TimeoutError) as error:
            if writer is not None:
                writer.close()
            return {"errors": [{"message": repr(error), "extensions": {"code": "CONNECTION"}}]}
        idle.append((reader, writer))
        return orjson.loads(content)
