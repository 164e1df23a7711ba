"""Altered requests: the lean server reads them as aiohttp does, or refuses them; fast and slow reading are the same.

Half of `TEST_FUZZ` messages is read by both parsers, a part of them by whole servers in pieces: `lean/mutations.py`.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing

import pytest
from lean.mutations import COUNT, SEED, altered_request, cut_at_random, numbered, split_everywhere
from lean.request_parsers import LeanConnections, Read, Stream, aiohttp_read, lean_read

_HALF = COUNT // 2
_EARLY = re.compile(rb"HTTP/1\.1 4")
_FRAMING = re.compile(r"Duplicate '(Host|Content-Length|Transfer-Encoding)'", re.IGNORECASE)
_REPEATED = 5  # every fifth message is sent several times on a connection
_EVERYWHERE = 100  # every hundredth message is cut at each of its bytes

LEAN_REFUSES: Mapping[str, Callable[[str, Read], object]] = {
    "CONNECT, since the gateway is no proxy": lambda status, read: status == "405" and read.method == "CONNECT",
    "an expectation other than 100-continue, which aiohttp refuses after parsing": lambda status, read: (
        status == "417" and read.headers.get("expect", "").lower() not in {"", "100-continue"}
    ),
    "an empty expectation": lambda status, read: status == "417" and read.headers.get("expect") == "",
    "a coding that nobody decodes": lambda status, read: (
        status == "501" and read.headers["transfer-encoding"].lower() != "chunked"
    ),
    "another version than 1.0 and 1.1": lambda status, _read: status == "505",
    "HTTP/1.1 without a host (RFC 9112, 3.2)": lambda status, read: status == "400" and "host" not in read.headers,
    "two encodings or expectations, which another server could read in another way": lambda status, read: (
        status == "400" and any("," in read.headers.get(name, "") for name in ("content-encoding", "expect"))
    ),
    "an empty coding, which is none for aiohttp": lambda status, read: (
        status == "400" and read.headers.get("transfer-encoding") == ""
    ),
    "chunks in HTTP/1.0 (RFC 9112, 6.1)": lambda status, read: (
        status == "400" and "transfer-encoding" in read.headers and "content-length" not in read.headers
    ),
}
"""What the lean server refuses, and aiohttp's parser does not: by the status, and the request as aiohttp reads it."""

AIOHTTP_REFUSES: Mapping[str, Callable[[str, Read], object]] = {
    "a second Content-Type, User-Agent and the like: none of these frames a message": lambda message, _read: (
        message.startswith("Duplicate '") and not _FRAMING.match(message)
    ),
    "a tab after `chunked`, which is white space (RFC 9110, 5.5)": lambda message, read: (
        message.startswith("Request has invalid `Transfer-Encoding`")
        and read.headers["transfer-encoding"].lower() == "chunked"
    ),
    "`*` in another request than OPTIONS, where no endpoint is": lambda message, read: (
        message == "*" and read.path == "*"
    ),
}
"""What aiohttp's parser refuses, and the lean server does not: by its message, and the request as lean reads it."""

_REFUSED_WITHOUT_A_REQUEST = {
    "Data after `Connection: close`": "lean does not read what follows the last request; aiohttp refuses it",
    "Duplicate '": "aiohttp refuses a second field as soon as it reads it; lean waits for the end of the head",
    "*": "aiohttp refuses a target as soon as it reads it; lean waits for the end of the head",
    "http://": "aiohttp refuses a target as soon as it reads it; lean waits for the end of the head",
}
"""What aiohttp's parser refuses where the lean server has no request yet, by the beginning of its message."""


def _why(ours: Stream, theirs: Stream) -> str:
    """Return why two readings of the same bytes differ: a documented reason, or empty where they do not.

    Raises:
        AssertionError: there is no documented reason.
    """
    for at, (one, other) in enumerate(zip(ours.requests, theirs.requests, strict=False)):
        if theirs.upgraded and at == len(theirs.requests) - 1:
            assert (one.method, one.path, one.query, one.headers) == (
                other.method,
                other.path,
                other.query,
                other.headers,
            )
            return "aiohttp leaves what follows to another protocol; lean ignores an upgrade that it does not support"
        if at and one.headers != other.headers and "transfer-encoding" in ours.requests[at - 1].headers:
            added = {name: value for name, value in other.headers.items() if one.headers.get(name) != value}
            assert len(added) == 1
            assert next(iter(other.headers)) in added
            return "aiohttp adds the last trailer of a request to the header of the next one"
        assert one == other
    common = min(len(ours.requests), len(theirs.requests))
    if len(theirs.requests) > common:
        reasons = [why for why, holds in LEAN_REFUSES.items() if holds(ours.rejected, theirs.requests[common])]
        assert reasons
        return reasons[0]
    if len(ours.requests) > common:
        reasons = [why for why, holds in AIOHTTP_REFUSES.items() if holds(theirs.rejected, ours.requests[common])]
        assert reasons
        return reasons[0]
    for beginning, why in _REFUSED_WITHOUT_A_REQUEST.items():
        if theirs.rejected.startswith(beginning) and not ours.rejected:
            return why
    assert bool(ours.rejected) == bool(theirs.rejected)
    return ""


async def test_as_aiohttp_reads_them() -> None:
    """Both parsers accept the same requests with the same values, or refuse them, but for what is listed above."""
    seen: Counter[str] = Counter()
    for number, stream, _random in numbered(altered_request, _HALF):
        ours, theirs = lean_read([stream]), aiohttp_read(stream)
        try:
            why = _why(ours, theirs)
        except AssertionError as failure:
            raise AssertionError(f"TEST_FUZZ_SEED={SEED}, request {number}: {stream!r}\n{ours}\n{theirs}") from failure
        seen[why or ("refused by both" if ours.rejected else "accepted by both")] += 1
    assert seen["refused by both"] > _HALF / 5, seen
    assert seen["accepted by both"] > _HALF / 5, seen


@pytest.mark.parametrize("responds", ["immediately", "later"])
async def test_whole_and_in_pieces(responds: str) -> None:
    """The responses are the same with the fast path and without it, and wherever the bytes are cut."""
    immediate = responds == "immediately"
    fast, slow = LeanConnections(fast_path=True, immediate=immediate), LeanConnections(fast_path=False)
    with closing(fast), closing(slow):
        for number, stream, random in numbered(altered_request, _HALF // 4):
            expected = await slow.responses([stream])
            everywhere = number % _EVERYWHERE == 0 and immediate
            cuts = split_everywhere(stream) if everywhere else [cut_at_random(stream, random)]
            # A refusal that needs no body ends the connection if the body is still to come.
            pauses = not _EARLY.search(expected[0])
            for pieces in ([stream], *cuts):
                received = await fast.responses(pieces, pauses=pauses)
                assert received == expected, f"TEST_FUZZ_SEED={SEED}, request {number}: {pieces}"
            assert await slow.responses(cut_at_random(stream, random), pauses=pauses) == expected
            # The next requests with the same head, which the fast reader remembers, and with another body or head.
            others = (stream, stream[:-1] + b"x", stream.replace(b"Host: x", b"Host: y"))
            for following in others if number % _REPEATED == 0 else ():
                again = [stream, following, stream]
                assert await fast.responses(again) == await slow.responses(again), f"request {number}: {again}"
    assert fast.handled > _HALF // 40
    assert slow.handled == 0
