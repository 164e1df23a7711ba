"""Icons: the picture of a user that a caller sends, and the rules for it."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from gateway.errors import BadUserInput, Rule, Violation
from gateway.kit.blob import Blob
from gateway.kit.image_types import IMAGE_TYPES, image_type
from gateway.users.rules import Checked, broken

__all__ = ["Icon", "IconRules", "check_icon", "too_large"]

_PATH = ("change", "icon")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)


def _file_name(value: str) -> str:
    """Return a file name that is safe in a header: the last part of the path, printable, at most 255 characters."""
    name = re.split(r"[/\\]", value)[-1]
    return "".join(c for c in name if c.isprintable() and c != '"')[-255:] or "icon"


def _media_type(value: str) -> str:
    if not _MEDIA_TYPE.fullmatch(value):
        raise broken(Rule.FORMAT, "must be a media type, e.g. image/png", format="mediaType")
    return value


def _blob(content: object) -> object:
    return Blob.of(content) if isinstance(content, bytes) else content


class Icon(Checked, frozen=True):
    """The picture of a user of SoftwareOne, as the caller sent it. The content may be given as bytes."""

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    content: Annotated[Blob, BeforeValidator(_blob)] = Field(repr=False)
    filename: Annotated[str, AfterValidator(_file_name)] = "icon"
    content_type: Annotated[str, AfterValidator(_media_type)] = "application/octet-stream"

    if TYPE_CHECKING:  # the constructor accepts more than the field holds

        def __init__(self, *, content: bytes | Blob, filename: str = "", content_type: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class IconRules:
    """The icons that a source accepts: of at most `max_bytes`, with one of `media_types`, in lower case."""

    max_bytes: int
    media_types: Collection[str]


def check_icon(icon: Icon, rules: IconRules) -> None:
    """Check an icon by its size, by the media type that the client states, and by its content.

    The content of other types than `IMAGE_TYPES` is not checked: their beginnings are not known here.

    Raises:
        BadUserInput: the icon breaks one of the rules.
    """
    stated = icon.content_type.lower()
    if icon.content.size > rules.max_bytes:
        raise BadUserInput.of([too_large(rules.max_bytes)])
    if stated not in rules.media_types:
        values = tuple(rules.media_types)
        message = f"must have one of the media types {', '.join(values)}"
        raise BadUserInput.at(_PATH, message, Rule.MEDIA_TYPE, values=values)
    if stated in IMAGE_TYPES and image_type(next(icon.content.chunks(), b"")) != stated:
        raise BadUserInput.at(_PATH, f"is not {stated}, although its media type states it", Rule.CONTENT, format=stated)


def too_large(max_bytes: int, path: tuple[str | int, ...] = _PATH) -> Violation:
    """Return the violation of an icon of more than `max_bytes`."""
    return Violation(path, f"must not be larger than {max_bytes} bytes", Rule.MAX_BYTES, {"max": max_bytes})
