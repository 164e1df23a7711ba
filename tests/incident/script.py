"""The script of the incident: what callers, sources, Redis and operators do, one after the other.

What happened is in `Facts`, and only for the tests that compare the answers with it: those who answer have the
evidence alone.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
from aiohttp import ClientSession
from faults.toxic import Proxy
from incident.callers import Callers
from incident.evidence import Metrics, parse_scrape
from incident.facts import Addresses, Facts, Phase
from incident.operations import COMPANY, EXPORT, FOLLOW, LICENSES, READ, RESELLER, SAVE
from state.server import RedisServer

from usergateway.v1 import users_pb2 as v1

__all__ = ["Incident"]

_TIMEOUT = 30.0  # seconds: no response takes that long
_SCRAPE_INTERVAL = 0.5  # seconds
_REFUSED, _MAX_EXPORTS = 20, 400  # requests of a caller that spends its allowance

ADA, ADA_SOFTWAREONE, ADA_RESELLER = "acus_adalovelace1", "USR-0000-0001", "00000000-0000-4000-8000-000000000001"


@dataclass(slots=True)
class Incident:
    """The running incident, with what callers and sources do."""

    session: ClientSession
    addresses: Addresses
    proxy: Proxy
    redis: RedisServer
    callers: Callers
    metrics: Metrics = field(default_factory=Metrics)
    facts: Facts = field(default_factory=Facts)

    async def run(self) -> Any:
        """Let everything happen; return `/status` from the time in which the account source is down."""
        following = asyncio.create_task(self._follow())
        await self._phase("normal", self._normal())
        await self._phase("slow", self._slow())
        await self._phase("retries", self._retries())
        await self._phase("out of budget", self._out_of_budget())
        start = time.time()
        await self.proxy.stop()
        await self._down()
        during = await self.status()
        # The circuit stays open for 10 seconds. Everything else happens meanwhile.
        await self._phase("redis away", self._without_redis())
        await self._phase("revoked", self._revoke())
        await self._phase("credentials", self._refused_credentials())
        await self._unknown_outcome()
        await self._foreign_page()
        await self._impatient_client()
        await self._new_version()
        await self._forged_webhooks()
        await self._phase("overspent", self._overspend())
        await self._fault(source="account", kind="html", times=10_000)
        await self.proxy.start()
        self.facts.phases["down"] = Phase(start, time.time())
        await self._phase("html", self._html())
        await self._clear_faults()
        await self._phase("back", self._back())
        await asyncio.wait_for(following, _TIMEOUT)
        return during

    async def scrape_repeatedly(self) -> None:
        """Scrape the metrics until cancelled, as Prometheus does."""
        with suppress(asyncio.CancelledError):
            while True:
                await self.scrape()
                await asyncio.sleep(_SCRAPE_INTERVAL)

    async def scrape(self) -> None:
        """Scrape the metrics once."""
        async with self.session.get(f"{self.addresses.admin}/metrics") as response:
            self.metrics.scrapes.append(parse_scrape(time.time(), await response.text()))

    async def status(self) -> Any:
        """Return `/status` as JSON."""
        async with self.session.get(
            f"{self.addresses.admin}/status", headers={"Accept": "application/json"}
        ) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def _normal(self) -> None:
        for number in range(10):
            await self._graphql(READ, {"id": ADA}, fails=False)
            await self._graphql(LICENSES, {"id": ADA_SOFTWAREONE}, fails=False)
            if number % 3 == 0:
                await self._get_user(ADA_SOFTWAREONE, v1.USER_SOURCE_SOFTWAREONE)
        await self._save("1.0.0", name="Ada Lovelace", request="saved", fails=False)
        await self._graphql(COMPANY, {"id": ADA_RESELLER, "company": "Engines"}, fails=False)

    async def _slow(self) -> None:
        """Slow by less than the timeout of an attempt: every request succeeds."""
        await self._fault(source="account", kind="slow", delay=0.4, times=10_000)
        trace = os.urandom(16).hex()
        self.facts.traces["slow"] = trace
        traced = {"traceparent": f"00-{trace}-{os.urandom(8).hex()}-01"}
        reads = [self._graphql(READ, {"id": f"acus_{n}"}, fails=False) for n in range(16)]
        await asyncio.gather(
            self._graphql(READ, {"id": ADA}, request="slow", fails=False, **traced),
            self._graphql(READ, {"id": ADA}, request="joined", fails=False),
            *reads,
            *(self._graphql(LICENSES, {"id": ADA_SOFTWAREONE}, fails=False) for _ in range(5)),
        )
        await asyncio.gather(*(self._graphql(READ, {"id": f"acus_{n}"}, fails=False) for n in range(16)))
        await self._clear_faults()

    async def _down(self) -> None:
        """Read until more than half of the calls of the last 30 seconds have failed: then the circuit opens."""
        await self._graphql(READ, {"id": ADA}, request="failed", fails=True)
        for _ in range(10):
            reads = [self._graphql(READ, {"id": f"acus_down{n}"}, fails=True) for n in range(10)]
            await asyncio.gather(*reads)

    async def _without_redis(self) -> None:
        await asyncio.to_thread(self.redis.stop, signal.SIGKILL)
        await self._save_company("while Redis is away", request="without redis", key="away-1", fails=None)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(self.redis.start)
        await self._until(lambda: self._save_company("after that", request="", key="away-2", fails=None))

    async def _retries(self) -> None:
        for _ in range(4):
            await self._fault(source="softwareone", kind="status", status=503, times=1)
            await self._graphql(LICENSES, {"id": ADA_SOFTWAREONE}, fails=False)
        self.facts.numbers["retried"] = 5  # with the call that is refused because of the rate limit

    async def _revoke(self) -> None:
        assert "errors" not in await self._graphql(LICENSES, {"id": ADA_SOFTWAREONE}, caller="partner", fails=False)
        self.callers.revoke("partner")
        await self._until(lambda: self._is_refused("partner"))

    async def _overspend(self) -> None:
        """A batch that spends its allowance, which replicas share in Redis, and goes on for some time."""
        refused = number = 0
        while refused < _REFUSED:
            number += 1
            answer = await self._graphql(EXPORT, {"search": f"n{number}"}, caller="batch", fails=None)
            refused += "RATE_LIMITED" in json.dumps(answer.get("errors", ""))
            assert number < _MAX_EXPORTS, "the caller did not spend its allowance"
        self.facts.numbers["overspent"] = refused

    async def _out_of_budget(self) -> None:
        """The reseller source refuses a call, which is repeated after the seconds that the source demands."""
        await self._fault(source="reseller", kind="status", status=429, retryAfter=3, times=1)
        await self._graphql(RESELLER, {"id": ADA_RESELLER}, fails=False)

    async def _refused_credentials(self) -> None:
        """SoftwareOne refuses the configured token twice."""
        await self._fault(source="softwareone", kind="status", status=401, times=2)
        for _ in range(2):
            await self._graphql(LICENSES, {"id": ADA_SOFTWAREONE}, fails=True)
        await self._graphql(LICENSES, {"id": ADA_SOFTWAREONE}, fails=False)

    async def _unknown_outcome(self) -> None:
        await self._fault(source="reseller", kind="hangup-after", method="PATCH", times=1)
        answer = await self._graphql(
            COMPANY, {"id": ADA_RESELLER, "company": "Nobody knows"}, request="unknown", fails=True
        )
        assert answer["errors"][0]["extensions"]["outcome"] == "unknown", answer

    async def _foreign_page(self) -> None:
        headers = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
        async with self.session.options(f"{self.addresses.http}/graphql", headers=headers) as response:
            assert "Access-Control-Allow-Origin" not in response.headers

    async def _impatient_client(self) -> None:
        """A client that disconnects while the source works."""
        await self._fault(source="softwareone", kind="slow", delay=60, times=1)
        leaving = asyncio.create_task(
            self._graphql(LICENSES, {"id": "USR-0000-0002"}, fails=None, **{"X-Request-ID": "left-early"})
        )
        await self._until(lambda: self._was_called("USR-0000-0002"))
        leaving.cancel()
        await asyncio.wait({leaving})
        self.facts.requests["left"] = "left-early"

    async def _new_version(self) -> None:
        """A release of the frontend sends a value that is not valid."""
        for _ in range(3):
            await self._save("2.0.0", name="x" * 5_000, request="invalid", fails=True)

    async def _forged_webhooks(self) -> None:
        for _ in range(3):
            headers = {"Webhook-Signature": "Zm9yZ2Vk"}
            body = b'{"event": "reseller.user.updated", "data": {"id": "x"}}'
            async with self.session.post(
                f"{self.addresses.http}/webhooks/reseller", data=body, headers=headers
            ) as response:
                assert response.status in {401, 403}, response.status
        self.facts.numbers["forged"] = 3

    async def _html(self) -> None:
        async def has_html() -> bool:
            answer = await self._graphql(READ, {"id": ADA}, request="html", fails=True)
            return bool(answer["errors"][0]["extensions"]["code"] == "SOURCE_INVALID_RESPONSE")

        await self._until(has_html)
        for _ in range(5):
            await self._graphql(READ, {"id": ADA}, fails=True)

    async def _back(self) -> None:
        for _ in range(8):
            await self._graphql(READ, {"id": ADA}, fails=False)

    async def _follow(self) -> None:
        """Subscribe as the partner, until the subscription is closed because the key was revoked."""
        headers = {"X-API-Key": self.callers.keys["partner"], "Accept": "text/event-stream"}
        async with self.session.post(
            f"{self.addresses.http}/graphql", json={"query": FOLLOW}, headers=headers
        ) as response:
            async for _ in response.content:
                pass

    async def _phase(self, name: str, happening: Awaitable[None]) -> None:
        start = time.time()
        await happening
        self.facts.phases[name] = Phase(start, time.time())

    async def _save(self, version: str, *, name: str, fails: bool, request: str = "") -> None:
        client = {"apollographql-client-name": "shop-web", "apollographql-client-version": version}
        await self._graphql(SAVE, {"id": ADA, "name": name}, request=request, fails=fails, **client)

    async def _save_company(self, company: str, *, request: str, key: str, fails: bool | None) -> bool:
        headers = {"Idempotency-Key": key}
        variables = {"id": ADA_RESELLER, "company": company}
        return "errors" not in await self._graphql(COMPANY, variables, request=request, fails=fails, **headers)

    async def _is_refused(self, caller: str) -> bool:
        answer = await self._graphql("{ __typename }", {}, caller=caller, fails=None)
        return "errors" in answer

    async def _graphql(
        self,
        query: str,
        variables: dict[str, Any],
        *,
        fails: bool | None,
        caller: str = "shop",
        request: str = "",
        **headers: str,
    ) -> Any:
        """Send an operation; keep the id of its response as the fact `request`. `fails` is what is expected."""
        body = {"query": query, "variables": variables}
        headers = {"X-API-Key": self.callers.keys[caller], **headers}
        async with (
            asyncio.timeout(_TIMEOUT),
            self.session.post(f"{self.addresses.http}/graphql", json=body, headers=headers) as response,
        ):
            answer = await response.json()
            if request:
                self.facts.requests[request] = response.headers["X-Request-ID"]
        assert fails is None or ("errors" in answer) == fails, answer
        return answer

    async def _get_user(self, user_id: str, source: Any) -> None:
        """Call GetUser over gRPC."""
        async with grpc.aio.insecure_channel(self.addresses.grpc) as channel:
            method = channel.unary_unary(
                "/usergateway.v1.UserService/GetUser", v1.GetUserRequest.SerializeToString, v1.User.FromString
            )
            metadata = (("x-api-key", self.callers.keys["billing"]),)
            user = await method(v1.GetUserRequest(id=user_id, source=source), metadata=metadata, timeout=_TIMEOUT)
            assert user.source_id == user_id

    async def _fault(self, **fault: Any) -> None:
        async with self.session.post(f"{self.addresses.control}/faults", json=fault) as response:
            assert response.status < 300, await response.text()

    async def _was_called(self, text: str) -> bool:
        """Return whether the path of a call to a source contained a text."""
        async with self.session.get(f"{self.addresses.control}/calls") as response:
            return any(text in call["path"] for call in await response.json())

    async def _clear_faults(self) -> None:
        async with self.session.delete(f"{self.addresses.control}/faults") as response:
            assert response.status < 300, await response.text()

    @staticmethod
    async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(_TIMEOUT):
            while not await condition():  # noqa: ASYNC110 - another process makes it true
                await asyncio.sleep(0.1)
