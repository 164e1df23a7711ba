"""Embeds the gateway in a FastAPI application: its API is under /people, and a page reads with few scopes."""  # noqa: INP001 - a program, not part of a package

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request

from gateway import Gateway, Settings
from gateway.auth import Principal
from gateway.models import UserSource

GREETER = Principal("greeter", frozenset({"users:read:account"}))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the gateway inside the event loop, and close it when the application ends."""
    async with Gateway(Settings()) as gateway:
        app.state.gateway = gateway
        app.mount("/people", gateway.asgi_app())
        with gateway.drain_on_signals():  # uvicorn waits for open connections, also for subscriptions
            yield


app = FastAPI(lifespan=lifespan)


def opened(request: Request) -> Gateway:
    """Return the gateway of the application."""
    gateway: Gateway = request.app.state.gateway
    return gateway


@app.get("/greeting/{id}")
async def greeting(id: str, gateway: Annotated[Gateway, Depends(opened)]) -> dict[str, str]:
    """Greet a user of the account source."""
    user = await gateway.users.by(GREETER).get_user(id, UserSource.ACCOUNT)
    if user is None:
        raise HTTPException(404)
    return {"greeting": f"Hello, {user.name}!"}
