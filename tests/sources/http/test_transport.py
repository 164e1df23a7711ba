"""Each transport over real sockets, since its reaction to a lost connection cannot be seen otherwise."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from moved_time import UNLIMITED, MovedTime
from ports import refusing_port
from sources.raw import KEEP

from gateway.errors import Outcome, SourceError, SourceInvalidResponse, SourceTimeout, SourceUnavailable
from gateway.sources.http.exchange import Multipart, Part, Request

HEAD = b"HTTP/1.1 200 OK\r\n"
WRITES = ["PUT", "PATCH", "POST", "DELETE"]


def call(url: str, method: str = "GET", body: Any = None) -> Request:
    return Request("account", method, url, "/x", {"Content-Type": "application/json"}, body)


async def failure(transport: Any, request: Request) -> SourceError:
    """Return the exception of a call that must fail, which is never one of a library."""
    with pytest.raises(SourceError) as caught:
        await transport.send(request)
    assert caught.value.origin.source == "account"
    return caught.value


async def test_aiohttp_alone_sends_twice(raw: Any) -> None:
    """aiohttp alone sends a PUT or DELETE again when the connection is lost before the response."""
    for method, sent in {"PUT": 2, "DELETE": 2, "PATCH": 1, "POST": 1}.items():
        server = await raw(b"")
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await session.request(method, server.url, data=b"{}")
        assert server.methods == [method] * sent


async def test_closed(raw: Any, transport: Any) -> None:
    """A call that is repeated after the end of the gateway is not sent, and that is no defect."""
    server = await raw(KEEP)
    calls = transport()
    await calls.aclose()
    error = await failure(calls, call(server.url, "PATCH", b"{}"))
    assert isinstance(error, SourceUnavailable)
    assert error.outcome is None
    assert server.methods == []


@pytest.mark.parametrize("method", WRITES)
async def test_a_change_is_sent_once(raw: Any, transport: Any, method: str) -> None:
    """A change whose new connection is lost is sent once, and its outcome is unknown."""
    server = await raw(b"")
    error = await failure(transport(), call(server.url, method, b"{}"))
    assert isinstance(error, SourceUnavailable)
    assert error.outcome is Outcome.UNKNOWN
    assert server.methods == [method]


@pytest.mark.parametrize("method", WRITES)
async def test_a_change_is_sent_once_on_a_kept_connection(raw: Any, transport: Any, method: str) -> None:
    """The same holds on a connection that was used before."""
    server = await raw(KEEP, b"")
    calls = transport()
    assert (await calls.send(call(server.url))).status == 200
    error = await failure(calls, call(server.url, method, b"{}"))
    assert isinstance(error, SourceUnavailable)
    assert error.outcome is Outcome.UNKNOWN
    assert server.methods == ["GET", method]
    assert server.connections == 1


async def test_a_multipart_change_is_sent_once(raw: Any, transport: Any) -> None:
    """The same holds for a form."""
    server = await raw(b"")
    form = Multipart((Part("icon", b"x", "image/png", "x.png"), Part("user", b"{}", "application/json")))
    assert (await failure(transport(), call(server.url, "PUT", form))).outcome is Outcome.UNKNOWN
    assert server.methods == ["PUT"]


async def test_a_read_has_no_outcome(raw: Any, transport: Any) -> None:
    """The exception of a read that failed has no outcome."""
    server = await raw(b"")
    error = await failure(transport(), call(server.url))
    assert isinstance(error, SourceUnavailable)
    assert error.outcome is None
    assert error.retryable


@pytest.mark.parametrize("method", ["GET", *WRITES])
async def test_refused(transport: Any, method: str) -> None:
    """After a refused connection nothing was sent, so there is no unknown outcome."""
    with refusing_port() as port:
        error = await failure(transport(), call(f"http://127.0.0.1:{port}/", method))
    assert isinstance(error, SourceUnavailable)
    assert error.outcome is None


async def test_no_such_host(transport: Any) -> None:
    """A host name without an address was sent nothing (`.invalid` has none, RFC 2606)."""
    error = await failure(transport(), call("http://source.invalid/", "PUT", b"{}"))
    assert isinstance(error, SourceUnavailable)
    assert error.outcome is None


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
@pytest.mark.parametrize("limited", ["read", "total"])
async def test_no_response_in_time(raw: Any, transport: Any, moved_time: MovedTime, method: str, limited: str) -> None:
    """If a source received a change and does not respond in time, the outcome is unknown."""
    server = await raw(None)
    failing = asyncio.ensure_future(failure(transport(**UNLIMITED | {limited: 200}), call(server.url, method)))
    await server.received(1)
    await moved_time.expire(failing)
    error = await failing
    assert isinstance(error, SourceTimeout)
    assert error.outcome is (None if method == "GET" else Outcome.UNKNOWN)
    assert server.methods == [method]


async def test_stalled_body(raw: Any, transport: Any, moved_time: MovedTime) -> None:
    """The timeout covers the response to its last byte."""
    server = await raw((HEAD + b"Content-Length: 40\r\n\r\nhalf of it", None))
    failing = asyncio.ensure_future(failure(transport(**UNLIMITED | {"total": 200}), call(server.url, "PATCH")))
    await server.received(1)
    await moved_time.expire(failing)
    error = await failing
    assert isinstance(error, SourceTimeout)
    assert error.outcome is Outcome.UNKNOWN


async def test_no_connection_in_time(transport: Any) -> None:
    """A host that does not accept the connection in time was sent nothing."""
    with socket.socket() as unresponsive, socket.socket() as first:
        unresponsive.bind(("127.0.0.1", 0))
        unresponsive.listen(0)
        first.connect(unresponsive.getsockname())  # the queue is full now, so further connections wait
        with socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(unresponsive.getsockname())
            request = call(f"http://127.0.0.1:{unresponsive.getsockname()[1]}/", "PUT", b"{}")
            error = await failure(transport(connect=0.05), request)
    assert isinstance(error, SourceTimeout)
    assert error.outcome is None


async def test_no_free_connection_in_time(raw: Any, transport: Any, moved_time: MovedTime) -> None:
    """A change that only waited for a free connection was not sent."""
    server = await raw(None)
    calls = transport(connections=1, **UNLIMITED | {"connect": 200, "total": 1_000})
    first, second = (asyncio.ensure_future(failure(calls, call(server.url, "PUT", b"{}"))) for _ in range(2))
    await server.received(1)
    await moved_time.expire(second)
    assert not first.done()
    await moved_time.expire(first)
    assert ((await first).outcome, (await second).outcome) == (Outcome.UNKNOWN, None)
    assert server.methods == ["PUT"]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", SourceInvalidResponse),
        (b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n", SourceInvalidResponse),
        (b"HTTP/1.1 banana\r\n\r\n", SourceInvalidResponse),
        (HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n", SourceInvalidResponse),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", SourceInvalidResponse),
        (HEAD + b"Content-Length: 40\r\n\r\nhalf of it", SourceUnavailable),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", SourceUnavailable),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", SourceUnavailable),
    ],
    ids=["ssh", "tls", "no status", "huge header", "no chunk", "half a body", "half the chunks", "no gzip"],
)
async def test_no_complete_response(raw: Any, transport: Any, reply: bytes, kind: type) -> None:
    """A response that is invalid or incomplete raises an error of the gateway, with an unknown outcome of a change."""
    for method, outcome in (("GET", None), ("PATCH", Outcome.UNKNOWN), ("PUT", Outcome.UNKNOWN)):
        server = await raw(reply)
        error = await failure(transport(), call(server.url, method, None if method == "GET" else b"{}"))
        assert type(error) is kind
        assert error.outcome is outcome
        assert server.methods == [method]


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A correct server with documents of any size, redirects, and an echo."""

    async def document(request: web.Request) -> web.StreamResponse:
        body = b" " * int(request.match_info["size"])
        if "gzip" in request.query:
            return web.Response(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})
        return web.Response(body=body)

    async def away(request: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect("http://source.invalid/")

    async def echo(request: web.Request) -> web.StreamResponse:
        return web.json_response({"target": request.raw_path, "headers": dict(request.headers)})

    app = web.Application()
    app.router.add_get("/size/{size}", document)
    app.router.add_route("*", "/away", away)
    app.router.add_route("*", "/{rest:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    tcp = web.TCPSite(runner, "127.0.0.1", 0)
    await tcp.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


CAP = 100_000


@pytest.mark.parametrize("query", ["", "?gzip"])
@pytest.mark.parametrize("size", [0, 1, CAP, CAP + 1, 50_000_000])
async def test_size_cap(site: str, transport: Any, size: int, query: str) -> None:
    """A response may have as many bytes as allowed, counted after decompression."""
    calls = transport(response_bytes=CAP)
    request = call(f"{site}/size/{size}{query}")
    if size <= CAP:
        assert len((await calls.send(request)).body) == size
        return
    error = await failure(calls, request)
    assert isinstance(error, SourceInvalidResponse)
    assert str(CAP) in error.message
    assert (await calls.send(call(f"{site}/size/1"))).body == b" "


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "POST"])
async def test_redirects_are_not_followed(site: str, transport: Any, method: str) -> None:
    """A redirect is returned: following it would send the credential and the change to another host."""
    assert (await transport().send(call(f"{site}/away", method))).status == 307


