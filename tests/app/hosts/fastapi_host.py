"""A FastAPI application with the gateway in its lifespan, as docs/embedding.md has it, served by uvicorn."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from gateway import Gateway, Settings

gateway = Gateway(Settings())


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    async with gateway:
        with gateway.drain_on_signals():
            yield


app = FastAPI(lifespan=lifespan)
app.mount("/people", gateway.asgi_app())
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))
