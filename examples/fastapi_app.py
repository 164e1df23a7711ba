"""Embeds the gateway in a FastAPI application: its API is under /people, and a page reads with few scopes."""  # noqa: INP001 - a program, not part of a package

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request

from gateway import Gateway, Settings
from gateway.operation import Principal
from gateway.users.model import UserSource
from gateway.users.service import UserService

GREETER = Principal("greeter", frozenset({"users:read:account"}))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the gateway inside the event loop, and close it when the application ends."""
    async with Gateway(Settings()) as gateway:
        app.state.users = gateway.users.by(GREETER)
        app.mount("/people", gateway.asgi_app())
        yield


app = FastAPI(lifespan=lifespan)


def users(request: Request) -> UserService:
    """Return the typed service with the scopes of the greeter."""
    service: UserService = request.app.state.users
    return service


@app.get("/greeting/{id}")
async def greeting(id: str, users: Annotated[UserService, Depends(users)]) -> dict[str, str]:
    """Greet a user of the account source."""
    user = await users.get_user(id, UserSource.ACCOUNT)
    if user is None:
        raise HTTPException(404)
    return {"greeting": f"Hello, {user.name}!"}
