"""Responses in all the forms that the lean client reads."""

import gzip
import zlib

CAP = 10_000
OK = b"HTTP/1.1 200 OK\r\n"
TEXT = b"some text, some more text" * 20


def raw_deflate(data: bytes) -> bytes:
    """Compress without the zlib format around the data, as some servers do."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def chunked(data: bytes, size: int = 7) -> bytes:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def sized(data: bytes, *fields: bytes) -> bytes:
    return OK + b"".join(field + b"\r\n" for field in fields) + b"Content-Length: %d\r\n\r\n" % len(data) + data


RESPONSES = {
    "sized": sized(b"{}"),
    "empty": sized(b""),
    "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(TEXT),
    "trailers": OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(TEXT)[:-2] + b"X-After: 1\r\n\r\n",
    "chunk extension": OK + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n",
    "gzip": sized(gzip.compress(TEXT), b"Content-Encoding: gzip"),
    "gzip in chunks": OK
    + b"Content-Encoding: GZIP\r\nTransfer-Encoding: chunked\r\n\r\n"
    + chunked(gzip.compress(TEXT)),
    "deflate": sized(zlib.compress(TEXT), b"Content-Encoding: deflate"),
    "bare deflate": sized(raw_deflate(TEXT), b"Content-Encoding: deflate"),
    "identity": sized(b"{}", b"Content-Encoding: identity"),
    "compressed nothing": sized(b"", b"Content-Encoding: gzip"),
    "no content": b"HTTP/1.1 204 No Content\r\nX-Id: 1\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + sized(b"{}"),
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
    "empty header": sized(b"{}", b"X-Empty:", b"X-Next: 1"),
}
