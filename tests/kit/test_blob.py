"""Bytes that are read more than once, in memory or in a file."""

import gc
import os
from hashlib import sha256

import pytest
from open_files import temporary_files

from gateway.kit.blob import Blob, BlobWriter


def open_now() -> int:
    """Return how many files without a name this process has open."""
    return len(temporary_files(os.getpid()))


@pytest.mark.parametrize("size", [0, 1, 1_000, 128 * 1024, 128 * 1024 + 1, 3_000_000])
def test_written_bytes_are_read(size: int) -> None:
    """A content of any size, written in chunks, is read in order, repeatedly and by two readers at a time."""
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


def test_close() -> None:
    """Closing a blob closes its file at once; an iterator in use fails instead of reading another file."""
    gc.collect()  # what other tests have left
    before = open_now()
    writer = BlobWriter()
    writer.write(b"x" * 1_000_000)
    blob = writer.close()
    chunks = blob.chunks()
    next(chunks)
    for _ in range(2):
        blob.close()
        assert open_now() == before
    with pytest.raises(OSError, match="Bad file descriptor"):
        next(chunks)


def test_no_file_is_left_open() -> None:
    """The file is closed when the blob, or a writer that was never closed, is garbage-collected."""
    gc.collect()  # what other tests have left
    before = open_now()
    writer = BlobWriter()
    writer.write(b"x" * 1_000_000)
    blob = writer.close()
    abandoned = BlobWriter()
    abandoned.write(b"x" * 1_000_000)
    assert open_now() == before + 2
    del writer, blob, abandoned
    gc.collect()
    assert open_now() == before
