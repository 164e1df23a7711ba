"""Pictures of servers that differ from the sandbox: addresses that expire, and no revision of a user."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, web
from still_clock import StillClock
from web_app import running

from gateway import Gateway, Settings

PNG = b"\x89PNG\r\n\x1a\n"
ACCOUNT = '{ user(id: "acus_1", source: ACCOUNT) { imageUrl } }'
MARKETPLACE = '{ user(id: "USR-1", source: SOFTWAREONE) { imageUrl createdBy { imageUrl } } }'


@dataclass
class Servers:
    """The two sources on one server, and a gateway before them.

    The address of a picture of the account source has a signature that differs from response to response, and only the
    latest one is accepted. A user of SoftwareOne has no revision, and the icon that was uploaded last.
    """

    stack: AsyncExitStack
    url: str = ""
    signature: int = 0
    icon: bytes = PNG
    paths: list[str] = field(default_factory=list)
    gateway: Gateway = field(init=False)
    session: ClientSession = field(init=False)
    http: str = ""

    async def start(self, *, storage: bool = False) -> None:
        """Start both; with `storage`, pictures may be fetched from the same server as `localhost` too."""
        app = web.Application(middlewares=[self._note])
        app.router.add_get("/v1/identity/account-users/acus_1", self._account_user)
        app.router.add_get("/signed", self._signed)
        app.router.add_get("/public/v1/accounts/users/USR-1", self._marketplace_user)
        app.router.add_put("/public/v1/accounts/users/USR-1", self._upload)
        app.router.add_get("/public/v1/accounts/users/USR-1/icon", self._icon)
        self.url = await self.stack.enter_async_context(running(app))
        source: Any = {"base_url": self.url, "token": "t"}
        origins = [self.url.replace("127.0.0.1", "localhost")] if storage else []
        self.gateway = await self.stack.enter_async_context(
            Gateway(Settings(account=source | {"picture_origins": origins}, softwareone=source), clock=StillClock())
        )
        self.http = await self.stack.enter_async_context(running(self.gateway.aiohttp_app()))
        self.session = await self.stack.enter_async_context(ClientSession())

    async def read(self, query: str) -> Any:
        """Execute a query, and return the user."""
        result = await self.gateway.execute(query)
        assert result.data
        return result.data["user"]

    async def load(self, url: str) -> tuple[int, bytes]:
        """Load a picture."""
        async with self.session.get(f"{self.http}{url}") as response:
            return response.status, await response.read()

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.paths.append(request.path)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _account_user(self, _: web.Request) -> web.Response:
        self.signature += 1
        user = {"id": "us_1", "image_url": f"{self.url}/signed?X-Signature={self.signature}"}
        return web.json_response({"id": "acus_1", "user": user | {"updated_at": "2026-01-01T00:00:00Z"}})

    async def _signed(self, request: web.Request) -> web.Response:
        if request.query_string != f"X-Signature={self.signature}":
            raise web.HTTPForbidden
        return web.Response(body=PNG)

    async def _marketplace_user(self, _: web.Request) -> web.Response:
        icon = "/v1/accounts/users/USR-1/icon"
        by = {"id": "USR-1", "name": "Ada", "icon": icon}
        return web.json_response({"id": "USR-1", "icon": icon, "audit": {"created": {"by": by}}})

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.icon = form["icon"].file.read()  # type: ignore[union-attr]  # it is a file
        return await self._marketplace_user(request)

    async def _icon(self, _: web.Request) -> web.Response:
        return web.Response(body=self.icon)


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    """The servers, not started."""
    async with AsyncExitStack() as stack:
        yield Servers(stack)


async def test_an_address_that_expires(servers: Servers) -> None:
    """If the address of a picture differs from response to response, its URL does not, and leads to the present one."""
    await servers.start()
    url = (await servers.read(ACCOUNT))["imageUrl"]
    assert (await servers.read(ACCOUNT))["imageUrl"] == url
    servers.paths.clear()
    assert await servers.load(url) == (200, PNG)
    assert servers.paths == ["/v1/identity/account-users/acus_1", "/signed"]


async def test_an_address_at_another_host(servers: Servers) -> None:
    """An address at a host that is not configured is given to the caller as it is: a browser can load it itself."""
    await servers.start()
    servers.url = servers.url.replace("127.0.0.1", "localhost")
    assert (await servers.read(ACCOUNT))["imageUrl"] == f"{servers.url}/signed?X-Signature=1"


async def test_an_address_that_is_the_picture(servers: Servers) -> None:
    """A `data:` address of a picture is given as it is; that of anything else is none."""
    await servers.start()
    for type_, shown in (("image/png", True), ("text/html", False)):
        servers.url = f"data:{type_};base64,QUJD#"
        found = (await servers.read(ACCOUNT))["imageUrl"]
        assert found == (f"{servers.url}/signed?X-Signature=1" if shown else None)


async def test_an_address_at_a_configured_host(servers: Servers) -> None:
    """An address at a configured host leads to the gateway, which fetches the picture from there."""
    await servers.start(storage=True)
    servers.url = servers.url.replace("127.0.0.1", "localhost")
    url = (await servers.read(ACCOUNT))["imageUrl"]
    assert url.startswith("/images/")
    assert await servers.load(url) == (200, PNG)


async def test_an_upload_without_a_revision(servers: Servers) -> None:
    """After an upload the URLs of the picture are others, although the source sends nothing that distinguishes it."""
    await servers.start()
    before = await servers.read(MARKETPLACE)
    assert await servers.load(before["imageUrl"]) == (200, PNG)
    changed = await servers.gateway.users.update_software_one_user(
        "USR-1", {"icon": {"content": PNG + b"new", "content_type": "image/png"}}
    )
    after = servers.gateway.pictures.url(changed)
    assert after != before["imageUrl"]
    assert after is not None
    assert await servers.load(after) == (200, PNG + b"new")
    read = await servers.read(MARKETPLACE)
    assert read["imageUrl"] == after
    assert await servers.load(read["createdBy"]["imageUrl"]) == (200, PNG + b"new")
    assert urlsplit(after).query == ""
