"""A compressed body, never more of it at once than a chunk: what it adds up to is for the reader's cap."""

import zlib
from collections.abc import AsyncIterator
from typing import Self

from gateway.api.web.http import Malformed

__all__ = ["Inflated"]

_CHUNK = 64 * 1024
_GZIP, _ZLIB, _BARE = zlib.MAX_WBITS + 16, zlib.MAX_WBITS, -zlib.MAX_WBITS
_DEFLATED = 8  # the method in the low bits of a zlib stream's first byte
_CODINGS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}


class Inflated:
    """What the chunks of a body hold, by its Content-Encoding; an empty one holds nothing."""

    __slots__ = ("_chunks", "_coding", "_rest", "_stream")

    def __init__(self, chunks: AsyncIterator[bytes], coding: str) -> None:
        self._chunks = chunks
        self._coding = coding
        self._rest = b""
        self._stream: zlib._Decompress | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next of it.

        Raises:
            Malformed: it is not what its coding says, ends early, goes on after its end; or no such coding is taken.
        """
        try:
            while not (content := self._inflate(self._rest or await anext(self._chunks))):
                pass
        except StopAsyncIteration:
            last = b"" if self._stream is None else self._stream.flush()  # a few bytes, where the cap cut them off
            if last:
                return last
            if self._stream is None or self._stream.eof:
                raise
            raise Malformed from None
        except (zlib.error, KeyError) as error:
            raise Malformed from error
        return content

    def _inflate(self, chunk: bytes) -> bytes:
        if self._stream is None:
            bits = _CODINGS[self._coding]
            # Some clients send "deflate" bare, without the zlib format around it that RFC 9110 (8.4.1.2) asks for.
            bare = bits == _ZLIB and chunk[0] & 0x0F != _DEFLATED
            self._stream = zlib.decompressobj(_BARE if bare else bits)
        content = self._stream.decompress(chunk, _CHUNK)
        if self._stream.unused_data:
            raise zlib.error("bytes after the end of the compressed body")
        self._rest = self._stream.unconsumed_tail
        return content
