"""Parsing of responses: the result does not depend on the pieces, and invalid bytes are refused."""

import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.http.lean.responses import CAP, OK, RESPONSES, TEXT, chunked, sized

from gateway.errors import GatewayError, SourceInvalidResponse, SourceUnavailable
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.lean.response_reader import ResponseReader

BODIES = {"sized": b"{}", "chunk extension": b"{}", "identity": b"{}", "interim": b"{}", "no reason": b"{}"} | {
    "empty": b"",
    "compressed nothing": b"",
    "no content": b"",
    "empty header": b"{}",
}


def reader(method: str = "GET") -> ResponseReader:
    made = ResponseReader(CAP)
    made.expect(Request("account", method, "u", "/x"))
    return made


def fed(reading: ResponseReader, *pieces: bytes) -> Response | None:
    """Return the response after all of these pieces; there is none before the last one."""
    response = None
    for piece in pieces:
        assert response is None
        response = reading.feed(piece)
    return response


@pytest.mark.parametrize("name", RESPONSES)
def test_cut_anywhere(name: str) -> None:
    """A response is the same wherever it is cut, is returned with its last byte, and leaves the connection reusable."""
    data = RESPONSES[name]
    complete = reader()
    response = complete.feed(data)
    assert response is not None
    assert complete.reusable
    assert response.body == BODIES.get(name, TEXT)
    assert type(response.body) is bytes
    for at in range(1, len(data)):
        again = reader()
        cut = fed(again, data[:at], data[at:])
        assert cut is not None
        assert (cut.status, dict(cut.headers), cut.body) == (response.status, dict(response.headers), response.body)
        assert again.reusable


@pytest.mark.parametrize("name", RESPONSES)
def test_byte_by_byte(name: str) -> None:
    """The same holds if every byte comes alone."""
    data = RESPONSES[name]
    response = fed(reader(), *(data[at : at + 1] for at in range(len(data))))
    assert response is not None
    assert response.body == BODIES.get(name, TEXT)


def test_one_after_the_other() -> None:
    """A response on a reused connection contains nothing of the one before."""
    reading = reader()
    first = reading.feed(sized(gzip.compress(TEXT), b"Content-Encoding: gzip", b"X-First: 1"))
    reading.expect(Request("account", "GET", "u", "/x"))
    second = reading.feed(sized(b"{}", b"X-Second: 2"))
    assert first is not None
    assert second is not None
    assert (first.body, second.body) == (TEXT, b"{}")
    assert list(first.headers) == ["content-length", "x-first", "content-encoding"]
    assert dict(second.headers) == {"x-second": "2", "content-length": "2"}


def test_headers() -> None:
    """Header names ignore case; the first of two is used; trailers and interim responses add none."""
    early = b"HTTP/1.1 103 Early Hints\r\nX-Hint: 1\r\n\r\n"
    head = OK + b"X-A: 1\r\nx-a: 2\r\nX-B: 3\r\nX-B: 4\r\nX-C: \xc3\xb6\xff\r\n"
    response = reader().feed(early + head + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Late: 1\r\n\r\n")
    assert response is not None
    assert [response.headers.get(name) for name in ("x-A", "X-a", "X-B", "x-b")] == ["1", "1", "3", "3"]
    assert response.headers["X-C"] == "ö\udcff"
    assert "X-ä" not in response.headers
    assert "X-Hint" not in response.headers
    assert "X-Late" not in response.headers
    assert 1 not in response.headers
    assert len(response.headers) == len(list(response.headers))


@pytest.mark.parametrize(
    "trailing", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"x", b"\x00", b"0\r\n\r\n"]
)
def test_trailing_bytes(trailing: bytes) -> None:
    """Bytes after a response are no part of it, and the connection is not reusable."""
    reading = reader()
    response = reading.feed(sized(b"{}") + trailing)
    assert response is not None
    assert (response.status, response.body, dict(response.headers)) == (200, b"{}", {"content-length": "2"})
    assert not reading.reusable


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("HEAD", sized(b"")[:-2] + b"Content-Type: text/plain\r\n\r\n"),
        ("HEAD", OK + b"Content-Length: 40\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 40\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("DELETE", b"HTTP/1.1 204 No Content\r\nContent-Length: 40\r\n\r\n"),
    ],
)
def test_no_body(method: str, data: bytes) -> None:
    """A response that cannot have a body ends with its head, whatever its length header."""
    response = reader(method).feed(data)
    assert response is not None
    assert response.body == b""


