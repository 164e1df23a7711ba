"""Altered HTTP messages: valid ones in which lines, values or single bytes are changed, so that parsers may disagree.

`TEST_FUZZ` is the number of messages (10,000 in `make test`; 1,000,000 for a thorough run), `TEST_FUZZ_SEED` the seed.
Each message depends on the seed and on its number alone, so `TEST_FUZZ_SEED` repeats a failure.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from random import Random

__all__ = ["COUNT", "SEED", "altered_request", "altered_response", "cut_at_random", "numbered", "split_everywhere"]

COUNT = int(os.environ.get("TEST_FUZZ", "10000"))
SEED = int(os.environ.get("TEST_FUZZ_SEED", "20261129"))

_METHODS = [
    b"GET",
    b"POST",
    b"POST",
    b"POST",
    b"PUT",
    b"HEAD",
    b"OPTIONS",
    b"DELETE",
    b"CONNECT",
    b"get",
    b"PRI",
    b"G/T",
]
_TARGETS = [
    b"/graphql",
    b"/graphql",
    b"/graphql?query=%7Ba%7D",
    b"/",
    b"/a%20b",
    b"/%ff",
    b"//x/y",
    b"http://x/graphql",
    b"http://x:80",
    b"http://[",
    b"*",
    b"/a#b",
    b"/a b",
    b"/\xc3\xa4",
    b"x:1",
    b"",
]
_VERSIONS = [b"HTTP/1.1"] * 12 + [
    b"HTTP/1.0",
    b"HTTP/1.2",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"http/1.1",
    b"HTTP/1.1 ",
    b"HTTP/11",
    b"",
]
_REQUEST_FIELDS = [
    b"Host: y",
    b"Content-Type: application/json",
    b"Accept: application/graphql-response+json, application/json;q=0.9",
    b"accept: */*",
    b"User-Agent: fuzz/1.0 (x; y)",
    b"Accept-Encoding: gzip, deflate, br",
    b"Connection: keep-alive",
    b"Connection: close",
    b"connection: Close, x",
    b"Connection: Upgrade",
    b"Upgrade: h2c",
    b"Upgrade: websocket",
    b"Expect: 100-continue",
    b"Expect: x",
    b"Cookie: a=b; c=d",
    b"Cookie: e=f",
    b"Content-Encoding: gzip",
    b"Content-Encoding: identity",
    b"X-API-Key: ugk_x",
    b"X-Empty:",
    b"X-Spaces: \t a b \t ",
    b"X-Latin: \xe4\xff",
    b"X-UTF: \xc3\xa4",
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    b'Idempotency-Key: "k"',
    b"Origin: null",
    b"Trailer: x",
    b"TE: trailers",
    b"Keep-Alive: timeout=5",
    b"Proxy-Connection: keep-alive",
    b"HTTP2-Settings: AAMAAABkAAQAAP__",
]
_PLAIN_FIELDS = [
    b"Content-Type: application/json",
    b"accept: application/graphql-response+json, application/json;q=0.9",
    b"User-Agent: fuzz/1.0 (x; y)",
    b"Accept-Encoding: gzip, deflate, br",
    b"connection: keep-alive",
    b"Cookie: a=b; c=d",
    b"X-API-Key: ugk_x",
    b"X-Empty:",
    b"X-Spaces: \t a b \t ",
    b"X-Latin: \xe4\xff",
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    b'idempotency-key: "k"',
    b"Origin: http://x",
    b"sec-fetch-site: same-origin",
]
_FRAMING = [
    b"Content-Length: %d",
    b"Content-Length: %d",
    b"content-length: %d",
    b"Content-Length:%d",
    b"Content-Length: 0%d",
    b"Content-Length: +%d",
    b"Content-Length: %d ",
    b"Content-Length: \t%d",
    b"Content-Length : %d",
    b"Content-Length: %d, 3",
    b"Content-Length: 0x3",
    b"Content-Length: -1",
    b"Content-Length:",
    b"Content-Length: 3 4",
    b"Content-Length: 99999999999999999999",
    b"Content_Length: %d",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding: Chunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding:\tchunked",
    b'Transfer-Encoding: "chunked"',
    b"Transfer-Encoding: chunked;x=y",
    b"Transfer-Encoding:",
    b"Transfer-Encoding: \x0bchunked",
    b"X: y\rTransfer-Encoding: chunked",
]
_LINES = [
    b"",
    b" folded",
    b"\tfolded",
    b"no colon",
    b": no name",
    b"A b: c",
    b"A\x00: b",
    b"A: b\x00c",
    b"A: b\x7f",
    b"(A): b",
    b"A:b:c",
]
_CHUNKED_BODIES = [
    b"3\r\nabc\r\n0\r\n\r\n",
    b"2\r\n{}\r\n3\r\nabc\r\n0\r\n\r\n",
    b"3;x=y\r\nabc\r\n0\r\n\r\n",
    b"3 ;x\r\nabc\r\n0\r\n\r\n",
    b"3 \r\nabc\r\n0\r\n\r\n",
    b"3\nabc\n0\n\n",
    b"03\r\nabc\r\n00\r\n\r\n",
    b"0x3\r\nabc\r\n0\r\n\r\n",
    b"-3\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabc0\r\n\r\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"3\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n",
    b"3\r\nabc\r\n0\r\nbroken\r\n\r\n",
    b'3;"a\r\nb"\r\nabc\r\n0\r\n\r\n',
    b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    b"\r\nabc\r\n0\r\n\r\n",
    b"g\r\nabc\r\n0\r\n\r\n",
    b"0\r\n\r\n",
    b"3\r\nab",
]
_INSERTED = [
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"\0",
    b"\x0b",
    b"\x7f",
    b"\x80",
    b"\xff",
    b":",
    b";",
    b",",
    b"0",
    b"1",
    b"H",
    b"\r\n\r\n",
]
_NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
_STATUSES = [b"200 OK"] * 8 + [
    b"200", b"200 ", b"201 Created", b"204 No Content", b"304 Not Modified", b"404 Not Found", b"503 x", b"99 x",
    b"1000 x", b"100 Continue", b"103 Early Hints", b"101 Switching Protocols", b"2 0", b"abc", b"-200 x",
    b"599 \xe4",
]  # fmt: skip
_RESPONSE_FIELDS = [
    b"Content-Type: application/json",
    b"content-type: text/html; charset=utf-8",
    b"Date: Sun, 29 Nov 2026 00:00:00 GMT",
    b"Connection: keep-alive",
    b"Connection: close",
    b"Connection: Upgrade",
    b"Upgrade: h2c",
    b"Retry-After: 3",
    b"X-A: 1",
    b"X-A: 2",
    b"x-a: 3",
    b"X-Empty:",
    b"X-Latin: \xe4\xff",
    b"Content-Encoding: identity",
    b"Content-Encoding: br",
    b"Set-Cookie: a=b",
    b"Keep-Alive: timeout=5",
]

Alter = Callable[[Random, bytes], bytes]


def _some(random: Random, values: Sequence[bytes], most: int) -> list[bytes]:
    return [random.choice(values) for _ in range(random.randint(0, most))]


def _framed(random: Random, lines: list[bytes]) -> bytes:
    """Add the lines that state the length of a body; return the body, which mostly has this length."""
    kind = random.random() * 1.1  # beyond 0.9: no body, or one that nothing announces
    body = random.choice([b"", b"{}", b"abc", b'{"query":"{a}"}', b"a" * 200])
    if kind < 0.5:
        if body or random.random() < 0.5:
            lines.append(
                b"Content-Length: %d" % (len(body) if random.random() < 0.95 else len(body) + random.choice([-1, 1]))
            )
    elif kind < 0.7:
        lines.append(b"Transfer-Encoding: chunked")
        body = random.choice(_CHUNKED_BODIES[:2] if random.random() < 0.4 else _CHUNKED_BODIES)
    elif kind < 0.9:
        lines += [line.replace(b"%d", b"%d" % len(body)) for line in _some(random, _FRAMING, 2)]
        if random.random() < 0.5:
            body = random.choice(_CHUNKED_BODIES)
    elif random.random() < 0.7:
        body = b""
    return body


def _joined(random: Random, first: bytes, lines: list[bytes], body: bytes) -> bytes:
    """Return the message; rarely lines are in another order, or end in another way, and bytes are changed."""
    if random.random() < 0.12:
        lines.insert(random.randint(0, len(lines)), random.choice(_LINES))
    if random.random() < 0.7:
        random.shuffle(lines)
    end = b"\r\n" if random.random() < 0.97 else random.choice([b"\n", b"\r", b"\r\r\n"])
    message = end.join([first, *lines, b"", b""]) + body
    return _with_changed_bytes(random, message) if random.random() < 0.25 else message


def _with_changed_bytes(random: Random, message: bytes) -> bytes:
    for _ in range(random.randint(1, 2)):
        start = random.randint(0, len(message))
        inserted = random.choice([b"", *_INSERTED])
        message = message[:start] + inserted + message[start + random.randint(0, 2) :]
    return message


def altered_request(random: Random) -> bytes:
    """Return the bytes of a connection: a request, and mostly a valid one after it."""
    if random.random() < 0.3:
        return _plain_request(random)
    method = random.choice(_METHODS[:4] if random.random() < 0.8 else _METHODS)
    target = random.choice(_TARGETS[:3] if random.random() < 0.8 else _TARGETS)
    version = _VERSIONS[0] if random.random() < 0.85 else random.choice(_VERSIONS)
    lines = [b"Host: x"] if random.random() < 0.95 else []
    lines += _some(random, _REQUEST_FIELDS, 5)
    message = _joined(random, b" ".join([method, target, version]), lines, _framed(random, lines))
    return message + (_NEXT if random.random() < 0.6 else b"")


def _plain_request(random: Random) -> bytes:
    """Return a request as clients send it, in which rarely a line or a byte is changed."""
    lines = [b"Host: x", *random.sample(_PLAIN_FIELDS, random.randint(0, 6))]
    body = random.choice([b"", b'{"query":"{a}"}', b"a" * 200])
    first = b"GET /graphql?query=%7Ba%7D HTTP/1.1"
    if body:
        first = b"POST /graphql HTTP/1.1"
        lines.append(b"Content-Length: %d" % len(body))
    if random.random() < 0.1:
        lines.append(random.choice([*_FRAMING, *_LINES, *_REQUEST_FIELDS]).replace(b"%d", b"%d" % len(body)))
    random.shuffle(lines)
    message = b"\r\n".join([first, *lines, b"", b""]) + body
    return _with_changed_bytes(random, message) if random.random() < 0.2 else message


def altered_response(random: Random) -> bytes:
    """Return the bytes of a response, and rarely more after it."""
    status = random.choice(_STATUSES[:8] if random.random() < 0.6 else _STATUSES)
    version = _VERSIONS[0] if random.random() < 0.8 else random.choice(_VERSIONS)
    lines = _some(random, _RESPONSE_FIELDS, 5)
    message = _joined(random, b" ".join([version, status]), lines, _framed(random, lines))
    if random.random() < 0.1:
        message = random.choice([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 x\r\nLink: a\r\n\r\n"]) + message
    return message + (
        random.choice([b"", b"x", b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"])
        if random.random() < 0.2
        else b""
    )


def numbered(alter: Callable[[Random], bytes], count: int) -> Iterator[tuple[int, bytes, Random]]:
    """Yield messages with their numbers, and a generator for further choices."""
    for number in range(count):
        random = Random(f"{SEED} {alter.__name__} {number}")  # noqa: S311 - not a secret
        yield number, alter(random), random


def cut_at_random(stream: bytes, random: Random) -> list[bytes]:
    """Return the stream in two to four pieces."""
    cuts = sorted(random.randint(0, len(stream)) for _ in range(random.randint(1, 3)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True) if end > start]


def split_everywhere(stream: bytes) -> Iterator[list[bytes]]:
    """Yield the stream cut at each of its bytes, and in single bytes."""
    for at in range(1, len(stream)):
        yield [stream[:at], stream[at:]]
    yield [stream[at : at + 1] for at in range(len(stream))]
