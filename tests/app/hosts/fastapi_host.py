"""A FastAPI application with the gateway in its lifespan, as docs/embedding.md has it, served by uvicorn."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from gateway import Gateway, Settings


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    async with Gateway(Settings()) as gateway:
        app.mount("/people", gateway.asgi_app())
        with gateway.drain_on_signals():
            yield


uvicorn.run(FastAPI(lifespan=lifespan), host="127.0.0.1", port=int(sys.argv[1]))
