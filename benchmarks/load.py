"""Generates load: each connection sends its next request when it has received the response to the last one.

The response to every request is waited for, so that CPU time and source calls belong to requests that are counted.
It is one loop over epoll without asyncio: the generator shares its core with the sources, and has to leave most of it.
"""

import re
import select
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

__all__ = ["Connection", "Load", "LoadError", "generate_load", "open_connection", "post", "send_request"]

_TIMEOUT = 60.0  # seconds, for the slowest response
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_CHUNK = b"0\r\n\r\n"


class LoadError(Exception):
    """A response is wrong or missing."""


@dataclass(frozen=True, slots=True)
class Load:
    """The number of responses, the duration in seconds, and the latency of each response in seconds."""

    completed: int
    seconds: float
    latencies: list[float]


def post(
    port: int,
    path: str,
    body: bytes,
    n: int = 0,
    headers: Mapping[str, str] | None = None,
    *,
    media_type: str = "application/json",
) -> bytes:
    """Return the bytes of the n-th POST request; the response is to have the same media type."""
    head = (
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Content-Type: {media_type}",
        f"Accept: {media_type}",
        f"X-Request-ID: benchmark-{n:06d}",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    )
    return "\r\n".join((*head, "", "")).encode() + body


def generate_load(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> Load:
    """Send these requests repeatedly, in their order, for `seconds`.

    Raises:
        LoadError: a response was not 200, had errors, had another length than the first one, or was missing.
    """
    latencies: list[float] = []
    size: int | None = None
    sent = 0
    with _open_connections(port, connections) as (epoll, open_connections):
        started = time.perf_counter()
        until, deadline = started + seconds, started + seconds + _TIMEOUT
        for connection in open_connections.values():
            connection.send(requests[sent % len(requests)])
            sent += 1
        pending = connections
        while pending:
            events = epoll.poll(1.0)
            now = time.perf_counter()
            if now > deadline:
                raise LoadError(f"{pending} responses are missing after {_TIMEOUT:.0f} s")
            for number, _ in events:
                connection = open_connections[number]
                if not connection.receive():
                    continue
                size = size or connection.size
                if not connection.is_valid or connection.size != size:
                    raise LoadError(f"wrong response: {bytes(connection.received[connection.body_start :][:600])!r}")
                latencies.append(now - connection.sent_at)
                if now < until:
                    connection.send(requests[sent % len(requests)])
                    sent += 1
                else:
                    pending -= 1
        return Load(len(latencies), time.perf_counter() - started, latencies)


def send_request(port: int, request: bytes) -> bytes:
    """Send one request and return the body of the response.

    Raises:
        LoadError: no response, or not 200.
        OSError: the connection was refused.
    """
    with open_connection(port) as connection:
        return connection.exchange(request)


@contextmanager
def open_connection(port: int) -> Iterator["Connection"]:
    """Yield a connection, which is closed at the end of the block.

    Raises:
        OSError: the connection was refused.
    """
    connection = Connection(socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT))
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection.socket:
        yield connection


@dataclass(slots=True)
class Connection:
    """A connection with at most one pending request."""

    socket: socket.socket
    sent_at: float = 0.0
    received: bytearray = field(default_factory=bytearray)
    body_start: int = 0
    length: int | None = None

    def send(self, request: bytes) -> None:
        self.received = bytearray()
        self.body_start = 0
        self.length = None
        self.sent_at = time.perf_counter()
        self.socket.send(request)

    def exchange(self, request: bytes) -> bytes:
        """Send a request, and return the body of its response.

        Raises:
            LoadError: no response, or not 200.
        """
        self.send(request)
        while not self.receive():
            pass
        if self.status != b"200":
            raise LoadError(f"{bytes(self.received[:600])!r}")
        body = bytes(self.received[self.body_start :])
        return body if self.length is not None else _join_chunks(body)

    def receive(self) -> bool:
        """Read the available bytes; return whether the response is complete."""
        try:
            chunk = self.socket.recv(262_144)
        except ConnectionError:
            chunk = b""
        if not chunk:
            raise LoadError(f"the connection was closed after {len(self.received)} bytes of a response")
        self.received += chunk
        if not self.body_start:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return False
            self.body_start = end + 4
            found = _LENGTH.search(self.received, 0, end)
            self.length = int(found[1]) if found else None
        if self.length is None:
            return self.received.endswith(_LAST_CHUNK)
        return self.size >= self.length

    @property
    def size(self) -> int:
        return len(self.received) - self.body_start

    @property
    def status(self) -> bytes:
        return bytes(self.received[9:12])

    @property
    def is_valid(self) -> bool:
        return self.status == b"200" and b'"errors"' not in self.received


@contextmanager
def _open_connections(port: int, connections: int) -> Iterator[tuple[select.epoll, dict[int, Connection]]]:
    with ExitStack() as stack:
        epoll = stack.enter_context(select.epoll())
        by_descriptor: dict[int, Connection] = {}
        for _ in range(connections):
            connection = stack.enter_context(open_connection(port))
            epoll.register(connection.socket.fileno(), select.EPOLLIN)
            by_descriptor[connection.socket.fileno()] = connection
        yield epoll, by_descriptor


def _join_chunks(body: bytes) -> bytes:
    joined = b""
    while body:
        head, _, body = body.partition(b"\r\n")
        size = int(head.split(b";")[0], 16)
        joined += body[:size]
        body = body[size + 2 :]
    return joined
