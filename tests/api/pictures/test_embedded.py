"""The URLs of pictures where the gateway is embedded in another program, and over gRPC."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
import uvicorn
from aiohttp import ClientSession, web
from fastapi import FastAPI
from still_clock import StillClock
from web_app import running

from gateway import Gateway, Settings
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, SOFTWAREONE_TOKEN, SandboxServer
from gateway.users.model import UserSource
from usergateway.v1 import users_pb2

QUERY = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { imageUrl } }'


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Any]]:
    """Opens gateways over one sandbox and with one clock, which ends no window of URLs, with further settings."""
    async with AsyncExitStack() as stack:
        sandbox, clock = await stack.enter_async_context(SandboxServer()), StillClock()

        async def open_gateway(**settings: Any) -> Gateway:
            sources: dict[str, Any] = {
                "account": {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID},
                "softwareone": {"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN},
            }
            return await stack.enter_async_context(Gateway(Settings(grpc_port=0, **sources, **settings), clock=clock))

        yield open_gateway


async def loaded(session: ClientSession, base: str) -> tuple[str, bytes]:
    """Read a user below that URL, and load its picture."""
    async with session.post(f"{base}/graphql", json={"query": QUERY}) as response:
        url = (await response.json())["data"]["user"]["imageUrl"]
    async with session.get(url) as response:
        return url, await response.read()


async def test_in_an_aiohttp_application(opened: Any) -> None:
    """In a sub-application the URL has the prefix of that."""
    gateway, outer = await opened(), web.Application()
    outer.add_subapp("/some/users", gateway.aiohttp_app())
    async with running(outer) as url, ClientSession() as session:
        picture, content = await loaded(session, f"{url}/some/users")
        assert picture.startswith(f"{url}/some/users/images/")
        assert content.startswith(b"\x89PNG")


async def test_in_an_asgi_application(opened: Any) -> None:
    """Mounted in an ASGI application the URL has the prefix of that."""
    outer = FastAPI()
    outer.mount("/users", (await opened()).asgi_app())
    server = uvicorn.Server(uvicorn.Config(outer, port=0, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(30):
            while not server.started:  # noqa: ASYNC110 - uvicorn sets no event
                await asyncio.sleep(0.01)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        async with ClientSession() as session:
            picture, content = await loaded(session, f"{url}/users")
        assert picture.startswith(f"{url}/users/images/")
        assert content.startswith(b"\x89PNG")
    finally:
        server.should_exit = True
        await serving


@pytest.mark.parametrize(
    ("settings", "begin"),
    [({}, "/images/"), ({"public_url": "https://api.example/users"}, "https://api.example/users/images/")],
)
async def test_without_http(opened: Any, settings: dict[str, Any], begin: str) -> None:
    """In Python and over gRPC there is no client whose address is known: a URL is public, or a path."""
    gateway = await opened(**settings)
    result = await gateway.execute(QUERY)
    url = result.data["user"]["imageUrl"]
    assert url.startswith(begin)
    user = await gateway.users.get_user("acus_adalovelace1", UserSource.ACCOUNT)
    assert gateway.pictures.url(user) == url
    server = await gateway.serve_grpc()
    async with grpc.aio.insecure_channel(server.address) as channel:
        call = channel.unary_unary(
            "/usergateway.v1.UserService/GetUser",
            request_serializer=users_pb2.GetUserRequest.SerializeToString,
            response_deserializer=users_pb2.User.FromString,
        )
        source = users_pb2.USER_SOURCE_ACCOUNT
        read = await call(users_pb2.GetUserRequest(id="acus_adalovelace1", source=source, view=users_pb2.VIEW_FULL))
    await server.stop(0)
    assert read.image_url == url


async def test_replicas(opened: Any) -> None:
    """Without a secret of their own, replicas with the same sources make the same URLs, and serve each other's."""
    first, second = await opened(), await opened()
    [one, other] = [(await gateway.execute(QUERY)).data["user"]["imageUrl"] for gateway in (first, second)]
    assert one == other
    assert one != (await (await opened(cursor_secret="another")).execute(QUERY)).data["user"]["imageUrl"]
