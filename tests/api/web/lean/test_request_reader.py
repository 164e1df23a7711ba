"""The request parser, with streams that are split anywhere and altered."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.web.http import Closed, Malformed
from gateway.api.web.lean.incoming import RejectedRequest
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
Parsed = tuple[str, str, str, dict[str, str], bytes, bool] | int


class FakeConnection:
    """A connection that only records whether reading is paused."""

    paused = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def send_continue(self) -> None:
        """Do nothing: no test client waits for it."""

    def write(self, data: bytes) -> None:
        raise AssertionError(data)

    async def wait_writable(self) -> None:
        raise AssertionError

    def half_close(self) -> None:
        raise AssertionError

    def abort(self) -> None:
        raise AssertionError


async def parse(*pieces: bytes) -> list[Parsed]:
    """Return the requests with their bodies and whether those are complete, and the statuses of rejected ones."""
    connection = FakeConnection()
    reader = RequestReader(connection, ServerOptions(), lambda _path: None)
    parsed = []
    for piece in pieces:
        reader.feed(piece)
        while (incoming := reader.next()) is not None:
            parsed.append(incoming)
    reader.close(Closed())
    assert not connection.paused
    results: list[Parsed] = []
    for incoming in parsed:
        if isinstance(incoming, RejectedRequest):
            results.append(incoming.status)
            continue
        body, request = b"", incoming.request("192.0.2.1")
        try:
            async for chunk in request.chunks():
                body += chunk
        except (Closed, Malformed):
            pass
        is_complete = incoming.body.is_complete
        results.append((request.method, request.path, request.query, dict(request.headers), body, is_complete))
    return results


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Some messages in a row, in which a few bytes are replaced, removed or added."""
    stream = b"".join(draw(st.lists(st.sampled_from(MESSAGES), min_size=1, max_size=5)))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(stream)))
        inserted = draw(st.sampled_from([b"", b"\r", b"\n", b"\r\n", b" ", b"\0", b"0", b"\xff", b":", b"chunked"]))
        stream = stream[:start] + inserted + stream[start + draw(st.integers(0, 2)) :]
    return stream


@given(streams(), st.lists(st.integers(0, 1_000), max_size=8))
@settings(max_examples=500, deadline=None)
async def test_splits(stream: bytes, cuts: list[int]) -> None:
    """The same bytes are parsed to the same requests, however they are split."""
    whole = await parse(stream)
    splits = sorted(cut % (len(stream) + 1) for cut in cuts)
    pieces = [stream[begin:end] for begin, end in zip([0, *splits], [*splits, len(stream)], strict=True)]
    assert await parse(*pieces) == whole
    assert await parse(*(stream[start : start + 1] for start in range(len(stream)))) == whole


@given(st.integers(0, 12_000), st.lists(st.integers(0, 45_000), max_size=8))
@settings(deadline=None)
async def test_a_long_head_behind_another_request(before: int, cuts: list[int]) -> None:
    """A head just below the limit is accepted, whatever precedes it in the same piece."""
    first = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (before, b"x" * before)
    stream = first + b"GET /b HTTP/1.1\r\nHost: x\r\nCookie: %b\r\n\r\n" % (b"a" * 30 * 1024)
    splits = sorted(cut % len(stream) for cut in cuts)
    pieces = [stream[begin:end] for begin, end in zip([0, *splits], [*splits, len(stream)], strict=True)]
    assert [result if isinstance(result, int) else result[1] for result in await parse(*pieces)] == ["/a", "/b"]


@pytest.mark.parametrize("message", MESSAGES[:8], ids=lambda message: message.split()[1].decode())
async def test_a_message(message: bytes) -> None:
    """Each message is one request, and the message after it is another one, unless the first is the last."""
    alone = await parse(message)
    assert len(alone) == 1
    assert not isinstance(alone[0], int)
    assert alone[0][5]
    following = await parse(message, MESSAGES[0])
    assert following == (alone if b"close" in message else alone + await parse(MESSAGES[0]))


async def test_parsing_ahead() -> None:
    """No more requests are parsed ahead than fit into a piece, and reading pauses while too many bytes are unparsed."""
    connection = FakeConnection()
    reader = RequestReader(connection, ServerOptions(read_ahead=100_000), lambda _path: None)
    reader.feed(MESSAGES[0] * 10_000)
    assert connection.paused
    count = 0
    while reader.next() is not None:
        count += 1
    assert count == 10_000
    assert not connection.paused
