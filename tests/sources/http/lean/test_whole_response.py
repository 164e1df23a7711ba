"""Responses that arrive whole: they are read as the other reader does, or left to it."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.http.lean.responses import CAP, OK, RESPONSES, TEXT, chunked, sized

from gateway.errors import GatewayError
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.lean.response_reader import ResponseReader
from gateway.sources.http.lean.whole_response import WholeResponseReader

LEFT = {"trailers", "no content", "interim"}

# What changes the meaning of a response, or whether its connection can be used again.
UNUSUAL = {
    "close": sized(b"{}", b"Connection: close"),
    "keep-alive and close": sized(b"{}", b"Connection: keep-alive", b"Connection: close"),
    "close and keep-alive": sized(b"{}", b"connection: close", b"Connection: keep-alive"),
    "a list": sized(b"{}", b"Connection: keep-alive, close"),
    "proxy connection": sized(b"{}", b"Proxy-Connection: close"),
    "upgrade": sized(b"{}", b"Upgrade: h2c"),
    "HTTP/1.0": sized(b"{}").replace(b"1.1", b"1.0"),
    "two spellings": sized(b"{}", b"X-A: 1", b"x-a: 2"),
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 40\r\n\r\n",
    "until the end": OK + b"\r\n{}",
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "too long": sized(b"x" * (CAP + 1)),
    "too long inflated": sized(gzip.compress(b"x" * (CAP + 1)), b"Content-Encoding: gzip"),
    "not gzip": sized(b"{}", b"Content-Encoding: gzip"),
    "cut gzip": sized(gzip.compress(TEXT)[:-9], b"Content-Encoding: gzip"),
    "unknown coding": sized(b"{}", b"Content-Encoding: br"),
    "two codings": sized(gzip.compress(TEXT), b"Content-Encoding: gzip", b"Content-Encoding: br"),
    "gzip transfer": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked(b"{}"),
    "two lengths": sized(b"{}", b"Content-Length: 1"),
    "length and chunks": sized(chunked(b"{}"), b"Transfer-Encoding: chunked"),
    "a second response": sized(b"{}") * 2,
    "bytes after it": sized(b"{}") + b"x",
    "a large head": sized(b"{}", b"X-A: " + b"a" * 70_000),
    "many headers": sized(b"{}", *(b"X-%d: 1" % number for number in range(300))),
    "no HTTP": b"SSH-2.0-x\r\n",
    "no name": sized(b"{}", b": 1"),
    "a cut one": sized(b"{}")[:-1],
}


def by_both(data: bytes, method: str = "GET") -> tuple[object, object]:
    """Return what each reader makes of it: the response with whether the connection is usable, or the error's text."""
    reader = ResponseReader(CAP)
    reader.expect(Request("account", method, "u", "/x"))
    try:
        other: object = shown(reader.feed(data), reusable=reader.reusable)
    except GatewayError as error:
        other = str(error)
    whole = WholeResponseReader().read(data, CAP)
    return None if whole is None else shown(whole, reusable=True), other


def shown(response: Response | None, *, reusable: bool) -> object:
    return response and (response.status, dict(response.headers), response.body, reusable)


@pytest.mark.parametrize("name", RESPONSES)
def test_whole(name: str) -> None:
    """The usual forms are read, with the same result; only a few are left to the other reader."""
    whole, other = by_both(RESPONSES[name])
    assert (whole is None) == (name in LEFT)
    assert whole is None or whole == other


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual(name: str) -> None:
    """All that is unusual is left to the other reader, and the next response on the connection is read again."""
    reader = WholeResponseReader()
    assert reader.read(UNUSUAL[name], CAP) is None
    response = reader.read(sized(TEXT, b"X-Next: 1"), CAP)
    assert response is not None
    assert dict(response.headers) == {"x-next": "1", "content-length": str(len(TEXT))}
    assert response.body == TEXT


@pytest.mark.parametrize("name", RESPONSES)
def test_incomplete(name: str) -> None:
    """A response that has not arrived whole is left to the other reader, wherever it is cut."""
    data = RESPONSES[name]
    for at in range(1, len(data)):
        assert WholeResponseReader().read(data[:at], CAP) is None


LINES = st.sampled_from(
    [
        b"Connection: keep-alive", b"connection: Keep-Alive", b"Connection: close", b"CONNECTION: close ",
        b"Connection: upgrade", b"Connection:", b"Content-Length: 2", b"Content-Length: 0", b"content-length: 2",
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding: identity",
        b"Content-Encoding: identity", b"Content-Encoding: gzip", b"Upgrade: x", b"Keep-Alive: timeout=1", b"X-A: 1",
        b"x-a: 2", b"X-A: 3", b"X-B:", b"X-C: \xff ", b" folded: 1", b"X-D : 1", b"Set-Cookie: a", b"Set-Cookie: b",
    ]
)  # fmt: skip
BODIES = st.sampled_from(
    [b"", b"{}", b"{", b"2\r\n{}\r\n0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX: 1\r\n\r\n", b"{}\r\n", b"{}{"]
)
STARTS = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.1 404 ", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No", b"HTTP/1.1 100 C", b"HTTP/1.1 200"]
)


@given(STARTS, st.lists(LINES, max_size=5), BODIES, st.sampled_from([b"\r\n", b"\r\n", b"\n"]))
def test_same_as_the_other_reader(start: bytes, lines: list[bytes], body: bytes, end: bytes) -> None:
    """Whatever head and body come: a response that is read has the values of the other reader, which could go on."""
    whole, other = by_both(end.join([start, *lines, b"", b""]) + body)
    assert whole is None or whole == other
