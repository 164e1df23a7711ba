"""Runs in an environment with the wheel: uses all of the gateway that needs no extra, then what needs one.

The argument is the URL of a Redis server. It writes a JSON object: for each extra `works`, or the error of its use.
"""

import asyncio
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gateway import Gateway, Settings
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, SandboxServer

PUBLIC = (
    "gateway",
    "gateway.auth",
    "gateway.changes",
    "gateway.errors",
    "gateway.models",
    "gateway.sources",
    "gateway.state",
    "gateway.testing",
)
USER = "acus_adalovelace1"
QUERY = f'{{ user(id: "{USER}", source: ACCOUNT) {{ name role {{ name }} department {{ name }} }} }}'


async def use(gateway: Gateway) -> None:
    """Execute a query, and a change with an idempotency key."""
    result = await gateway.execute(QUERY)
    assert result.errors is None, result.errors
    assert result.data
    assert result.data["user"]["name"]
    await gateway.users.update_account_user(USER, {"department_id": None}, idempotency_key="one")


async def use_grpc(settings: dict[str, Any]) -> None:
    async with Gateway(Settings(**settings, grpc_port=0)) as gateway:
        server = await gateway.serve_grpc()
        assert server
        import grpc.aio

        from usergateway.v1 import users_pb2, users_pb2_grpc

        async with grpc.aio.insecure_channel(server.address) as channel:
            request = users_pb2.GetUserRequest(id=USER, source=users_pb2.USER_SOURCE_ACCOUNT)
            user = await users_pb2_grpc.UserServiceStub(channel).GetUser(request)
        assert user.name
        await server.stop(0)


async def use_jwt(settings: dict[str, Any]) -> None:
    from aiohttp import ClientSession

    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys.json"
        auth = {"mode": "jwt", "jwks_file": keys, "issuer": "https://issuer.example", "audience": "gateway"}
        token = ""
        try:
            from joserfc import jwk, jwt
        except ModuleNotFoundError:
            keys.write_text('{"keys": []}')
        else:
            key = jwk.ECKey.generate_key("P-256", {"kid": "1"}, private=True)
            keys.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
            claims = {"iss": auth["issuer"], "aud": "gateway", "sub": "ada", "exp": int(time.time()) + 60}
            token = jwt.encode({"alg": "ES256", "kid": "1"}, claims | {"scope": "users:read"}, key)
        async with Gateway(Settings(**settings, auth=auth, http_port=0)) as gateway, ClientSession() as session:
            server = await gateway.serve_http(grace=0)
            url = f"http://127.0.0.1:{server.address[1]}/graphql"
            headers = {"Authorization": f"Bearer {token}"}
            async with session.post(url, json={"query": QUERY}, headers=headers) as response:
                assert response.status == 200, await response.text()
            await server.stop()


async def use_redis(settings: dict[str, Any]) -> None:
    async with Gateway(Settings(**settings, redis_url=sys.argv[1])) as gateway:
        await use(gateway)


async def main() -> None:
    for name in PUBLIC:
        module = importlib.import_module(name)
        for exported in module.__all__:
            getattr(module, exported)
    results: dict[str, str] = {}
    async with SandboxServer() as sandbox:
        account = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
        async with Gateway(Settings(account=account)) as gateway:
            await use(gateway)
        uses: dict[str, Callable[[dict[str, Any]], Awaitable[None]]]
        uses = {"grpc": use_grpc, "jwt": use_jwt, "redis": use_redis}
        for extra, use_it in uses.items():
            try:
                await use_it({"account": account})
            except ValueError as error:
                results[extra] = str(error)
            else:
                results[extra] = "works"
    sys.stdout.write(json.dumps(results))


asyncio.run(main())
