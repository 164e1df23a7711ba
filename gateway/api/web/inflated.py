"""The body of a request with a Content-Encoding, decompressed while it is read."""

import zlib
from collections.abc import AsyncIterator
from typing import Self

from gateway.api.web.http import Malformed
from gateway.kit.inflate import Inflater

__all__ = ["InflatedBody"]

_MAX_CHUNK = 64 * 1024  # bytes


class InflatedBody:
    """Iterates over the decompressed chunks of a body. The reader limits their total; each has at most 64 KiB.

    An empty body has no chunks, whatever its coding is.
    """

    __slots__ = ("_chunks", "_coding", "_inflater", "_unconsumed")

    def __init__(self, chunks: AsyncIterator[bytes], coding: str) -> None:
        self._chunks = chunks
        self._coding = coding
        self._inflater: Inflater | None = None
        self._unconsumed = b""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk.

        Raises:
            Malformed: the coding is neither gzip nor deflate, or the data is not in its format, ends early or continues
                after its end.
        """
        try:
            while not (content := self._inflate(self._unconsumed or await anext(self._chunks))):
                pass
        except StopAsyncIteration:
            if self._inflater is None:
                raise
            if rest := self._inflater.flush():
                return rest
            if self._inflater.is_complete:
                raise
            raise Malformed from None
        except zlib.error as error:
            raise Malformed from error
        return content

    def _inflate(self, chunk: bytes) -> bytes:
        if self._inflater is None:
            try:
                self._inflater = Inflater(self._coding)
            except ValueError as error:
                raise Malformed from error
        content = self._inflater.feed(chunk, _MAX_CHUNK)
        self._unconsumed = self._inflater.unconsumed
        return content
