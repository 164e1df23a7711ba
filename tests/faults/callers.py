"""A client that repeats a change with the same idempotency key until the outcome is known."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession

__all__ = ["Caller", "Tally"]

_TIMEOUT = 30.0  # seconds for one response: several times the timeout of a source
_MAX_ATTEMPTS = 60
# Transient failures, and those with an unknown outcome: after these the same key is sent again.
_REPEATABLE = {
    "SOURCE_UNAVAILABLE",
    "SOURCE_TIMEOUT",
    "SOURCE_INVALID_RESPONSE",
    "RATE_LIMITED",
    "IDEMPOTENCY_IN_PROGRESS",
}


@dataclass(slots=True)
class Tally:
    """What all callers sent and received."""

    sent: int = 0
    reads: int = 0
    failed_reads: int = 0
    changes: int = 0
    repeated: int = 0
    replayed: int = 0
    codes: dict[str, int] = field(default_factory=dict)

    def count_error(self, code: str, outcome: str | None) -> None:
        name = f"{code} {outcome}" if outcome else code
        self.codes[name] = self.codes.get(name, 0) + 1


@dataclass(slots=True)
class Caller:
    """A client with one session. In `disconnect_rate` of its changes it does not wait for the response."""

    session: ClientSession
    url: str
    rng: random.Random
    tally: Tally
    disconnect_rate: float = 0.0

    async def read(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        """Return the data of a read; None where a part was missing, with one of the expected codes."""
        self.tally.reads += 1
        response = await self._send(query, variables)
        users = (response["data"] or {}).get("users") or {}
        missing = [source["code"] for source in users.get("unavailable", [])]
        codes = [*(error["extensions"]["code"] for error in response.get("errors", [])), *missing]
        assert set(codes) <= _REPEATABLE, response
        if codes:
            self.tally.failed_reads += 1
            return None
        return response["data"]

    async def change(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the record after the change, which is sent until there is a result."""
        self.tally.changes += 1
        key = {"Idempotency-Key": f"{self.rng.getrandbits(128):032x}"}
        for attempt in range(_MAX_ATTEMPTS):
            self.tally.repeated += attempt > 0
            try:
                if self.rng.random() < self.disconnect_rate:
                    async with asyncio.timeout(self.rng.uniform(0.001, 0.05)):
                        response = await self._send(query, variables, **key)
                else:
                    response = await self._send(query, variables, **key)
            except TimeoutError:
                continue
            [record] = response["data"].values()
            if record is not None:
                self.tally.replayed += "extensions" in response
                return record
            [error] = response["errors"]
            extensions = error["extensions"]
            self.tally.count_error(extensions["code"], extensions.get("outcome"))
            assert extensions["code"] in _REPEATABLE, response
            assert extensions["retryable"] or extensions["outcome"] == "unknown"
            await asyncio.sleep(min(extensions.get("retryAfter", 0.1), 10.0) * self.rng.uniform(1, 1.2))
        raise AssertionError("the change had no result after all attempts")

    async def _send(self, query: str, variables: dict[str, Any] | None, **headers: str) -> Any:
        self.tally.sent += 1
        body = {"query": query, "variables": variables or {}}
        async with (
            asyncio.timeout(_TIMEOUT),
            self.session.post(f"{self.url}/graphql", json=body, headers=headers) as response,
        ):
            return await response.json()
