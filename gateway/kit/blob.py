"""Bytes that are read more than once: small contents stay in memory, large ones in a temporary file without a name."""

import hashlib
import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import BinaryIO, Self

__all__ = ["Blob", "BlobWriter", "require_temporary_folder"]

_MEMORY_LIMIT = 128 * 1024  # bytes
_CHUNK_SIZE = 64 * 1024


class Blob:
    """Immutable bytes, made by a `BlobWriter`. `size` is in bytes, `digest` is their SHA-256 in hexadecimal.

    Blobs with the same digest are equal.
    """

    __slots__ = ("__weakref__", "_close_file", "_content", "_descriptor", "digest", "size")

    size: int
    digest: str

    def __init__(self, size: int, digest: str, content: bytes | BinaryIO) -> None:
        self.size = size
        self.digest = digest
        self._content = b""
        self._descriptor: int | None = None
        if isinstance(content, bytes):
            self._content = content
        else:
            self._descriptor = content.fileno()
            self._close_file = weakref.finalize(self, content.close)

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return a blob of bytes that are already in memory; they stay there."""
        return cls(len(content), hashlib.sha256(content).hexdigest(), content)

    def chunks(self) -> Iterator[bytes]:
        """Return the content in order. Several iterators may be in use at the same time."""
        if self._descriptor is None:
            for start in range(0, self.size, _CHUNK_SIZE):
                yield self._content[start : start + _CHUNK_SIZE]
            return
        # Reading blocks only while data is copied from the page cache, because the file was written a moment ago.
        offset = 0
        while chunk := os.pread(self._descriptor, _CHUNK_SIZE, offset):
            yield chunk
            offset += len(chunk)

    def close(self) -> None:
        """Close the file now instead of when the blob is garbage-collected. Iterators in use raise an OSError then."""
        if self._descriptor is not None:
            self._descriptor = -1  # the old number may belong to another file soon
            self._close_file()

    def __len__(self) -> int:
        return self.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blob) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Blob({self.size} bytes)"


class BlobWriter:
    """Collects bytes for a `Blob`, the first `memory_limit` of them in memory.

    The file of a writer that is never closed is removed when the writer is garbage-collected.
    """

    def __init__(self, memory_limit: int = _MEMORY_LIMIT) -> None:
        self._memory_limit = memory_limit
        self._chunks: list[bytes] = []
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Append bytes.

        Raises:
            OSError: the disk is full.
        """
        self.size += len(chunk)
        self._hash.update(chunk)
        if self._file is None:
            self._chunks.append(chunk)
            if self.size <= self._memory_limit:
                return
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it is kept open as long as the blob
            self._close_file = weakref.finalize(self, self._file.close)
            chunk, self._chunks = b"".join(self._chunks), []
        rest = memoryview(chunk)
        while rest:  # a file without a buffer may take a part of the bytes, for example the last ones that fit
            rest = rest[self._file.write(rest) :]

    def close(self) -> Blob:
        """Return what was written. No more may be written then."""
        if self._file is None:
            return Blob(self.size, self._hash.hexdigest(), b"".join(self._chunks))
        self._close_file.detach()
        return Blob(self.size, self._hash.hexdigest(), self._file)


def require_temporary_folder() -> None:
    """Check that a blob of more than 128 KiB could be written, by writing a few bytes as `tempfile` does.

    Raises:
        ValueError: no folder for temporary files can be written.
    """
    try:
        tempfile.gettempdir()
    except OSError as error:
        raise ValueError(
            f"Files of more than {_MEMORY_LIMIT // 1024} KiB that clients upload are held in a temporary file, and no "
            "folder for it can be written. Set TMPDIR to one that can, or in a container with a read-only file system "
            f"mount a tmpfs at /tmp. ({error.strerror})"
        ) from None
