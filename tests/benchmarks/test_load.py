"""The load generator, with servers that respond in all ways in which the peers do."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks.load import LoadError, generate_load, post, send_request

Respond = Callable[[int], bytes]
_BODY = b'{"data":{"user":{"name":"Ada"}}}'


def with_length(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def chunked(body: bytes) -> bytes:
    half = len(body) // 2
    parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + parts


@contextmanager
def serving(respond: Respond, *, hang_up: bool = False) -> Iterator[tuple[int, list[bytes]]]:
    """Run a server that sends its n-th response in two pieces; yield its port and the bodies that it received."""
    bodies: list[bytes] = []

    def serve_connection(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            while head := lines.readline():
                while (line := lines.readline()) != b"\r\n":
                    name, _, value = line.decode().partition(":")
                    if name.lower() == "content-length":
                        length = int(value)
                assert head.startswith(b"POST /graphql ")
                bodies.append(lines.read(length))
                response = respond(len(bodies))
                connection.sendall(response[:20])
                connection.sendall(response[20:])
                if hang_up:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=serve_connection, args=(connection,)))
                threads[-1].start()

        accept_thread = threading.Thread(target=accept)
        accept_thread.start()
        try:
            yield listener.getsockname()[1], bodies
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accept_thread.join(30)
            for thread in threads:
                thread.join(30)


@pytest.mark.parametrize("encode", [with_length, chunked])
def test_every_request_that_was_sent_is_counted(encode: Callable[[bytes], bytes]) -> None:
    """All responses are waited for and counted, also those that arrive after the end."""
    with serving(lambda _: encode(_BODY)) as (port, bodies):
        requests = [post(port, "/graphql", json.dumps({"n": n}).encode(), n) for n in range(5)]
        load = generate_load(port, requests, connections=3, seconds=0.1)
        assert load.completed == len(bodies) == len(load.latencies) >= 3
        counted = Counter(json.loads(body)["n"] for body in bodies)
        assert max(counted.values()) - min(counted[n] for n in range(5)) <= 1
        assert load.seconds >= 0.1


@pytest.mark.parametrize("encode", [with_length, chunked])
def test_one_response(encode: Callable[[bytes], bytes]) -> None:
    """The body is read completely, with or without chunks."""
    with serving(lambda _: encode(_BODY)) as (port, _):
        assert send_request(port, post(port, "/graphql", b"{}")) == _BODY


@pytest.mark.parametrize(
    ("respond", "match"),
    [
        (lambda _: with_length(b"no", "503 Service Unavailable"), "no"),
        (lambda _: with_length(b'{"errors":[]}'), "errors"),
        (lambda n: with_length(_BODY + b" " * (n > 3)), "Ada"),
    ],
    ids=["a status", "errors", "another length"],
)
def test_a_wrong_response_is_an_error(respond: Respond, match: str) -> None:
    """One wrong response raises an error that contains it."""
    with serving(respond) as (port, _), pytest.raises(LoadError, match=match):
        generate_load(port, [post(port, "/graphql", b"{}")], connections=1, seconds=5)


def test_an_incomplete_response_is_an_error() -> None:
    """A connection that is closed in the middle of a response raises an error."""
    with (
        serving(lambda _: with_length(_BODY)[:-5], hang_up=True) as (port, _),
        pytest.raises(LoadError, match="closed"),
    ):
        generate_load(port, [post(port, "/graphql", b"{}")], connections=1, seconds=5)