@pytest.mark.parametrize("target", ["/a%2Fb%3Fc%23d/?include[]=user&x=%25%2B%20", "/v1/x?eq(id,%22a%22)", "/%2E%2E/x"])
async def test_the_target_is_unchanged(site: str, transport: Any, target: str) -> None:
    """The request target is sent as it is, neither escaped, unescaped nor normalized."""
    response = await transport().send(call(site + target))
    assert orjson.loads(response.body)["target"] == target


async def test_headers(site: str, transport: Any) -> None:
    """A request names its client and the accepted type; the names of response headers ignore case."""
    response = await transport().send(call(f"{site}/x", "POST", b"{}"))
    headers = orjson.loads(response.body)["headers"]
    assert headers["User-Agent"] == "user-gateway"
    assert headers["Accept"] == "application/json"
    assert headers["Content-Type"] == "application/json"
    assert response.headers["content-TYPE"].startswith("application/json")


async def test_cookies_are_not_kept(raw: Any, transport: Any) -> None:
    """A cookie is not sent back, since the account source rejects a cookie beside a token."""
    server = await raw(KEEP.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\nConnection: close\r\n\r\n"))
    calls = transport()
    url = server.url.replace("127.0.0.1", "localhost")  # a host name, since no client keeps cookies of addresses
    await calls.send(call(url))
    await calls.send(call(url))
    assert [b"Cookie" in head for head, _ in server.requests] == [False, False]


PARTS = (
    b'--B\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name="icon"; filename="%s"\r\n\r\n%s\r\n'
    b'--B\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name="user"\r\n\r\n%s\r\n--B--\r\n'
)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("logo.png", b"logo.png"),
        ("my logo.png", b"my logo.png"),
        ("a%20b.png", b"a%20b.png"),
        ("naïve 写真.png", "naïve 写真.png".encode()),
        ('a"b\\c.png', b'a\\"b\\\\c.png'),
    ],
)
@pytest.mark.parametrize("size", [0, 4, 2 * 1024 * 1024])
async def test_multipart(raw: Any, transport: Any, name: str, written: bytes, size: int) -> None:
    """The parts of a form are sent unchanged and in order, without additional headers."""
    server = await raw(KEEP)
    icon, user = b"\x89" * size, '{"firstName":"Ångström"}'.encode()
    form = Multipart((Part("icon", icon, "image/png", name), Part("user", user, "application/json")))
    await transport().send(Request("softwareone", "PUT", server.url, "/x", {}, form))
    [(head, body)] = server.requests
    boundary = head.split(b"boundary=")[1].split(b"\r\n")[0]
    assert b"Content-Type: multipart/form-data; boundary=" in head
    assert body.replace(boundary, b"B") == PARTS % (written, icon, user)


async def test_multipart_without_a_file(raw: Any, transport: Any) -> None:
    """A form of one text part is sent as a form."""
    server = await raw(KEEP)
    form = Multipart((Part("user", b"{}", "application/json"),))
    await transport().send(Request("softwareone", "PUT", server.url, "/x", {}, form))
    [(head, body)] = server.requests
    boundary = head.split(b"boundary=")[1].split(b"\r\n")[0]
    assert body.replace(boundary, b"B") == b"--B" + PARTS.split(b"--B")[2] % b"{}" + b"--B--\r\n"
