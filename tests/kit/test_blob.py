"""Bytes that are read more than once, in memory or in a file."""

import gc
import os
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.kit.blob import Blob, BlobWriter

OPEN = Path("/proc/self/fd")


@pytest.mark.parametrize("size", [0, 1, 1_000, 128 * 1024, 128 * 1024 + 1, 3_000_000])
def test_what_is_written_is_read(size: int) -> None:
    """Few bytes or many, written in chunks: they are read again in order, as often as wanted, by two at once."""
    content = os.urandom(size)
    writer = BlobWriter()
    for start in range(0, size, 50_000):
        writer.write(content[start : start + 50_000])
    blob = writer.close()
    assert (blob.size, blob.digest) == (size, sha256(content).hexdigest())
    assert b"".join(blob.chunks()) == content
    first, second = blob.chunks(), blob.chunks()
    assert list(first) == list(second)
    assert blob == Blob.of(content)


def test_closed() -> None:
    """A blob that is closed gives its file back at once, and who is in the middle of it reads nothing else instead."""
    before = len(list(OPEN.iterdir()))
    writer = BlobWriter()
    writer.write(b"x" * 1_000_000)
    blob = writer.close()
    reading = blob.chunks()
    next(reading)
    for _ in range(2):
        blob.close()
        assert len(list(OPEN.iterdir())) == before
    with pytest.raises(OSError, match="Bad file descriptor"):
        next(reading)


def test_nothing_is_left_behind() -> None:
    """The file goes with the blob, and with a writer that was never closed."""
    before = len(list(OPEN.iterdir()))
    writer = BlobWriter()
    writer.write(b"x" * 1_000_000)
    blob = writer.close()
    abandoned = BlobWriter()
    abandoned.write(b"x" * 1_000_000)
    assert len(list(OPEN.iterdir())) == before + 2
    del writer, blob, abandoned
    gc.collect()
    assert len(list(OPEN.iterdir())) == before
