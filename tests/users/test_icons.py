import pytest

from gateway.errors import BadUserInput, Rule, Violation
from gateway.users.icons import Icon, IconRules, check_icon

PNG, JPEG, GIF, WEBP, SVG = (f"image/{kind}" for kind in ("png", "jpeg", "gif", "webp", "svg+xml"))
RULES = IconRules(100, (PNG, JPEG, GIF, WEBP, SVG, "image/avif"))


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", PNG),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 92, PNG),
        (b"\x89PNG\r\n\x1a\n", "Image/PNG"),
        (b"\xff\xd8\xff\xe0", JPEG),
        (b"GIF87a", GIF),
        (b"GIF89a", GIF),
        (b"RIFF\x00\n\x00\x00WEBP", WEBP),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", SVG),
        (b"whatever", "image/avif"),
    ],
)
def test_accepted(content: bytes, media_type: str) -> None:
    """An icon within the limits is accepted, if its content is of its media type, or that type is not a known one."""
    check_icon(Icon(content=content, content_type=media_type), RULES)


@pytest.mark.parametrize(
    ("content", "media_type", "rule", "bounds"),
    [
        (b"\x89PNG\r\n\x1a\n" + b"x" * 93, PNG, Rule.MAX_BYTES, {"max": 100}),
        (b"GIF89a", "image/bmp", Rule.MEDIA_TYPE, {"values": RULES.media_types}),
        (b"x", "application/octet-stream", Rule.MEDIA_TYPE, {"values": RULES.media_types}),
        (b"GIF89a", PNG, Rule.CONTENT, {"format": PNG}),
        (b"", PNG, Rule.CONTENT, {"format": PNG}),
        (b"<html><svg/></html>", SVG, Rule.CONTENT, {"format": SVG}),
    ],
)
def test_refused(content: bytes, media_type: str, rule: Rule, bounds: dict[str, object]) -> None:
    """An icon that breaks a rule is refused with that rule and its bounds, at the field of the icon."""
    with pytest.raises(BadUserInput) as refused:
        check_icon(Icon(content=content, content_type=media_type), RULES)
    [violation] = refused.value.violations
    assert violation == Violation(("change", "icon"), violation.message, rule, bounds)
    assert "bmp" not in violation.message
