"""Decompression of gzip and deflate, the content codings of HTTP, with a limit on the size of each piece."""

import zlib

__all__ = ["Inflater"]

_GZIP, _ZLIB, _RAW = zlib.MAX_WBITS + 16, zlib.MAX_WBITS, -zlib.MAX_WBITS
_WINDOW_BITS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
_DEFLATE_METHOD = 8  # in the low bits of the first byte of a zlib stream


class Inflater:
    """Decompresses one body, piece by piece.

    Raises:
        ValueError: the coding is neither gzip nor deflate.
    """

    __slots__ = ("_stream", "_window_bits")

    def __init__(self, coding: str) -> None:
        if coding not in _WINDOW_BITS:
            raise ValueError("unknown Content-Encoding")
        self._window_bits = _WINDOW_BITS[coding]
        self._stream: zlib._Decompress | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the end of the compressed data was read; data of no bytes is complete."""
        return self._stream is None or self._stream.eof

    @property
    def unconsumed(self) -> bytes:
        """The rest of the last piece, which `feed` did not decompress because of `max_bytes`."""
        return b"" if self._stream is None else self._stream.unconsumed_tail

    def feed(self, piece: bytes, max_bytes: int) -> bytes:
        """Return the decompressed piece, which must not be empty; at most `max_bytes` (1 or more) of it.

        Raises:
            zlib.error: the data is not in the format of the coding, or continues after its end.
        """
        stream = self._stream
        if stream is None:
            # Some programs send "deflate" without the zlib format around it that RFC 9110, 8.4.1.2 requires.
            is_raw = self._window_bits == _ZLIB and piece[0] & 0x0F != _DEFLATE_METHOD
            self._stream = stream = zlib.decompressobj(_RAW if is_raw else self._window_bits)
        content = stream.decompress(piece, max_bytes)
        if stream.unused_data:
            raise zlib.error("bytes after the end of the compressed data")
        return content

    def flush(self) -> bytes:
        """Return what is left of the decompressed data after the last piece: a few bytes that `max_bytes` cut off."""
        return b"" if self._stream is None else self._stream.flush()
