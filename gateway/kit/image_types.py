"""Recognises the type of a picture by its first bytes."""

import re

__all__ = ["IMAGE_TYPES", "image_type"]

_PNG, _JPEG, _GIF, _WEBP, _SVG = "image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"

IMAGE_TYPES = frozenset({_PNG, _JPEG, _GIF, _WEBP, _SVG})
"""The media types that `image_type` recognises."""

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", _PNG),
    (b"\xff\xd8\xff", _JPEG),
    (b"GIF87a", _GIF),
    (b"GIF89a", _GIF),
)
_RIFF = re.compile(rb"RIFF.{4}WEBP", re.DOTALL)
_BYTE_ORDERS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
# The root element of an XML document, after its declaration, comments, processing instructions and document type. Each
# alternative begins with another character, and none can be matched in two ways: so the time is linear.
_ROOT = re.compile(
    r"\s*(?:(?:<\?(?:[^?]|\?(?!>))*\?>|<!--(?:[^-]|-(?!->))*-->|<!DOCTYPE(?:[^\[\]>]|\[[^\]]*\])*>)\s*)*"
    r"<(?:[\w.-]+:)?svg[\s/>]"
)


def image_type(start: bytes) -> str | None:
    """Return the media type of a picture, by its first bytes (some kilobytes are enough); None for another content."""
    for beginning, media_type in _BEGINNINGS:
        if start.startswith(beginning):
            return media_type
    if _RIFF.match(start):
        return _WEBP
    return _SVG if _ROOT.match(_text(start)) else None


def _text(start: bytes) -> str:
    for mark, encoding in _BYTE_ORDERS:
        if start.startswith(mark):
            return start.removeprefix(mark).decode(encoding, "replace")
    return start.decode("utf-8", "replace")
