"""Generated pictures, as the real APIs have them for whoever has uploaded none."""

import hashlib
import struct
import zlib

__all__ = ["identicon_png", "identicon_svg"]

_CELLS = 5
_PIXELS = 16  # of a cell
_BACKGROUND = b"\xf0\xf0\xf0"


def identicon_png(name: str) -> bytes:
    """Return a picture of 80 by 80 pixels as a PNG: a symmetric pattern that depends on the name."""
    digest = hashlib.sha256(name.encode()).digest()
    color, cells = digest[:3], digest[3:]
    rows = []
    for row in range(_CELLS):
        # The right half mirrors the left one.
        filled = [cells[row * _CELLS + min(column, _CELLS - 1 - column)] % 2 for column in range(_CELLS)]
        line = b"".join((color if is_filled else _BACKGROUND) * _PIXELS for is_filled in filled)
        rows.append((b"\0" + line) * _PIXELS)  # each line begins with its filter: none
    size = _CELLS * _PIXELS
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)  # 8 bits a channel, RGB
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks))


def identicon_svg(name: str) -> bytes:
    """Return a picture as an SVG: a square whose color depends on the name."""
    square = f'<rect width="8" height="8" fill="hsl({sum(name.encode()) * 37 % 360} 60% 50%)"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">{square}</svg>'.encode()


def _chunk(chunk: tuple[bytes, bytes]) -> bytes:
    kind, content = chunk
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
