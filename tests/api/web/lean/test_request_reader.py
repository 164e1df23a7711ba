"""Bytes to requests, wherever they are cut and whatever was done to them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.web.http import Closed, Malformed
from gateway.api.web.lean.incoming import Refused
from gateway.api.web.lean.options import ServerOptions
from gateway.api.web.lean.request_reader import RequestReader

MESSAGES = [
    b"GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\nAccept: a\r\naccept: b\r\n\r\n",
    b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n",
    b"POST /d HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nGET /",
    b"GET /e HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"GET /f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"HEAD /g HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
    b"POST /h HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /i HTTP/1.1\nHost: x\n\n",
]
Read = tuple[str, str, str, dict[str, str], bytes, bool] | int


class Flow:
    """A connection on which nothing moves."""

    held = False

    def hold(self) -> None:
        self.held = True

    def release(self) -> None:
        self.held = False

    def go_on(self) -> None:
        """A client that waits is not there."""

    def write(self, data: bytes) -> None:
        raise AssertionError(data)

    async def room(self) -> None:
        raise AssertionError

    def leave(self) -> None:
        raise AssertionError

    def abort(self) -> None:
        raise AssertionError


async def read(*pieces: bytes) -> list[Read]:
    """What is read: requests with their bodies and whether those are whole, and the status of what is none."""
    flow = Flow()
    reader = RequestReader(flow, ServerOptions(), lambda _path: None)
    came = []
    for piece in pieces:
        reader.feed(piece)
        while (following := reader.next()) is not None:
            came.append(following)
    reader.end(Closed())
    assert not flow.held
    told: list[Read] = []
    for one in came:
        if isinstance(one, Refused):
            told.append(one.status)
            continue
        body, request = b"", one.request()
        try:
            async for chunk in request.chunks():
                body += chunk
        except (Closed, Malformed):
            pass
        told.append((request.method, request.path, request.query, dict(request.headers), body, one.body.whole))
    return told


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Some messages, one behind the other, in which some bytes may be others, more or fewer."""
    stream = b"".join(draw(st.lists(st.sampled_from(MESSAGES), min_size=1, max_size=5)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(stream)))
        some = draw(st.sampled_from([b"", b"\r", b"\n", b"\r\n", b" ", b"\0", b"0", b"\xff", b":", b"chunked"]))
        stream = stream[:at] + some + stream[at + draw(st.integers(0, 2)) :]
    return stream


@given(streams(), st.lists(st.integers(0, 1_000), max_size=8))
@settings(max_examples=500, deadline=None)
async def test_cuts(stream: bytes, cuts: list[int]) -> None:
    """The same bytes are the same requests, however they are cut."""
    whole = await read(stream)
    places = sorted(cut % (len(stream) + 1) for cut in cuts)
    pieces = [stream[begin:end] for begin, end in zip([0, *places], [*places, len(stream)], strict=True)]
    assert await read(*pieces) == whole
    assert await read(*(stream[at : at + 1] for at in range(len(stream)))) == whole


@given(st.integers(0, 12_000), st.lists(st.integers(0, 45_000), max_size=8))
@settings(deadline=None)
async def test_a_long_head_behind_another_request(before: int, cuts: list[int]) -> None:
    """A head of nearly as much as it may have passes, whatever came before it in the same piece."""
    first = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (before, b"x" * before)
    stream = first + b"GET /b HTTP/1.1\r\nHost: x\r\nCookie: %b\r\n\r\n" % (b"a" * 30 * 1024)
    places = sorted(cut % len(stream) for cut in cuts)
    pieces = [stream[begin:end] for begin, end in zip([0, *places], [*places, len(stream)], strict=True)]
    assert [one if isinstance(one, int) else one[1] for one in await read(*pieces)] == ["/a", "/b"]


@pytest.mark.parametrize("message", MESSAGES[:8], ids=lambda message: message.split()[1].decode())
async def test_a_message(message: bytes) -> None:
    """Each of these is one request, and what follows it another, if it is not the last one."""
    alone = await read(message)
    assert len(alone) == 1
    assert not isinstance(alone[0], int)
    assert alone[0][5]
    following = await read(message, MESSAGES[0])
    assert following == (alone if b"close" in message else alone + await read(MESSAGES[0]))


async def test_a_reader_that_gets_ahead() -> None:
    """No more requests are read ahead than fit into a piece, and no more bytes kept than the client had to send."""
    flow = Flow()
    reader = RequestReader(flow, ServerOptions(held=100_000), lambda _path: None)
    reader.feed(MESSAGES[0] * 10_000)
    assert flow.held
    read = 0
    while reader.next() is not None:
        read += 1
    assert read == 10_000
    assert not flow.held
