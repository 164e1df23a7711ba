"""All of it over real sockets, for each transport: what one does when a connection breaks shows nowhere else."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from sources.raw import KEEP

from gateway.errors import Outcome, SourceError, SourceInvalidResponse, SourceTimeout, SourceUnavailable
from gateway.sources.http.exchange import Multipart, Part, Request

HEAD = b"HTTP/1.1 200 OK\r\n"
WRITES = ["PUT", "PATCH", "POST", "DELETE"]


def call(url: str, method: str = "GET", body: Any = None) -> Request:
    return Request("account", method, url, "/x", {"Content-Type": "application/json"}, body)


async def failure(transport: Any, request: Request) -> SourceError:
    """What a call that must fail fails with: never an exception of a library's."""
    with pytest.raises(SourceError) as caught:
        await transport.send(request)
    assert caught.value.origin.source == "account"
    return caught.value


async def test_the_trap(raw: Any) -> None:
    """aiohttp by itself sends a PUT or a DELETE a second time when the connection drops before the answer."""
    for method, sent in {"PUT": 2, "DELETE": 2, "PATCH": 1, "POST": 1}.items():
        server = await raw(b"")
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await session.request(method, server.url, data=b"{}")
        assert server.methods == [method] * sent


@pytest.mark.parametrize("method", WRITES)
async def test_a_change_is_sent_once(raw: Any, transport: Any, method: str) -> None:
    """A change whose connection drops, on a fresh connection, is sent once, and its outcome is unknown."""
    server = await raw(b"")
    error = await failure(transport(), call(server.url, method, b"{}"))
    assert isinstance(error, SourceUnavailable)
    assert error.outcome is Outcome.UNKNOWN
    assert server.methods == [method]


@pytest.mark.parametrize("method", WRITES)
async def test_a_change_is_sent_once_on_a_kept_connection(raw: Any, transport: Any, method: str) -> None:
    """The same on a connection that has served before."""
    server = await raw(KEEP, b"")
    calls = transport()
    assert (await calls.send(call(server.url))).status == 200
    error = await failure(calls, call(server.url, method, b"{}"))
    assert isinstance(error, SourceUnavailable)
    assert error.outcome is Outcome.UNKNOWN
    assert server.methods == ["GET", method]
    assert server.connections == 1


async def test_a_multipart_change_is_sent_once(raw: Any, transport: Any) -> None:
    """The same for a form."""
    server = await raw(b"")
    form = Multipart((Part("icon", b"x", "image/png", "x.png"), Part("user", b"{}", "application/json")))
    assert (await failure(transport(), call(server.url, "PUT", form))).outcome is Outcome.UNKNOWN
    assert server.methods == ["PUT"]


async def test_a_read_has_no_outcome(raw: Any, transport: Any) -> None:
    """A read that fails leaves nothing in doubt."""
    server = await raw(b"")
    error = await failure(transport(), call(server.url))
    assert isinstance(error, SourceUnavailable)
    assert error.outcome is None
    assert error.retryable


