"""A program around the gateway's ASGI application, as somebody might write it: uvicorn, and a page of its own."""

import asyncio
from typing import Any

import orjson
import uvicorn

from gateway import Gateway, Settings
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, Sandbox, SandboxOptions


async def main() -> None:
    """Serve until told to stop."""
    async with Sandbox(SandboxOptions(users=2, rate_limits=False)) as sandbox:
        account = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
        async with Gateway(Settings(account=account, cors_origins=("https://app.example",))) as gateway:
            carried = gateway.asgi_app()

            async def application(scope: Any, receive: Any, send: Any) -> None:
                if scope.get("path") != "/state":
                    await carried(scope, receive, send)
                    return
                state = {
                    "subscribers": gateway.events.subscribers,
                    "connections": gateway._live.traffic.connections,
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
