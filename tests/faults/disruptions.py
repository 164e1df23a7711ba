"""Failures of Redis and of replicas."""

import asyncio
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from faults.replica import Replica
from state.server import RedisServer

__all__ = ["Disruptions"]


@dataclass(frozen=True, slots=True)
class Disruptions:
    """Causes failures, which `rng` chooses; each ends before the next one begins."""

    rng: random.Random
    redis: RedisServer
    replicas: Sequence[Replica]

    async def cause_one(self, *, flushes: bool) -> bool:
        """Cause one failure and wait for its end; return whether Redis lost its records, which only `flushes` permits.

        A Redis that is killed keeps what it acknowledged.
        """
        kinds = ["pause", "kill", "demote", "forget scripts", "close connections"]
        kinds += ["pause replica", "kill replica", "stop replica", *(["flush"] if flushes else [])]
        kind, replica = self.rng.choice(kinds), self.rng.choice(self.replicas)
        match kind.split():
            case ["pause" | "kill" | "stop", "replica"]:
                await self._disrupt(replica, kind)
            case ["pause" | "kill"]:
                await self._interrupt_redis(kind)
            case ["demote"]:  # it refuses writes, and keeps its connections, as after a failover
                await self._command("REPLICAOF 127.0.0.1 1")
                await asyncio.sleep(self.rng.uniform(0.1, 2))
                await self._command("REPLICAOF NO ONE")
            case ["forget", _]:
                await self._command("SCRIPT FLUSH")
            case ["close", _]:
                await self._command("CLIENT KILL TYPE normal")
            case _:
                await self._command("FLUSHALL")
        return kind == "flush"

    async def _disrupt(self, replica: Replica, kind: str) -> None:
        if kind == "pause replica":
            await replica.pause(self.rng.uniform(0.1, 3))
        else:
            await replica.stop(signal.SIGKILL if kind == "kill replica" else signal.SIGTERM)
            await replica.start()

    async def _interrupt_redis(self, kind: str) -> None:
        if kind == "pause":
            self.redis.pause()
            await asyncio.sleep(self.rng.uniform(0.2, 2.5))
            self.redis.resume()
        else:
            self.redis.stop(signal.SIGKILL)
            await asyncio.sleep(self.rng.uniform(0, 1))
            await asyncio.to_thread(self.redis.start)

    async def _command(self, command: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.redis.port)
        writer.write(f"{command}\r\n".encode())
        assert (await reader.readline())[:1] in {b"+", b":"}
        writer.close()
