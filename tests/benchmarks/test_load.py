"""The load generator, against servers that answer in every way that the peers do."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks.load import LoadError, ask, post, put_load

Answer = Callable[[int], bytes]
_BODY = b'{"data":{"user":{"name":"Ada"}}}'


def whole(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def chunked(body: bytes) -> bytes:
    half = len(body) // 2
    parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + parts


@contextmanager
def serving(answer: Answer, *, hang_up: bool = False) -> Iterator[tuple[int, list[bytes]]]:
    """A server that sends its n-th answer in two pieces; yields its port and the bodies that it was sent."""
    asked: list[bytes] = []

    def converse(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            while head := lines.readline():
                while (line := lines.readline()) != b"\r\n":
                    name, _, value = line.decode().partition(":")
                    if name.lower() == "content-length":
                        length = int(value)
                assert head.startswith(b"POST /graphql ")
                asked.append(lines.read(length))
                said = answer(len(asked))
                connection.sendall(said[:20])
                connection.sendall(said[20:])
                if hang_up:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threads: list[threading.Thread] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=converse, args=(connection,)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listening.getsockname()[1], asked
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join(10)
            for thread in threads:
                thread.join(10)


@pytest.mark.parametrize("written", [whole, chunked])
def test_every_request_that_was_sent_is_counted(written: Callable[[bytes], bytes]) -> None:
    """All answers are waited for, also those that come after the time, so calls and CPU belong to counted requests."""
    with serving(lambda _: written(_BODY)) as (port, asked):
        requests = [post(port, "/graphql", json.dumps({"n": n}).encode(), n) for n in range(5)]
        load = put_load(port, requests, connections=3, seconds=0.1)
        assert load.completed == len(asked) == len(load.latencies) >= 3
        counted = Counter(json.loads(body)["n"] for body in asked)
        assert max(counted.values()) - min(counted[n] for n in range(5)) <= 1
        assert load.seconds >= 0.1


@pytest.mark.parametrize("written", [whole, chunked])
def test_one_answer(written: Callable[[bytes], bytes]) -> None:
    """The body is read whole, with or without chunks."""
    with serving(lambda _: written(_BODY)) as (port, _):
        assert ask(port, post(port, "/graphql", b"{}")) == _BODY


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda _: whole(b"no", "503 Service Unavailable"), "no"),
        (lambda _: whole(b'{"errors":[]}'), "errors"),
        (lambda n: whole(_BODY + b" " * (n > 3)), "Ada"),
    ],
    ids=["a status", "errors", "another length"],
)
def test_a_wrong_answer_ends_the_run(answer: Answer, told: str) -> None:
    """A figure for wrong answers means nothing: one is enough, and it is shown."""
    with serving(answer) as (port, _), pytest.raises(LoadError, match=told):
        put_load(port, [post(port, "/graphql", b"{}")], connections=1, seconds=5)


def test_an_answer_that_is_cut_short_ends_the_run() -> None:
    """A server that hangs up in the middle of an answer has not answered."""
    with serving(lambda _: whole(_BODY)[:-5], hang_up=True) as (port, _), pytest.raises(LoadError, match="closed"):
        put_load(port, [post(port, "/graphql", b"{}")], connections=1, seconds=5)
