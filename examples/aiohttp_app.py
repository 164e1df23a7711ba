"""The gateway inside an aiohttp application: its API under /people, and a page that uses the typed service."""  # noqa: INP001 - a program, no part of a package

import sys
from contextlib import AsyncExitStack

from aiohttp import web

from gateway import Gateway, Settings
from gateway.users.model import UserSource

GATEWAY = web.AppKey("gateway", Gateway)


async def greeting(request: web.Request) -> web.Response:
    """Greet a user of the account system."""
    user = await request.app[GATEWAY].users.get_user(request.match_info["id"], UserSource.ACCOUNT)
    if user is None:
        raise web.HTTPNotFound
    return web.json_response({"greeting": f"Hello, {user.name}!"})


async def application() -> web.Application:
    """The application, its gateway open until it ends."""
    opened = AsyncExitStack()
    gateway = await opened.enter_async_context(Gateway(Settings()))
    app = web.Application()
    app[GATEWAY] = gateway
    app.router.add_get("/greeting/{id}", greeting)
    app.add_subapp("/people", gateway.aiohttp_app())
    app.on_shutdown.append(lambda _: gateway.drain())  # live clients go elsewhere
    app.on_cleanup.append(lambda _: opened.aclose())
    return app


if __name__ == "__main__":
    # With handler_cancellation a client who goes away stops what it asked for.
    web.run_app(application(), host="127.0.0.1", port=int(sys.argv[1]), handler_cancellation=True)
