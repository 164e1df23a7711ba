"""The load: so many connections, each sending its next request when its last one is answered.

Every request that was sent is waited for, so that CPU time and source calls belong to requests that count.
One loop over epoll without asyncio: the generator shares its core with the sources, and has to leave most of it.
"""

import re
import select
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

__all__ = ["Load", "LoadError", "ask", "post", "put_load"]

_PATIENCE = 60.0  # seconds that the slowest answer may take
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_CHUNK = b"0\r\n\r\n"


class LoadError(Exception):
    """An answer that is not the right one, or none at all."""


@dataclass(frozen=True, slots=True)
class Load:
    """What was answered, in how many seconds, and how many seconds each answer took."""

    completed: int
    seconds: float
    latencies: list[float]


def post(port: int, path: str, body: bytes, n: int = 0, headers: Mapping[str, str] | None = None) -> bytes:
    """A POST of JSON, ready to be sent; the n-th one."""
    head = (
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        "Accept: application/json",
        f"X-Request-ID: benchmark-{n:06d}",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    )
    return "\r\n".join((*head, "", "")).encode() + body


def put_load(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> Load:
    """Send these requests, again and again in their order, for so many seconds.

    Raises:
        LoadError: an answer was not 200, held errors, was of another length than the first, or did not come.
    """
    latencies: list[float] = []
    size: int | None = None
    sent = 0
    with _connected(port, connections) as (epoll, open_connections):
        started = time.perf_counter()
        until, give_up = started + seconds, started + seconds + _PATIENCE
        for one in open_connections.values():
            one.send(requests[sent % len(requests)])
            sent += 1
        under_way = connections
        while under_way:
            events = epoll.poll(1.0)
            now = time.perf_counter()
            if now > give_up:
                raise LoadError(f"{under_way} answers did not come within {_PATIENCE:.0f} s")
            for number, _ in events:
                one = open_connections[number]
                if not one.receive():
                    continue
                size = size or one.size
                if not one.right or one.size != size:
                    raise LoadError(f"a wrong answer: {bytes(one.received[one.body_at :][:600])!r}")
                latencies.append(now - one.sent_at)
                if now < until:
                    one.send(requests[sent % len(requests)])
                    sent += 1
                else:
                    under_way -= 1
        return Load(len(latencies), time.perf_counter() - started, latencies)


def ask(port: int, request: bytes) -> bytes:
    """The body that one request is answered with.

    Raises:
        LoadError: no answer, or not 200.
        OSError: nobody listens.
    """
    one = _Connection(socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE))
    with one.socket:
        one.send(request)
        while not one.receive():
            pass
    if one.status != b"200":
        raise LoadError(f"{bytes(one.received[:600])!r}")
    body = bytes(one.received[one.body_at :])
    return body if one.length is not None else _unchunked(body)


@dataclass(slots=True)
class _Connection:
    """A connection with at most one request under way."""

    socket: socket.socket
    sent_at: float = 0.0
    received: bytearray = field(default_factory=bytearray)
    body_at: int = 0
    length: int | None = None

    def send(self, request: bytes) -> None:
        self.received = bytearray()
        self.body_at = 0
        self.length = None
        self.sent_at = time.perf_counter()
        self.socket.send(request)

    def receive(self) -> bool:
        """Read what is there; whether the answer is whole."""
        try:
            chunk = self.socket.recv(262_144)
        except ConnectionError:
            chunk = b""
        if not chunk:
            raise LoadError(f"the connection was closed after {len(self.received)} bytes of an answer")
        self.received += chunk
        if not self.body_at:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return False
            self.body_at = end + 4
            found = _LENGTH.search(self.received, 0, end)
            self.length = int(found[1]) if found else None
        if self.length is None:
            return self.received.endswith(_LAST_CHUNK)
        return self.size >= self.length

    @property
    def size(self) -> int:
        return len(self.received) - self.body_at

    @property
    def status(self) -> bytes:
        return bytes(self.received[9:12])

    @property
    def right(self) -> bool:
        return self.status == b"200" and b'"errors"' not in self.received


@contextmanager
def _connected(port: int, connections: int) -> Iterator[tuple[select.epoll, dict[int, _Connection]]]:
    with ExitStack() as stack:
        epoll = stack.enter_context(select.epoll())
        made: dict[int, _Connection] = {}
        for _ in range(connections):
            opened = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            epoll.register(opened.fileno(), select.EPOLLIN)
            made[opened.fileno()] = _Connection(opened)
        yield epoll, made


def _unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        head, _, body = body.partition(b"\r\n")
        size = int(head.split(b";")[0], 16)
        whole += body[:size]
        body = body[size + 2 :]
    return whole
