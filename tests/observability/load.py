"""The load of the demo, and what can go wrong: so that every metric of the dashboard and of the alerts moves."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import grpc
from aiohttp import ClientConnectionError, ClientSession
from state.server import RedisServer

from gateway.sandbox import RESELLER_ID, RESELLER_TOKEN
from usergateway.v1 import users_pb2 as v1

__all__ = ["SETTINGS", "put_under_load"]

SETTINGS = {
    "GATEWAY_DOCUMENTS__AUTOMATIC": "true",
    "GATEWAY_REFERENCE_TTL": "1",
    "GATEWAY_KEEP_MODE": "on",
    "GATEWAY_SOFTWAREONE__KEEP": "0.2",
    "GATEWAY_GATE__AT_ONCE": "4",
    "GATEWAY_GATE__QUEUE": "4",
    "GATEWAY_GATE__PATIENCE": "0.2",
    "GATEWAY_LIVE__OPERATIONS": "3",
    "GATEWAY_ACCOUNT__POLL_INTERVAL": "1",
    "GATEWAY_SOFTWAREONE__POLL_INTERVAL": "1",
    "GATEWAY_RESELLER__RATE_LIMIT": "5",
    "GATEWAY_RESELLER__TRY_TIMEOUT": "0.5",
}
"""Low limits, so that a small load reaches them."""

_ROUNDS = 4
_TIMEOUT = 30.0  # seconds: nothing here takes that long
_ADA, _ADA_RESELLER = "acus_adalovelace1", "00000000-0000-4000-8000-000000000001"
_USER = "query Profile($id: ID!) { user(id: $id, source: ACCOUNT) { name role { name owner { type } } } }"
_LIST = "query Team { users(first: 5) { nodes { name role { name owner { type } } } } }"
_RENAME = f'mutation Rename($n: String!) {{ updateAccountUser(id: "{_ADA}", input: {{name: $n}}) {{ name }} }}'
_SUBSCRIPTION = "subscription Watch { userChanged { change user { name } } }"
_RESELLER = f'query Reseller {{ user(id: "{_ADA_RESELLER}", source: RESELLER) {{ name }} }}'
_MARKETPLACE = "query Marketplace($id: ID!) { user(id: $id, source: SOFTWAREONE) { name } }"
_SHOWN = '{ user(id: "USR-0000-0002", source: SOFTWAREONE) { name } }'
_PUT = 'mutation Put { updateSoftwareOneUser(id: "USR-0000-0001", input: {firstName: "Ada"}) { name } }'
_MANY = " ".join(
    f'u{n}: user(id: "00000000-0000-4000-8000-0000000009{n:02}", source: RESELLER) {{ name }}' for n in range(15)
)
_TOO_DEEP = "{ users { nodes { role { owner { account { name } } } } } }".replace("name", "x: name " * 31)


async def put_under_load(
    url: str,
    shadow_url: str,
    grpc_address: str,
    control: str,
    redis: RedisServer,
    *,
    waiting_is_seen: Callable[[], Any],
) -> None:
    """Send some seconds of requests of all kinds, during which sources fail, webhooks are forged and Redis is lost.

    The gateway in shadow mode has other requests: for a user that is changed between two of them. At the end calls wait
    for a rate limit until a scrape has seen that.
    """
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(ClientSession())
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(grpc_address))
        world = _World(session, url, control, channel)
        subscribers = [asyncio.ensure_future(each) for each in (world.stream(), world.socket(), world.watch())]
        for number in range(_ROUNDS):
            if number == 1:
                change = asyncio.ensure_future(world.slow_change())
                await world.until_changing()
                await asyncio.to_thread(redis.stop)
                await change
            elif number == 2:
                await asyncio.to_thread(redis.start)
            await world.requests(number)
            await world.failures(opens_circuit=number == _ROUNDS - 1)
            await world.read(shadow_url, _RESELLER)
            await world.webhooks(number)
            await world.read(shadow_url, _RESELLER)
            await asyncio.sleep(0.5)
        async with asyncio.timeout(_TIMEOUT):
            while not await asyncio.to_thread(waiting_is_seen):
                await world.waiting_calls()
        for subscriber in subscribers:
            subscriber.cancel()
            with suppress(asyncio.CancelledError):
                await subscriber


class _World:
    def __init__(self, session: ClientSession, url: str, control: str, channel: grpc.aio.Channel) -> None:
        self._session = session
        self._url = url
        self._control = control
        service = "/usergateway.v1.UserService"
        self._get_user = channel.unary_unary(
            f"{service}/GetUser", v1.GetUserRequest.SerializeToString, v1.User.FromString
        )
        self._watch = channel.unary_stream(
            f"{service}/WatchUsers", v1.WatchUsersRequest.SerializeToString, v1.UserEvent.FromString
        )

    async def requests(self, number: int) -> None:
        """Send queries, changes, gRPC calls and mistakes of callers, one after the other, and a burst."""
        for _ in range(5):
            await self._send(_USER, {"id": _ADA})
        await self._send(_LIST)
        await self._send(_SHOWN)
        await self._send(_RENAME, {"n": f"Ada {number}"}, {"Idempotency-Key": f"key-{number}"})
        await self._send(_RENAME, {"n": ""})
        await self._send(_TOO_DEEP)
        hashed = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}
        await self._post({"extensions": hashed})
        await self._rpc(_ADA)
        await self._rpc("acus_nobody00000")
        await self._fault(source="account", kind="slow", delay=0.4, path="account-users", times=4)
        ids = [f"acus_{index:02}{number}000000000" for index in range(20)]
        await asyncio.gather(*(self._send(_USER, {"id": each}) for each in ids))

    async def failures(self, *, opens_circuit: bool) -> None:
        """Let each source fail in another way, and call it; let the circuit of one open if so wanted."""
        if opens_circuit:
            await self._fault(source="softwareone", kind="status", status=503, times=100)
            for first in range(0, 32, 4):
                ids = [f"USR-0000-{9000 + first + index}" for index in range(4)]
                await asyncio.gather(*(self._send(_MARKETPLACE, {"id": each}) for each in ids))
        await self._fault(source="softwareone", kind="status", status=401, method="PUT", times=2)
        await self._fault(source="softwareone", kind="html", method="PUT", times=1)
        await self._fault(source="reseller", kind="status", status=429, retryAfter=0, times=1)
        await self._fault(source="reseller", kind="slow", delay=1, times=1)
        for _ in range(2):
            await asyncio.gather(*(self._send(_USER, {"id": f"acus_{index:012}"}) for index in range(4)))
            await self._send(_PUT)
            await self._send(_PUT)
        await self._send(_USER, {"id": _ADA})
        for _ in range(4):
            await asyncio.gather(*(self._send(_RESELLER) for _ in range(2)))
        await self._fault(source="softwareone", kind="status", status=503, path="USR-0000-0002", times=3)
        await self._send(_SHOWN)
        async with self._session.delete(f"{self._control}/faults") as response:
            assert response.status < 300

    async def read(self, url: str, query: str) -> None:
        """Read something from another gateway."""
        async with self._session.post(url, json={"query": query}) as response:
            assert "errors" not in await response.json()

    async def slow_change(self) -> None:
        """Send a change with an idempotency key, whose source takes two seconds."""
        await self._fault(source="account", kind="slow", method="PATCH", delay=2, times=1)
        await self._send(_RENAME, {"n": "Ada Slow"}, {"Idempotency-Key": "slow"})

    async def until_changing(self) -> None:
        """Wait until the source has received the slow change."""
        async with asyncio.timeout(_TIMEOUT):
            while "Ada Slow" not in json.dumps(await self._calls()):  # noqa: ASYNC110 - the sandbox notifies nobody
                await asyncio.sleep(0.02)

    async def waiting_calls(self) -> None:
        """Send an operation with more calls than the rate limit of its source lets through in two seconds."""
        await self._send(f"query Many {{ {_MANY} }}")

    async def webhooks(self, number: int) -> None:
        """Change a user in the reseller source three times: its webhooks are good, forged and late."""
        api = self._control.replace("/_sandbox", f"/reseller/v3/resellers/{RESELLER_ID}/users/{_ADA_RESELLER}")
        headers = {"Authorization": f"Bearer {RESELLER_TOKEN}"}
        for kind in ("", "forged", "late"):
            if kind:
                await self._fault(source="webhooks", kind=kind, times=1)
            async with self._session.patch(api, json={"company": f"{kind} {number}"}, headers=headers) as response:
                assert response.status == 200, await response.text()
            await asyncio.sleep(0.2)

    async def stream(self) -> None:
        """Subscribe by an event stream, and again when it ends."""
        headers = {"Accept": "text/event-stream"}
        while True:
            body = {"query": _SUBSCRIPTION}
            async with self._session.post(self._url, json=body, headers=headers) as response:
                async for _ in response.content:
                    pass
            await asyncio.sleep(0.2)

    async def socket(self) -> None:
        """Subscribe over a WebSocket more often than the limit of operations permits, and again when it ends."""
        while True:
            with suppress(ClientConnectionError, TimeoutError):
                async with self._session.ws_connect(self._url, protocols=["graphql-transport-ws"]) as socket:
                    await socket.send_json({"type": "connection_init"})
                    for index in range(5):
                        subscribe = {"id": str(index), "type": "subscribe", "payload": {"query": _SUBSCRIPTION}}
                        await socket.send_json(subscribe)
                    async with asyncio.timeout(1):
                        async for _ in socket:
                            pass
            await asyncio.sleep(0.2)

    async def watch(self) -> None:
        """Subscribe by gRPC, and again when it ends."""
        while True:
            with suppress(grpc.aio.AioRpcError):
                async for _ in self._watch(v1.WatchUsersRequest(sources=[v1.USER_SOURCE_ACCOUNT])):
                    pass
            await asyncio.sleep(0.2)

    async def _rpc(self, user_id: str) -> None:
        with suppress(grpc.aio.AioRpcError):
            await self._get_user(v1.GetUserRequest(id=user_id, source=v1.USER_SOURCE_ACCOUNT))

    async def _send(self, query: str, variables: Any = None, headers: dict[str, str] | None = None) -> None:
        headers = {"apollographql-client-name": "load", "apollographql-client-version": "1.2.3"} | (headers or {})
        await self._post({"query": query, "variables": variables or {}}, headers)

    async def _post(self, body: Any, headers: dict[str, str] | None = None) -> None:
        async with self._session.post(self._url, json=body, headers=headers) as response:
            await response.read()

    async def _calls(self) -> Any:
        async with self._session.get(f"{self._control}/calls") as response:
            return await response.json()

    async def _fault(self, **fault: Any) -> None:
        async with self._session.post(f"{self._control}/faults", json=fault) as response:
            assert response.status < 300, await response.text()
