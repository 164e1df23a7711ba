"""Embeds the gateway in an aiohttp application: its API is under /people, and a page uses the typed service."""  # noqa: INP001 - a program, not part of a package

import sys
from contextlib import AsyncExitStack

from aiohttp import web

from gateway import Gateway, Settings
from gateway.models import UserSource

GATEWAY = web.AppKey("gateway", Gateway)


async def greeting(request: web.Request) -> web.Response:
    """Greet a user of the account source."""
    user = await request.app[GATEWAY].users.get_user(request.match_info["id"], UserSource.ACCOUNT)
    if user is None:
        raise web.HTTPNotFound
    return web.json_response({"greeting": f"Hello, {user.name}!"})


async def application() -> web.Application:
    """Build the application; the gateway is open until the application ends."""
    exit_stack = AsyncExitStack()
    gateway = await exit_stack.enter_async_context(Gateway(Settings()))
    app = web.Application()
    app[GATEWAY] = gateway
    app.router.add_get("/greeting/{id}", greeting)
    app.add_subapp("/people", gateway.aiohttp_app())
    app.on_shutdown.append(
        lambda _: gateway.drain()
    )  # closes live connections, so that their clients reconnect elsewhere
    app.on_cleanup.append(lambda _: exit_stack.aclose())
    return app


if __name__ == "__main__":
    # With handler_cancellation a request is stopped when its client disconnects.
    web.run_app(application(), host="127.0.0.1", port=int(sys.argv[1]), handler_cancellation=True)
