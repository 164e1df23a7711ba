"""A program that serves the ASGI application of the gateway and a page of the program by uvicorn."""

import asyncio
from typing import Any

import orjson
import uvicorn

from gateway import Gateway, Settings
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, SandboxOptions, SandboxServer


async def main() -> None:
    """Serve until a signal stops the program."""
    async with SandboxServer(SandboxOptions(users=2, rate_limits=False)) as sandbox:
        account = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
        async with Gateway(Settings(account=account, cors_origins=("https://app.example",))) as gateway:
            gateway_app = gateway.asgi_app()

            async def application(scope: Any, receive: Any, send: Any) -> None:
                if scope.get("path") != "/state":
                    await gateway_app(scope, receive, send)
                    return
                state = {
                    "subscribers": gateway._entered.events.subscribers,
                    "connections": gateway._parts.live.traffic.connections,
                    "tasks": sum("RequestHandler" not in repr(task) for task in asyncio.all_tasks()),
                }
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": orjson.dumps(state)})

            config = uvicorn.Config(
                application, host="127.0.0.1", port=0, ws="websockets-sansio", timeout_graceful_shutdown=2
            )
            server = uvicorn.Server(config)
            await server.serve()


asyncio.run(main())
