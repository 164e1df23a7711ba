"""A good client: it asks again under its key for as long as it does not know what became of its change."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession

__all__ = ["Caller", "Tally"]

_BOUND = 30.0  # seconds for one answer: four times what a source is given
_TRIES = 60
# What may pass, and what leaves a change in doubt: after these the same key is sent again.
_AGAIN = {"SOURCE_UNAVAILABLE", "SOURCE_TIMEOUT", "SOURCE_INVALID_RESPONSE", "RATE_LIMITED", "IDEMPOTENCY_IN_PROGRESS"}


@dataclass(slots=True)
class Tally:
    """What all callers together sent and were told."""

    sent: int = 0
    reads: int = 0
    failed_reads: int = 0
    changes: int = 0
    repeated: int = 0
    replayed: int = 0
    codes: dict[str, int] = field(default_factory=dict)

    def note(self, code: str, outcome: str | None) -> None:
        name = f"{code} {outcome}" if outcome else code
        self.codes[name] = self.codes.get(name, 0) + 1


@dataclass(slots=True)
class Caller:
    """One client over its own session; `leaves` is how often it hangs up on a change instead of waiting."""

    session: ClientSession
    url: str
    rng: random.Random
    tally: Tally
    leaves: float = 0.0

    async def read(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        """The data of a read; None where something was missing, which is told in our vocabulary."""
        self.tally.reads += 1
        answer = await self._send(query, variables)
        users = (answer["data"] or {}).get("users") or {}
        missing = [one["code"] for one in users.get("unavailable", [])]
        codes = [*(error["extensions"]["code"] for error in answer.get("errors", [])), *missing]
        assert set(codes) <= _AGAIN, answer
        if codes:
            self.tally.failed_reads += 1
            return None
        return answer["data"]

    async def change(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The record as the change left it: asked for until there is an answer."""
        self.tally.changes += 1
        key = {"Idempotency-Key": f"{self.rng.getrandbits(128):032x}"}
        for attempt in range(_TRIES):
            self.tally.repeated += attempt > 0
            try:
                if self.rng.random() < self.leaves:
                    async with asyncio.timeout(self.rng.uniform(0.001, 0.05)):
                        answer = await self._send(query, variables, **key)
                else:
                    answer = await self._send(query, variables, **key)
            except TimeoutError:
                continue
            [record] = answer["data"].values()
            if record is not None:
                self.tally.replayed += "extensions" in answer
                return record
            [error] = answer["errors"]
            told = error["extensions"]
            self.tally.note(told["code"], told.get("outcome"))
            assert told["code"] in _AGAIN, answer
            assert told["retryable"] or told["outcome"] == "unknown"
            await asyncio.sleep(min(told.get("retryAfter", 0.1), 10.0) * self.rng.uniform(1, 1.2))
        raise AssertionError("it never had an answer")

    async def _send(self, query: str, variables: dict[str, Any] | None, **headers: str) -> Any:
        self.tally.sent += 1
        sent = {"query": query, "variables": variables or {}}
        async with (
            asyncio.timeout(_BOUND),
            self.session.post(f"{self.url}/graphql", json=sent, headers=headers) as answer,
        ):
            return await answer.json()
