"""Altered responses: the lean client accepts what aiohttp's accepts, or less, and reads it in one piece as in several.

Half of `TEST_FUZZ` messages is read by both parsers, a part of them by connections in pieces: `lean/mutations.py`.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing

from lean.mutations import COUNT, SEED, altered_response, cut_at_random, numbered, split_everywhere
from lean.response_parsers import LeanClientConnections, Received, aiohttp_received, lean_received

_HALF = COUNT // 2
_EVERYWHERE = 100  # every hundredth message is cut at each of its bytes
_INTERIM_CODING = re.compile(rb"(?i)HTTP/1\.[01] 1\d\d[^\r\n]*\r\n([^\r\n]+\r\n)*transfer-encoding:")
_METHODS = ("GET", "GET", "GET", "HEAD", "POST")
_LENIENT = re.compile(
    rb"(?<!\r)\n|\r(?!\n)|\r\n[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"  # lines, folded lines, control characters
    rb"|[\w-][ \t]+:|\n[0-9A-Fa-f]+[ \t]"  # blanks before a colon and after the size of a chunk
)

LEAN_REFUSES: Mapping[str, Callable[[Received, bytes], object]] = {
    "101, since no call requests another protocol": lambda received, _stream: received.status == 101,
    "a coding that it does not request": lambda received, _stream: (
        received.header("content-encoding").lower() not in {"", "identity", "gzip", "deflate"}
    ),
    "a transfer coding that is not `chunked` alone": lambda received, stream: (
        (coding := (received.headers or {}).get("transfer-encoding")) is not None
        and (coding.lower() != "chunked" or stream.lower().count(b"transfer-encoding") > 1)
    ),
    "a transfer coding of an interim response, which has no content (RFC 9112, 6.1)": lambda _received, stream: (
        _INTERIM_CODING.search(stream)
    ),
    "a chunk with LF alone after its data, which ends with CR": lambda received, _stream: (
        received.header("transfer-encoding") and b"\r" in received.body
    ),
    "a status below 100": lambda received, _stream: received.status < 100,
    "what RFC 9112 lets a lenient client accept": lambda _received, stream: _LENIENT.search(stream),
}
"""What the lean client refuses, and aiohttp's does not: by the response as aiohttp reads it, and the bytes."""


def _why(ours: Received, theirs: Received, stream: bytes) -> str:
    """Return why two readings of the same bytes differ: a documented reason, or empty where they do not.

    Raises:
        AssertionError: there is no documented reason.
    """
    if ours.failure and theirs.failure:
        return ""
    if ours.failure:
        reasons = [why for why, holds in LEAN_REFUSES.items() if holds(theirs, stream)]
        assert reasons
        return reasons[0]
    assert not theirs.failure
    assert (ours.status, ours.headers, ours.body) == (theirs.status, theirs.headers, theirs.body)
    assert theirs.reusable or not ours.reusable
    return "" if ours.reusable == theirs.reusable else "lean closes a connection with bytes that were not requested"


async def test_as_aiohttp_reads_them() -> None:
    """The lean client reads a response as aiohttp does, or refuses it for a reason that is listed above."""
    seen: Counter[str] = Counter()
    for number, stream, random in numbered(altered_response, _HALF):
        method = random.choice(_METHODS)
        ours, theirs = lean_received(method, [stream]), aiohttp_received(method, stream)
        try:
            why = _why(ours, theirs, stream)
        except AssertionError as failure:
            note = f"TEST_FUZZ_SEED={SEED}, response {number}: {method} {stream!r}\n{ours}\n{theirs}"
            raise AssertionError(note) from failure
        seen[why or ("refused by both" if ours.failure else "accepted by both")] += 1
    assert seen["refused by both"] > _HALF / 5, seen
    assert seen["accepted by both"] > _HALF / 5, seen


async def test_whole_and_in_pieces() -> None:
    """A connection gives the same response, or the same failure, in one piece and wherever the bytes are cut."""
    with closing(LeanClientConnections()) as connections:
        for number, stream, random in numbered(altered_response, _HALF // 2):
            method = random.choice(_METHODS)
            expected = lean_received(method, [stream])
            cuts = split_everywhere(stream) if number % _EVERYWHERE == 0 else [cut_at_random(stream, random)]
            for pieces in ([stream], *cuts):
                received = await connections.received(method, pieces)
                # In a piece of its own, what was not requested comes after the response.
                received = expected if len(pieces) > 1 and _same_but_reuse(received, expected) else received
                assert received == expected, f"TEST_FUZZ_SEED={SEED}, response {number}: {method} {pieces}"


def _same_but_reuse(received: Received, expected: Received) -> bool:
    return (received.status, received.headers, received.body) == (expected.status, expected.headers, expected.body)
