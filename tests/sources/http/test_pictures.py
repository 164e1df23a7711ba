"""Pictures are fetched from below the base URL of their source, and from configured origins, by both clients."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from gateway.errors import SourceCredentials, SourceInvalidResponse, SourceUnavailable
from gateway.sources.http.pictures import SourcePictures

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
CREDENTIAL = {"Authorization": "Bearer secret", "OpenMRP-Version": "1"}
MAX_BYTES = 1000


Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Server:
    """A server: `answers` by path, and the requests that it received, each with its credential."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    async def respond(self, request: web.BaseRequest) -> web.Response:
        self.requests.append((request.raw_path, request.headers.get("Authorization")))
        status, headers, content = self.answers.get(request.raw_path, (404, {}, b"{}"))
        return web.Response(status=status, headers=headers, body=content)


def picture(content: bytes = PNG) -> Answer:
    """A response with a picture."""
    return 200, {}, content


def redirect(url: str) -> Answer:
    """A redirect."""
    return 307, {"Location": url}, b""


@pytest.fixture
async def server() -> AsyncIterator[Callable[[], Awaitable[Server]]]:
    """Starts a server at a free port."""
    async with AsyncExitStack() as stack:

        async def start() -> Server:
            started = Server()
            runner = web.ServerRunner(web.Server(started.respond))
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            started.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            return started

        yield start


@pytest.fixture
async def source(server: Any) -> Server:
    """The source, whose base URL has the path `/base`."""
    return await server()


@pytest.fixture
async def elsewhere(server: Any) -> Server:
    """Another host."""
    return await server()


@pytest.fixture
def pictures(source: Server, transport: Any) -> Callable[..., SourcePictures]:
    """Makes the pictures of the source, over a real client."""

    def make(*origins: str) -> SourcePictures:
        send = transport().send
        return SourcePictures(
            "account", f"{source.url}/base", CREDENTIAL, send=send, send_elsewhere=send, origins=origins
        )

    return make


async def fetch(pictures: SourcePictures, address: str) -> bytes | None:
    """Fetch the picture at an address that the source sent."""
    location = pictures.locate(address)
    assert location is not None
    return await pictures.fetch(location, MAX_BYTES)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/v1/files/a.png", "/base/v1/files/a.png"),
        ("photos/a.png", "/base/photos/a.png"),
        ("{base}/v1/a", "/base/v1/a"),
        ("{base}/v1/a?size=1#top", "/base/v1/a?size=1"),
        ("photos/Ada Lovelace.png", "/base/photos/Ada%20Lovelace.png"),
        ("photos/Ada%20Lovelace.png", "/base/photos/Ada%20Lovelace.png"),
        ("photos/é", "/base/photos/%C3%A9"),
        ("a:b", "/base/a:b"),
    ],
)
async def test_addresses_of_the_source(pictures: Any, source: Server, address: str, path: str) -> None:
    """A path is below the base URL, a URL may be; both are called with the credential of the source."""
    source.answers[path] = picture()
    assert await fetch(pictures(), address.format(base=f"{source.url}/base")) == PNG
    assert source.requests == [(path, "Bearer secret")]


async def test_a_redirect_within_the_source(pictures: Any, source: Server) -> None:
    """A redirect to below the base URL is followed with the credential."""
    source.answers = {"/base/icon": redirect("/base/static/1?v=2"), "/base/static/1?v=2": picture()}
    assert await fetch(pictures(), "icon") == PNG
    assert source.requests == [("/base/icon", "Bearer secret"), ("/base/static/1?v=2", "Bearer secret")]


async def test_a_redirect_to_a_configured_origin(pictures: Any, source: Server, elsewhere: Server) -> None:
    """A redirect to a configured origin is followed without the credential, and back with it."""
    source.answers = {"/base/icon": redirect(f"{elsewhere.url}/1"), "/base/back": picture()}
    elsewhere.answers = {"/1": redirect(f"{source.url}/base/back")}
    assert await fetch(pictures(elsewhere.url), "icon") == PNG
    assert elsewhere.requests == [("/1", None)]
    assert source.requests[-1] == ("/base/back", "Bearer secret")


async def test_a_configured_origin(pictures: Any, source: Server, elsewhere: Server) -> None:
    """A picture at a configured origin is fetched without the credential."""
    elsewhere.answers = {"/p?X-Signature=1": picture()}
    assert await fetch(pictures(elsewhere.url), f"{elsewhere.url}/p?X-Signature=1") == PNG
    assert elsewhere.requests == [("/p?X-Signature=1", None)]
    assert source.requests == []