@pytest.mark.parametrize(
    "data",
    [
        sized(b"{}", b"Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_not_reusable(data: bytes) -> None:
    """A connection that the server will close is not reusable."""
    reading = reader()
    assert reading.feed(data) is not None
    assert not reading.reusable


def test_until_the_end_of_the_connection() -> None:
    """A body without a length ends with the connection."""
    reading = reader()
    assert fed(reading, OK + b"\r\n", TEXT[:9], TEXT[9:]) is None
    assert reading.end().body == TEXT
    assert not reading.reusable


@pytest.mark.parametrize("name", [name for name in RESPONSES if name != "no content"])
def test_incomplete(name: str) -> None:
    """An incomplete response is an error, wherever it ends."""
    data = RESPONSES[name]
    for at in range(len(data)):
        reading = reader()
        assert fed(reading, data[:at]) is None
        with pytest.raises(SourceUnavailable):
            reading.end()


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 2, 2\r\n\r\n{}",
        OK + b"Content-Length: 99999999999999999999999999\r\n\r\n",
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}x",
        OK + b"X: a\rb\r\n\r\n",
        OK + b"X: a\x00b\r\n\r\n",
        OK + b"X y: 1\r\n\r\n",
        OK + b" X: folded\r\n\r\n",
        OK + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"Content-Encoding: gzip, gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 099 X\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        OK + b"".join(b"X-%d: 1\r\n" % n for n in range(300)) + b"\r\n",
    ],
    ids=lambda data: repr(data[:60]),
)
@pytest.mark.parametrize("size", [1, 7, 65_536, 1_000_000])
def test_invalid_http(data: bytes, size: int) -> None:
    """A response that is invalid or ambiguous is refused, in whatever pieces it comes."""
    with pytest.raises(SourceInvalidResponse):
        fed(reader(), *(data[at : at + size] for at in range(0, len(data), size)))


@pytest.mark.parametrize(
    ("start", "repeated"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (OK, b"X: 1\r\n"),
        (OK + b"X: ", b"x" * 1000),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: 1\r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"x" * 1000),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2;", b"x" * 1000),
    ],
    ids=["interim", "headers", "a header", "trailers", "a trailer", "chunk extension"],
)
def test_endless(start: bytes, repeated: bytes) -> None:
    """A head, trailer or extension without an end is refused before it fills the memory."""
    reading = reader()
    with pytest.raises(SourceInvalidResponse):
        fed(reading, start, *[repeated] * (100_000 // len(repeated) + 1))


@pytest.mark.parametrize("size", [CAP, CAP + 1])
@pytest.mark.parametrize("form", ["sized", "chunked", "gzip", "until the end"])
def test_size_limit(size: int, form: str) -> None:
    """A body may have as many bytes as allowed, after decompression, in any form."""
    body = b"x" * size
    data = {
        "sized": sized(body),
        "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, 100),
        "gzip": sized(gzip.compress(body), b"Content-Encoding: gzip"),
        "until the end": OK + b"\r\n" + body,
    }[form]
    reading = reader()
    if size > CAP:
        with pytest.raises(SourceInvalidResponse, match=str(CAP)):
            reading.feed(data)
        return
    response = reading.feed(data) or reading.end()
    assert response.body == body


def test_compression_bomb() -> None:
    """A compressed body is refused as soon as it exceeds the limit, without being decompressed further."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    reading = reader()
    with pytest.raises(SourceInvalidResponse):
        reading.feed(sized(bomb, b"Content-Encoding: gzip"))
    assert reading._body_size == CAP + 1


@pytest.mark.parametrize(
    "body",
    [b"abcd", gzip.compress(TEXT)[:-4], gzip.compress(TEXT) + b"more", gzip.compress(TEXT) + gzip.compress(TEXT)],
    ids=["none", "half", "more", "two"],
)
def test_broken_compression(body: bytes) -> None:
    """A body that does not match its coding is an error."""
    with pytest.raises(SourceUnavailable):
        reader().feed(sized(body, b"Content-Encoding: gzip"))


@given(st.data())
def test_any_bytes(data: Any) -> None:
    """Any bytes in any pieces result in a response, in waiting for more, or in an error of the gateway."""
    bits = [b"\r\n", b"0\r\n\r\n", b"HTTP/1.1 ", b"100 ", b"\x00", b"Content-Length: 1"]
    parts = st.sampled_from([*RESPONSES.values(), *bits])
    noise = b"".join(data.draw(st.lists(st.one_of(parts, st.binary(max_size=20)), max_size=4)))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(noise)), max_size=4)))
    reading = reader()
    try:
        for start, end in zip([0, *cuts], [*cuts, len(noise)], strict=True):
            if response := reading.feed(noise[start:end]):
                assert 200 <= response.status <= 999
                return
        reading.end()
    except GatewayError:
        pass
