"""Requests that two HTTP servers could read in different ways, so that one of them takes a part of it for a request."""

from collections.abc import Mapping

__all__ = ["AMBIGUOUS", "SMUGGLED", "VICTIM"]

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
"""The request inside of the others. Nothing is served at its path, so its response has the status 404."""

VICTIM = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""The request of somebody else, which a proxy sends on the same connection."""

_CHUNKED = b"0\r\n\r\n" + SMUGGLED
_SIZE = len(SMUGGLED)
_ALL = len(_CHUNKED)


def _post(*fields: bytes, body: bytes = _CHUNKED, version: bytes = b"HTTP/1.1", end: bytes = b"\r\n") -> bytes:
    first = b"POST /graphql %b" % version
    return end.join([first, b"Host: x", b"Content-Type: application/json", *fields, b"", b""]) + body


def _chunks(body: bytes) -> bytes:
    return _post(b"Transfer-Encoding: chunked", body=body)


AMBIGUOUS: Mapping[str, bytes] = {
    # The length by both fields, in any order and spelling (RFC 9112, 6.3).
    "length, chunks": _post(b"Content-Length: %d" % _ALL, b"Transfer-Encoding: chunked"),
    "chunks, length": _post(b"Transfer-Encoding: chunked", b"Content-Length: %d" % _ALL),
    "a length that ends before the chunks do": _post(b"Content-Length: 3", b"Transfer-Encoding: chunked"),
    "a space before the colon of the coding": _post(b"Content-Length: %d" % _ALL, b"Transfer-Encoding : chunked"),
    "a tab before the colon of the coding": _post(b"Content-Length: %d" % _ALL, b"Transfer-Encoding\t: chunked"),
    "a space before the colon of the length": _post(b"Content-Length : %d" % _ALL, b"Transfer-Encoding: chunked"),
    "a vertical tab before the coding": _post(b"Content-Length: %d" % _ALL, b"Transfer-Encoding:\x0bchunked"),
    "a form feed after the coding": _post(b"Content-Length: %d" % _ALL, b"Transfer-Encoding: chunked\x0c"),
    "a null byte after the coding": _post(b"Content-Length: %d" % _ALL, b"Transfer-Encoding: chunked\x00"),
    "a coding of 0x85": _post(b"Content-Length: %d" % _ALL, b"Transfer-Encoding: \x85chunked"),
    "an unknown coding": _post(b"Content-Length: %d" % _ALL, b"Transfer-Encoding: xchunked"),
    "a coding in quotes": _post(b"Content-Length: %d" % _ALL, b'Transfer-Encoding: "chunked"'),
    "a coding with a parameter": _post(b"Content-Length: %d" % _ALL, b"Transfer-Encoding: chunked;a=b"),
    "chunks and identity": _post(b"Content-Length: %d" % _ALL, b"Transfer-Encoding: chunked, identity"),
    "identity": _post(b"Content-Length: %d" % _ALL, b"Transfer-Encoding: identity"),
    "an empty coding": _post(b"Content-Length: %d" % _ALL, b"Transfer-Encoding:"),
    "two codings in two fields": _post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"),
    "a second coding that is unknown": _post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: x"),
    "chunks twice": _post(b"Transfer-Encoding: chunked, chunked"),
    "chunks first": _post(b"Transfer-Encoding: chunked, gzip"),
    "the coding on a folded line": _post(b"Content-Length: %d" % _ALL, b"Transfer-Encoding:", b" chunked"),
    "the coding in a folded line": _post(b"Content-Length: %d" % _ALL, b"X: y", b" Transfer-Encoding: chunked"),
    "the coding behind a bare CR": _post(b"Content-Length: %d" % _ALL, b"X: y\rTransfer-Encoding: chunked"),
    "the coding behind a bare LF": _post(b"Content-Length: %d" % _ALL, b"X: y\nTransfer-Encoding: chunked"),
    "the length behind a bare LF": _post(b"X: y\nContent-Length: %d" % _ALL),
    "an underscore in the coding's name": _post(b"Content-Length: %d" % _ALL, b"Transfer_Encoding: chunked"),
    "a null byte in the coding's name": _post(b"Content-Length: %d" % _ALL, b"Transfer-Encoding\x00: chunked"),
    "the coding as the first line": b"POST /graphql HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: x\r\n\r\n"
    + _CHUNKED,
    "chunks in HTTP/1.0": _post(b"Transfer-Encoding: chunked", version=b"HTTP/1.0"),
    "chunks and length in HTTP/1.0": _post(
        b"Transfer-Encoding: chunked", b"Content-Length: 5", b"Connection: keep-alive", version=b"HTTP/1.0"
    ),
    # Lengths.
    "two lengths": _post(b"Content-Length: 0", b"Content-Length: %d" % _SIZE, body=SMUGGLED),
    "two equal lengths": _post(b"Content-Length: %d" % _SIZE, b"Content-Length: %d" % _SIZE, body=SMUGGLED),
    "a list of lengths": _post(b"Content-Length: 0, %d" % _SIZE, body=SMUGGLED),
    "a list of equal lengths": _post(b"Content-Length: %d, %d" % (_SIZE, _SIZE), body=SMUGGLED),
    "a signed length": _post(b"Content-Length: +%d" % _SIZE, body=SMUGGLED),
    "a negative length": _post(b"Content-Length: -0", body=SMUGGLED),
    "a hexadecimal length": _post(b"Content-Length: 0x%x" % _SIZE, body=SMUGGLED),
    "a length with an underscore": _post(b"Content-Length: 3_5", body=SMUGGLED),
    "a length with a blank": _post(b"Content-Length: 3 5", body=SMUGGLED),
    "a length with a decimal point": _post(b"Content-Length: 35.0", body=SMUGGLED),
    "a length in other digits": _post("Content-Length: \u0663\u0665".encode(), body=SMUGGLED),
    "an empty length": _post(b"Content-Length:", body=SMUGGLED),
    "a length beyond 64 bits": _post(b"Content-Length: 18446744073709551616", body=SMUGGLED),
    "a length with a null byte": _post(b"Content-Length: %d\x00" % _SIZE, body=SMUGGLED),
    "a space before the colon of a length": _post(b"Content-Length : %d" % _SIZE, body=SMUGGLED),
    "a length on a folded line": _post(b"Content-Length:", b" %d" % _SIZE, body=SMUGGLED),
    # Lines and fields.
    "line feeds alone": _post(b"Content-Length: 0", body=SMUGGLED, end=b"\n"),
    "carriage returns alone": _post(b"Content-Length: 0", body=SMUGGLED, end=b"\r"),
    "two carriage returns": _post(b"Content-Length: 0", body=SMUGGLED, end=b"\r\r\n"),
    "a head that ends with line feeds": b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 0\n\n" + SMUGGLED,
    "a field without a colon": _post(b"X", b"Content-Length: 0", body=SMUGGLED),
    "a field without a name": _post(b": x", b"Content-Length: 0", body=SMUGGLED),
    "a field with a blank in its name": _post(b"X Y: z", b"Content-Length: 0", body=SMUGGLED),
    "a null byte in a value": _post(b"X: y\x00z", b"Content-Length: 0", body=SMUGGLED),
    "a carriage return in a value": _post(b"X: y\rz", b"Content-Length: 0", body=SMUGGLED),
    "two hosts": _post(b"Host: y", b"Content-Length: 0", body=SMUGGLED),
    "a blank line and a space": _post(b"X: y\r\n \r\n", b"Content-Length: 0", body=SMUGGLED),
    # First lines.
    "a version without a number": _post(b"Content-Length: 0", body=SMUGGLED, version=b"HTTP/x.y"),
    "a version of three digits": _post(b"Content-Length: 0", body=SMUGGLED, version=b"HTTP/1.10"),
    "HTTP/0.9": b"GET /graphql\r\n\r\n" + SMUGGLED,
    "more in the first line": _post(b"Content-Length: 0", body=SMUGGLED, version=b"x HTTP/1.1"),
    "a tab in the first line": b"POST\t/graphql\tHTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
    "a carriage return in the first line": b"POST /graphql\r HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
    "a tunnel": b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
    "another expectation": _post(b"Expect: 100-continue, x", b"Content-Length: %d" % _SIZE, body=SMUGGLED),
    # Chunks.
    "a signed chunk": _chunks(b"+0\r\n\r\n" + SMUGGLED),
    "a negative chunk": _chunks(b"-1\r\n\r\n" + SMUGGLED),
    "a chunk with a prefix": _chunks(b"0x0\r\n\r\n" + SMUGGLED),
    "a chunk without a size": _chunks(b"\r\n\r\n" + SMUGGLED),
    "a chunk beyond 64 bits": _chunks(b"10000000000000000\r\n" + SMUGGLED),
    "a chunk that ends with line feeds": _chunks(b"0\n\n" + SMUGGLED),
    "a chunk whose data ends early": _chunks(b"3\r\nab\r\n0\r\n\r\n" + SMUGGLED),
    "a chunk whose data ends late": _chunks(b"1\r\nab\r\n0\r\n\r\n" + SMUGGLED),
    "a chunk whose data ends with other bytes": _chunks(b"2\r\nabXX0\r\n\r\n" + SMUGGLED),
    "a chunk whose data ends with a line feed": _chunks(b"2\r\nab\n0\r\n\r\n" + SMUGGLED),
    "a line feed in an extension": _chunks(b"2;x\nab\r\n0\r\n\r\n" + SMUGGLED),
    "a carriage return in an extension": _chunks(b"2;x\ry\r\nab\r\n0\r\n\r\n" + SMUGGLED),
    "a null byte in a size": _chunks(b"0\x00\r\n\r\n" + SMUGGLED),
    "a blank in a size": _chunks(b"0 0\r\n\r\n" + SMUGGLED),
    "a trailer that is a length": _chunks(b"0\r\nContent-Length: %d\r\n\r\n" % _SIZE + SMUGGLED),
    "a trailer that is a coding": _chunks(b"0\r\nTransfer-Encoding: chunked\r\n\r\n" + SMUGGLED),
    "a trailer without a colon": _chunks(b"0\r\nX\r\n\r\n" + SMUGGLED),
    "a trailer that is folded": _chunks(b"0\r\nX: y\r\n z\r\n\r\n" + SMUGGLED),
    "trailers that end with line feeds": _chunks(b"0\r\nX: y\n\n" + SMUGGLED),
    # Other protocols on the connection.
    "an upgrade with a length": _post(
        b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: %d" % _SIZE, body=SMUGGLED
    ),
    "a WebSocket with a length": b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Content-Length: %d\r\n\r\n" % _SIZE + SMUGGLED,
}
"""Each of them is refused, and the connection ends then; or it is one request, with `SMUGGLED` inside of its body."""
