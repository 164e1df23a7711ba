"""An aiohttp application with the gateway, as docs/embedding.md has it."""

import sys
from contextlib import AsyncExitStack

from aiohttp import web

from gateway import Gateway, Settings


async def application() -> web.Application:
    stack = AsyncExitStack()
    gateway = await stack.enter_async_context(Gateway(Settings()))

    async def drain(_: web.Application) -> None:
        await gateway.drain()

    async def close(_: web.Application) -> None:
        await stack.aclose()

    app = web.Application()
    app.add_subapp("/people", gateway.aiohttp_app())
    app.on_shutdown.append(drain)
    app.on_cleanup.append(close)
    return app


web.run_app(application(), host="127.0.0.1", port=int(sys.argv[1]), handler_cancellation=True)
