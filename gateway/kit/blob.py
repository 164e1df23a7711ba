"""Bytes that are read more than once: few of them are held in memory, many in a temporary file without a name."""

import hashlib
import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import BinaryIO, Self

__all__ = ["Blob", "BlobWriter"]

_IN_MEMORY = 128 * 1024  # bytes
_CHUNK = 64 * 1024


class Blob:
    """`size` in bytes; `digest` is the SHA-256 in hexadecimal, by which two are equal. A `BlobWriter` makes one."""

    __slots__ = ("__weakref__", "_content", "_descriptor", "_end", "digest", "size")

    def __init__(self, size: int, digest: str, content: bytes | BinaryIO) -> None:
        self.size = size
        self.digest = digest
        self._content = b""
        self._descriptor: int | None = None
        if isinstance(content, bytes):
            self._content = content
        else:
            self._descriptor = content.fileno()
            self._end = weakref.finalize(self, content.close)

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Bytes that are in memory already, and stay there."""
        return cls(len(content), hashlib.sha256(content).hexdigest(), content)

    def chunks(self) -> Iterator[bytes]:
        """All of it in order; any number of readers may be at it, each at its own place."""
        if self._descriptor is None:
            for start in range(0, self.size, _CHUNK):
                yield self._content[start : start + _CHUNK]
            return
        # Reading blocks, for as long as it takes to copy from the page cache: the file was written a moment ago.
        place = 0
        while chunk := os.pread(self._descriptor, _CHUNK, place):
            yield chunk
            place += len(chunk)

    def close(self) -> None:
        """Give the file back now, not when nobody knows the blob any more. Whoever still reads it gets an OSError."""
        if self._descriptor is not None:
            self._descriptor = -1  # never a number that may be another file's by then
            self._end()

    def __len__(self) -> int:
        return self.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blob) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Blob({self.size} bytes)"


class BlobWriter:
    """Takes bytes as they come, until they are a `Blob`. One that is never closed leaves nothing behind."""

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._chunks: list[bytes] = []
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Add bytes at the end."""
        self.size += len(chunk)
        self._hash.update(chunk)
        if self._file is None:
            self._chunks.append(chunk)
            if self.size <= self._in_memory:
                return
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it lives as long as the blob
            self._abandoned = weakref.finalize(self, self._file.close)
            chunk, self._chunks = b"".join(self._chunks), []
        self._file.write(chunk)

    def close(self) -> Blob:
        """What was written. Nothing may be written after it."""
        if self._file is None:
            return Blob(self.size, self._hash.hexdigest(), b"".join(self._chunks))
        self._abandoned.detach()
        return Blob(self.size, self._hash.hexdigest(), self._file)