@pytest.mark.parametrize(
    "target",
    [
        "{elsewhere}/p",
        "//{elsewhere_host}/p",
        "{source}/outside",
        "/outside",
        "/base/../outside",
        "/base/%2e%2e/outside",
        "/base/..%2foutside",
        "/base/%2E%2E%5Coutside",
        "/base/%252e%252e/outside",
        "/base/..;/outside",
        "/base/%2e%2e%3ba=b/outside",
        "{source}.evil.test/base/p",
        "http://user@{source_host}/base/p",
        "http://[::1/base",
        "http://{source_host}:99999/base/p",
        "file:///etc/passwd",
        "gopher://{source_host}/base/p",
    ],
)
async def test_other_redirects_are_not_followed(
    pictures: Any, source: Server, elsewhere: Server, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A redirect to another host, or out of the base URL, ends the call; the log names the setting."""
    names = {"elsewhere": elsewhere.url, "source": source.url}
    hosts = {f"{name}_host": url.removeprefix("http://") for name, url in names.items()}
    source.answers = {"/base/icon": redirect(target.format(**names, **hosts)), "/outside": picture()}
    stored = pictures()
    for _ in range(2):
        with caplog.at_level(logging.WARNING), pytest.raises(SourceInvalidResponse, match="not configured") as refused:
            await fetch(stored, "icon")
    assert [path for path, _ in source.requests] == ["/base/icon"] * 2
    assert len(caplog.records) == 1
    assert elsewhere.requests == []
    assert "GATEWAY_ACCOUNT__PICTURE_ORIGINS" in caplog.text
    assert "127.0.0.1" not in str(refused.value)


async def test_a_redirect_with_other_bytes(transport: Any) -> None:
    """A redirect to bytes that are not UTF-8 is followed with the same bytes, escaped."""
    received = []

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append((await reader.readuntil(b"\r\n\r\n")).split()[1])
        if len(received) == 1:
            writer.write(
                b"HTTP/1.1 302 Found\r\nLocation: /\xff\xc3\xa9\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(PNG), PNG))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        send = transport().send
        assert await SourcePictures("account", url, {}, send=send, send_elsewhere=send).fetch("icon", MAX_BYTES) == PNG
    assert received == [b"/icon", b"/%FF%C3%A9"]


@pytest.mark.parametrize("address", ["/../outside", "a/%2e%2e/%2e%2e/outside", "{base}/../outside"])
async def test_paths_out_of_the_base_url(pictures: Any, source: Server, address: str) -> None:
    """An address that leads out of the base URL is not called."""
    source.answers = {"/outside": picture()}
    with pytest.raises(SourceInvalidResponse):
        await fetch(pictures(), address.format(base=f"{source.url}/base"))
    assert source.requests == []


@pytest.mark.parametrize(
    "address",
    [
        "{elsewhere}/p",
        "//{elsewhere}/p",
        "{source}/outside",
        "{source}0/base/p",
        "https://[bad/p",
        "ftp://x/y",
    ],
)
async def test_addresses_that_are_not_located(pictures: Any, source: Server, elsewhere: Server, address: str) -> None:
    """A URL that is neither below the base URL nor at a configured origin is no picture of the source."""
    assert pictures().locate(address.format(elsewhere=elsewhere.url, source=source.url)) is None


async def test_redirects_end(pictures: Any, source: Server) -> None:
    """A source that redirects again and again is given up."""
    source.answers = {"/base/icon": redirect("/base/icon")}
    with pytest.raises(SourceInvalidResponse, match="more than 3 times"):
        await fetch(pictures(), "icon")
    assert len(source.requests) == 4


@pytest.mark.parametrize("status", [204, 404, 410])
async def test_no_picture(pictures: Any, source: Server, status: int) -> None:
    """There may be no picture any more."""
    source.answers = {"/base/icon": (status, {}, b"")}
    assert await fetch(pictures(), "icon") is None


@pytest.mark.parametrize(
    ("status", "error"), [(401, SourceCredentials), (503, SourceUnavailable), (302, SourceInvalidResponse)]
)
async def test_failures(pictures: Any, source: Server, status: int, error: type[Exception]) -> None:
    """Other statuses are the errors that they are elsewhere; a redirect without a target is none of the documented."""
    source.answers = {"/base/icon": (status, {}, b"")}
    with pytest.raises(error):
        await fetch(pictures(), "icon")


async def test_too_large(pictures: Any, source: Server) -> None:
    """A picture that is larger than allowed is not read to its end; the next one is not affected."""
    source.answers = {"/base/large": picture(b"x" * (MAX_BYTES + 1)), "/base/icon": picture(b"x" * MAX_BYTES)}
    store = pictures()
    with pytest.raises(SourceInvalidResponse, match="1000"):
        await fetch(store, "large")
    assert await fetch(store, "icon") == b"x" * MAX_BYTES
