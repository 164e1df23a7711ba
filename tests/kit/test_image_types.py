import pytest

from gateway.kit.image_types import image_type

SVG = "<svg xmlns='http://www.w3.org/2000/svg'/>"


@pytest.mark.parametrize(
    ("start", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n\x00", "image/png"),
        (b"\x89PNG\n\x1a\n", None),
        (b"\xff\xd8\xff\xdb", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"GIF88a", None),
        (b"RIFF\n\n\n\nWEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (SVG.encode(), "image/svg+xml"),
        (b"\xef\xbb\xbf" + SVG.encode(), "image/svg+xml"),
        (b"\xff\xfe" + SVG.encode("utf-16-le"), "image/svg+xml"),
        (b"\xfe\xff" + SVG.encode("utf-16-be"), "image/svg+xml"),
        (b'<?xml version="1.0"?>\n<!-- a - b -- c -->\n<!DOCTYPE svg [<!ENTITY a "b">]>\n<s:svg>', "image/svg+xml"),
        (b"<svg", None),
        (b"<svgx>", None),
        (b"<!-- <svg> -->", None),
        (b"<html><svg></html>", None),
        (b"\xff\xfe\xff", None),
        (b"", None),
    ],
)
def test_types(start: bytes, media_type: str | None) -> None:
    """A picture is recognised by its first bytes, an SVG by its root element."""
    assert image_type(start) == media_type


@pytest.mark.parametrize(
    "part", [b"<!--", b"<!---", b"<?x", b"<!DOCTYPE", b"<!DOCTYPE[", b" ", b"<!-- -->", b"<a:", b"?"]
)
def test_a_beginning_without_a_root(part: bytes) -> None:
    """64 KiB that look like the beginning of an XML document and never reach its root are of no known type."""
    assert image_type((part * 65_536)[:65_536]) is None
