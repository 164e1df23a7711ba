"""The reader of whole requests: it reads what the other reader reads, or nothing."""

import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.api.web.http import WebRequest
from gateway.api.web.lean.options import ServerOptions
from gateway.api.web.lean.whole_request import WholeRequestParser, WholeRequestReader
from tests.api.web.lean.test_request_reader import MESSAGES, Parsed, parse

POST = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
PLAIN = [
    POST,
    b"POST /b?a=b%20 HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nX:\r\ny: \xc3\xa9\xff \t\r\n\r\n",
    b"GET /%61?a?b#c HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    b"GET http://elsewhere/a?b HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 12000\r\n\r\n" + b"x" * 12_000,
    b"GET /?" + b"q" * 8_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * 10_000 + b"\r\n\r\n",
]
UNUSUAL = {
    "two_requests": POST + POST,
    "bytes_after_a_request": POST + b"G",
    "a_line_break_after_a_request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n",
    "a_line_break_before_a_request": b"\r\n" + POST,
    "a_line_feed_before_a_request": b"\n" + POST,
    "a_head_alone": POST[:-5],
    "a_part_of_a_body": POST[:-1],
    "a_part_of_a_head": POST[:40],
    "nothing": b"",
    "no_host": b"GET / HTTP/1.1\r\n\r\n",
    "two_hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "two_hosts_in_another_case": b"GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n",
    "a_repeated_field": b"GET / HTTP/1.1\r\nHost: x\r\nAccept: a\r\nAccept: b\r\n\r\n",
    "http_1_0": b"GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    "close": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "several_options": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, close\r\n\r\n",
    "a_proxy_connection": b"GET / HTTP/1.1\r\nHost: x\r\nProxy-Connection: close\r\n\r\n",
    "upgrade": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "expect": b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    "chunked": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "compressed": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
    "connect": b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
    "two_blanks": b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no_target": b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "not_a_url": b"GET http://[x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "two_lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-length: 1\r\n\r\nx",
    "a_length_with_a_sign": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\nx",
    "a_blank_before_a_colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "a_folded_field": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "line_feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "many_fields": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(128)) + b"\r\n",
    "a_long_target": b"GET /" + b"a" * 8_192 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a_large_body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 17000\r\n\r\n" + b"x" * 17_000,
}


def reader() -> WholeRequestReader:
    """Return the reader of a new connection."""
    return WholeRequestReader(WholeRequestParser(ServerOptions()))


def parts(request: WebRequest) -> Parsed:
    """Return a request as `parse` does."""
    assert isinstance(request.body, bytes)
    return request.method, request.path, request.query, dict(request.headers), request.body, True


@pytest.mark.parametrize("message", PLAIN, ids=range(len(PLAIN)))
async def test_plain_requests(message: bytes) -> None:
    """A plain request is read as the other reader reads it, also if its head is the last one, and no part of it is."""
    whole = reader()
    for _ in range(2):
        request = whole.try_read(message, "192.0.2.1")
        assert request is not None
        assert request.peer == "192.0.2.1"
        assert [parts(request)] == await parse(message)
    for end in range(0, len(message), 1 + len(message) // 200):
        assert whole.try_read(message[:end], "") is None


@pytest.mark.parametrize("message", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_requests(message: bytes) -> None:
    """Anything unusual is left to the other reader, and the next plain request is read again."""
    whole = reader()
    for plain in PLAIN[:2]:
        assert whole.try_read(plain, "") is not None
        assert whole.try_read(message, "") is None
    assert whole.try_read(POST, "") is not None


def test_requests_with_the_same_head() -> None:
    """With the head of the request before, the body and its end are still those of the request itself."""
    whole = reader()
    for body in (b"hello", b"world", b"\r\n\r\n\0"):
        request = whole.try_read(POST[:-5] + body, "")
        assert request is not None
        assert request.body == body
    assert whole.try_read(POST[:-5] + b"hell", "") is None
    assert whole.try_read(POST + b"!", "") is None
    request = whole.try_read(POST.replace(b"Host: x", b"Host: y"), "")
    assert request is not None
    assert request.headers["HOST"] == "y"


def test_limits() -> None:
    """Where a limit of the server is exceeded, the other reader rejects the request."""
    plain = b"GET /abcdefgh HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n"
    for options in (ServerOptions(max_target=8), ServerOptions(max_head=30), ServerOptions(max_fields=1)):
        assert WholeRequestReader(WholeRequestParser(options)).try_read(plain, "") is None
    assert reader().try_read(plain, "") is not None


def test_refused_names_are_not_kept() -> None:
    """The names of a head with too many fields are forgotten: those of 256 heads would take 110 MiB."""
    whole = reader()

    def refuse(number: int) -> None:
        fields = "".join(f"{number}-{each}:\r\n" for each in range(1_000))
        assert whole.try_read(f"GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode(), "") is None

    refuse(0)
    tracemalloc.start()
    try:
        for number in range(1, 30):
            refuse(number)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100_000


@st.composite
def altered(draw: st.DrawFn) -> bytes:
    """A message in which a few bytes are replaced, removed or added."""
    message = draw(st.sampled_from([*MESSAGES, *PLAIN[:6]]))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(message)))
        inserted = draw(st.sampled_from([b"", b"\r", b"\n", b"\r\n", b" ", b"\0", b"0", b"\xff", b":", b"Host: x\r\n"]))
        message = message[:start] + inserted + message[start + draw(st.integers(0, 2)) :]
    return message


@given(st.lists(altered(), min_size=1, max_size=4))
@settings(max_examples=250, deadline=None)
@example([POST, POST])
async def test_altered_requests(messages: list[bytes]) -> None:
    """Whatever is read is what the other reader reads from the same bytes, and another request may follow it."""
    whole = reader()
    for message in messages:
        request = whole.try_read(message, "")
        if request is not None:
            following = await parse(message, POST)
            assert [parts(request)] == await parse(message)
            assert following[0] == parts(request)
            assert following[1:] == await parse(POST)
