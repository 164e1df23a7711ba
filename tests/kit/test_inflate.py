"""Decompression of gzip and deflate in pieces of bounded size."""

import gzip
import zlib

import pytest

from gateway.kit.inflate import Inflater

CONTENT = bytes(range(256)) * 2_000


def raw_deflate(data: bytes) -> bytes:
    """Compress without the zlib format around the data."""
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("coding", "compressed"),
    [
        ("gzip", gzip.compress(CONTENT)),
        ("x-gzip", gzip.compress(CONTENT)),
        ("deflate", zlib.compress(CONTENT)),
        ("deflate", raw_deflate(CONTENT)),
    ],
)
@pytest.mark.parametrize("size", [1, 100, 1_000_000])
def test_pieces_of_any_size(coding: str, compressed: bytes, size: int) -> None:
    """Whatever the size of the pieces, the content is complete and no part of it is larger than the limit."""
    inflater, content = Inflater(coding), b""
    for start in range(0, len(compressed), size):
        piece = compressed[start : start + size]
        while piece:
            part = inflater.feed(piece, 1_000)
            assert len(part) <= 1_000
            content += part
            piece = inflater.unconsumed
    content += inflater.flush()
    assert content == CONTENT
    assert inflater.is_complete


def test_incomplete_data() -> None:
    """Data that ends early is not complete; no data at all is."""
    inflater = Inflater("gzip")
    assert (inflater.is_complete, inflater.unconsumed, inflater.flush()) == (True, b"", b"")
    inflater.feed(gzip.compress(CONTENT)[:-1], 1_000_000)
    assert not inflater.is_complete


@pytest.mark.parametrize("data", [b"no gzip", gzip.compress(CONTENT) + b"x"])
def test_malformed_data(data: bytes) -> None:
    """Data in another format, or with bytes after its end, is an error."""
    with pytest.raises(zlib.error):
        Inflater("gzip").feed(data, 1_000_000)


def test_unknown_coding() -> None:
    """A coding other than gzip and deflate is refused."""
    with pytest.raises(ValueError, match="unknown Content-Encoding"):
        Inflater("br")
