"""Compressed bodies, piece by piece, never more at once than there is room for."""

import zlib

__all__ = ["ACCEPTED", "Inflate", "decoder"]

ACCEPTED = "gzip, deflate"
_GZIP, _ZLIB, _RAW = zlib.MAX_WBITS + 16, zlib.MAX_WBITS, -zlib.MAX_WBITS
_DEFLATED = 8  # the method in the low bits of a zlib stream's first byte


class Inflate:
    """One compressed body. `whole` says whether its end was seen; an empty one is whole."""

    def __init__(self, coding: bytes) -> None:
        self._coding = coding
        self._stream: zlib._Decompress | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return self._stream is None or self._stream.eof

    def feed(self, piece: bytes, room: int) -> bytes:
        """What the piece holds, at most `room` bytes of it (one at least).

        Raises:
            zlib.error: it is not what its coding says, or there is more after its end.
        """
        if self._stream is None:
            # Some servers send "deflate" bare, without the zlib format around it that RFC 9110 (8.4.1.2) asks for.
            bare = self._coding == b"deflate" and piece[0] & 0x0F != _DEFLATED
            self._stream = zlib.decompressobj(_RAW if bare else _ZLIB if self._coding == b"deflate" else _GZIP)
        content = self._stream.decompress(piece, room)
        if self._stream.unused_data:
            raise zlib.error("bytes after the end of the compressed body")
        return content


def decoder(coding: bytes) -> Inflate | None:
    """What undoes a Content-Encoding, None where there is nothing to undo.

    Raises:
        ValueError: a coding that was not asked for.
    """
    match coding.strip().lower():
        case b"gzip" | b"x-gzip":
            return Inflate(b"gzip")
        case b"deflate":
            return Inflate(b"deflate")
        case b"" | b"identity":
            return None
        case _:
            raise ValueError("an unknown Content-Encoding")
