"""Embeds the gateway in a FastAPI application: its API is under /people, and a page reads with few scopes."""  # noqa: INP001 - a program, not part of a package

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException

from gateway import Gateway, Settings
from gateway.auth import Principal
from gateway.models import UserSource

GREETER = Principal("greeter", frozenset({"users:read:account"}))

gateway = Gateway(Settings())


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    """Open the gateway inside the event loop, and close it when the application ends."""
    async with gateway:
        with gateway.drain_on_signals():  # uvicorn waits for open connections, also for subscriptions
            yield


app = FastAPI(lifespan=lifespan)
app.mount("/people", gateway.asgi_app())


@app.get("/greeting/{id}")
async def greeting(id: str) -> dict[str, str]:
    """Greet a user of the account source."""
    user = await gateway.users.by(GREETER).get_user(id, UserSource.ACCOUNT)
    if user is None:
        raise HTTPException(404)
    return {"greeting": f"Hello, {user.name}!"}