@pytest.mark.parametrize("method", ["GET", *WRITES])
async def test_refused(transport: Any, method: str) -> None:
    """A refused connection carried nothing: there is no outcome to doubt."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses, and nobody else gets the port
        error = await failure(transport(), call(f"http://127.0.0.1:{taken.getsockname()[1]}/", method))
    assert isinstance(error, SourceUnavailable)
    assert error.outcome is None


async def test_no_such_host(transport: Any) -> None:
    """A name without an address was sent nothing either (`.invalid` has none, RFC 2606)."""
    error = await failure(transport(), call("http://source.invalid/", "PUT", b"{}"))
    assert isinstance(error, SourceUnavailable)
    assert error.outcome is None


@pytest.mark.parametrize(("method", "outcome"), [("GET", None), ("PUT", Outcome.UNKNOWN), ("POST", Outcome.UNKNOWN)])
@pytest.mark.parametrize("limits", [{"read": 0.2}, {"total": 0.2}])
async def test_no_answer_in_time(raw: Any, transport: Any, method: str, outcome: Any, limits: Any) -> None:
    """A source that got the call and does not answer: a change may have been carried out."""
    server = await raw(None)
    error = await failure(transport(**limits), call(server.url, method))
    assert isinstance(error, SourceTimeout)
    assert error.outcome is outcome
    assert server.methods == [method]


async def test_stalled_body(raw: Any, transport: Any) -> None:
    """The time counts to the last byte of the answer."""
    server = await raw((HEAD + b"Content-Length: 40\r\n\r\nhalf of it", None))
    error = await failure(transport(total=0.2), call(server.url, "PATCH"))
    assert isinstance(error, SourceTimeout)
    assert error.outcome is Outcome.UNKNOWN


async def test_no_connection_in_time(transport: Any) -> None:
    """A host that does not take the connection was sent nothing."""
    with socket.socket() as deaf, socket.socket() as first:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        first.connect(deaf.getsockname())  # its queue is full now: further ones wait
        with socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(deaf.getsockname())
            request = call(f"http://127.0.0.1:{deaf.getsockname()[1]}/", "PUT", b"{}")
            error = await failure(transport(connect=0.05), request)
    assert isinstance(error, SourceTimeout)
    assert error.outcome is None


async def test_no_free_connection_in_time(raw: Any, transport: Any) -> None:
    """A change that only waited for a free socket was not sent."""
    server = await raw(None)
    calls = transport(connections=1, connect=0.2, total=0.5)
    first, second = await asyncio.gather(
        failure(calls, call(server.url, "PUT", b"{}")), failure(calls, call(server.url, "PUT", b"{}"))
    )
    assert (first.outcome, second.outcome) == (Outcome.UNKNOWN, None)
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
async def test_no_whole_answer(raw: Any, transport: Any, reply: bytes, kind: type) -> None:
    """Garbage and halves are errors of the contract; after a change they leave its outcome unknown."""
    for method, outcome in (("GET", None), ("PATCH", Outcome.UNKNOWN), ("PUT", Outcome.UNKNOWN)):
        server = await raw(reply)
        error = await failure(transport(), call(server.url, method, None if method == "GET" else b"{}"))
        assert type(error) is kind
        assert error.outcome is outcome
        assert server.methods == [method]


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A well-behaved server: documents of a size, redirects, an echo."""

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
    """An answer is read up to the cap, which counts what comes out of a compression."""
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
    """A redirect is the answer: following it would take the credentials and the change to another host."""
    assert (await transport().send(call(f"{site}/away", method))).status == 307


@pytest.mark.parametrize("target", ["/a%2Fb%3Fc%23d/?include[]=user&x=%25%2B%20", "/v1/x?eq(id,%22a%22)", "/%2E%2E/x"])
async def test_the_target_goes_as_it_is(site: str, transport: Any, target: str) -> None:
    """A URL is final: nothing on the way escapes, unescapes or shortens it."""
    answer = await transport().send(call(site + target))
    assert orjson.loads(answer.body)["target"] == target


async def test_headers(site: str, transport: Any) -> None:
    """A call says who asks and what it reads; answers' header names are found in any case; cookies are not kept."""
    answer = await transport().send(call(f"{site}/x", "POST", b"{}"))
    headers = orjson.loads(answer.body)["headers"]
    assert headers["User-Agent"] == "user-gateway"
    assert headers["Accept"] == "application/json"
    assert headers["Content-Type"] == "application/json"
    assert answer.headers["content-TYPE"].startswith("application/json")


async def test_cookies_are_not_kept(raw: Any, transport: Any) -> None:
    """A source's cookie is not sent back: the account API refuses a cookie beside a token."""
    server = await raw(KEEP.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\nConnection: close\r\n\r\n"))
    calls = transport()
    url = server.url.replace("127.0.0.1", "localhost")  # a name: cookies of addresses are not kept by anyone
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
    """A form's parts are on the wire as given, in their order, with no other header than theirs."""
    server = await raw(KEEP)
    icon, user = b"\x89" * size, '{"firstName":"Ångström"}'.encode()
    form = Multipart((Part("icon", icon, "image/png", name), Part("user", user, "application/json")))
    await transport().send(Request("softwareone", "PUT", server.url, "/x", {}, form))
    [(head, body)] = server.requests
    boundary = head.split(b"boundary=")[1].split(b"\r\n")[0]
    assert b"Content-Type: multipart/form-data; boundary=" in head
    assert body.replace(boundary, b"B") == PARTS % (written, icon, user)


async def test_multipart_without_a_file(raw: Any, transport: Any) -> None:
    """A form of one text part is a form, too."""
    server = await raw(KEEP)
    form = Multipart((Part("user", b"{}", "application/json"),))
    await transport().send(Request("softwareone", "PUT", server.url, "/x", {}, form))
    [(head, body)] = server.requests
    boundary = head.split(b"boundary=")[1].split(b"\r\n")[0]
    assert body.replace(boundary, b"B") == b"--B" + PARTS.split(b"--B")[2] % b"{}" + b"--B--\r\n"
